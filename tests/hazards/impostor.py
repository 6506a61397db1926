#!/usr/bin/env python3
"""tests/hazards/impostor.py - a collector that does not do what one should.

usage: impostor.py SOCKET MODE [REAL]     prints "ready", serves until killed

It hands each hello on to the real collector at REAL and gives back its answer, after doing to it what MODE says; so
every wrong answer differs from a right one in one thing.  "genuine" changes nothing: the control of the experiment.
Each connection is told on stdout as "heard N", N bytes of hello.
"""
import array, fcntl, os, random, socket, struct, sys, time

F_ADD_SEALS, F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW = 1033, 1, 2, 4
path, mode, real = (sys.argv[1:] + [None])[:3]


def ask_real(hello):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(real)
    s.send(hello)
    data, fds, _, _ = socket.recv_fds(s, 65536, 8)
    return data, fds


def changed(data, offset, fmt, value):
    return data[:offset] + struct.pack(fmt, value) + data[offset + struct.calcsize(fmt):]


def memfd(content, size, seals):
    fd = os.memfd_create("impostor", os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, size)
    os.pwrite(fd, content, 0)
    if seals:
        fcntl.fcntl(fd, F_ADD_SEALS, seals)
    return fd


def header(fd):
    return os.pread(fd, 4096, 0)


def size_of(data):
    return struct.unpack_from("<Q", data, 16)[0]


def scrambled(fd, data):
    """The real region's beginning, some bytes of its header changed."""
    h = bytearray(header(fd))
    for _ in range(random.choice((1, 1, 2, 8))):
        h[random.randrange(256)] = random.choice((0, 1, 0x7F, 0xFF, random.randrange(256)))
    return memfd(bytes(h), size_of(data), F_SEAL_SHRINK | F_SEAL_GROW)


SEALED = F_SEAL_SHRINK | F_SEAL_GROW
ANSWERS = {
    "genuine": lambda d, f: (d, f),
    "magic": lambda d, f: (changed(d, 0, "<Q", 0x1234), f),
    "newer": lambda d, f: (changed(d, 8, "<H", struct.unpack_from("<H", d, 8)[0] + 1), f),
    "older": lambda d, f: (changed(d, 8, "<H", 0), f),
    "refused": lambda d, f: (changed(d, 12, "<I", 3), []),
    "version": lambda d, f: (changed(d, 12, "<I", 1), []),
    "short": lambda d, f: (d[:-1], f),
    "long": lambda d, f: (d + b"x", f),
    "huge": lambda d, f: (d + bytes(60000), f),
    "garbage": lambda d, f: (os.urandom(len(d)), f),
    "no_descriptor": lambda d, f: (d, []),
    "two_descriptors": lambda d, f: (d, f + f),
    "many_descriptors": lambda d, f: (d, f * 100),
    "a_pipe": lambda d, f: (d, [os.pipe()[0]]),
    "a_directory": lambda d, f: (d, [os.open("/", os.O_RDONLY)]),
    "a_device": lambda d, f: (d, [os.open("/dev/zero", os.O_RDWR)]),
    "unsealed": lambda d, f: (d, [memfd(header(f[0]), size_of(d), 0)]),
    "sealed_too_short": lambda d, f: (d, [memfd(header(f[0]), 8192, SEALED)]),
    "empty": lambda d, f: (d, [memfd(b"", 0, SEALED)]),
    "read_only": lambda d, f: (d, [os.open(f"/proc/self/fd/{f[0]}", os.O_RDONLY)]),
    "no_size": lambda d, f: (changed(d, 16, "<Q", 0), f),
    "larger_size": lambda d, f: (changed(d, 16, "<Q", 1 << 45), f),
    "odd_size": lambda d, f: (changed(d, 16, "<Q", size_of(d) - 1), f),
    "all_zero": lambda d, f: (d, [memfd(b"", size_of(d), SEALED)]),
    "scrambled": lambda d, f: (d, [scrambled(f[0], d)]),
}


def serve(c):
    if mode == "hangs_up":
        return
    hello = c.recv(65536)
    if len(hello) < 1000:  # no hello: somebody's `heaptap ps` looks at every socket it finds
        return
    print("heard", len(hello), flush=True)
    if mode == "dies":
        os._exit(0)
    if mode == "silent":
        time.sleep(3600)
    if mode in ANSWERS:
        data, fds = ANSWERS[mode](*ask_real(hello))
        if fds:
            socket.send_fds(c, [data], fds)
        else:
            c.send(data)
    elif mode == "nothing":
        c.send(b"")


def main():
    kind = {"stream": socket.SOCK_STREAM, "datagram": socket.SOCK_DGRAM}.get(mode, socket.SOCK_SEQPACKET)
    s = socket.socket(socket.AF_UNIX, kind)
    s.bind(path)
    os.chmod(path, 0o777)
    if mode not in ("stale", "datagram"):
        s.listen(0 if mode == "full" else 64)
    waiting = []
    while mode == "full":  # until nobody gets in any more
        w = socket.socket(socket.AF_UNIX, kind)
        w.setblocking(False)
        try:
            w.connect(path)
            waiting.append(w)
        except BlockingIOError:
            break
    if mode == "stale":
        s.close()
    print("ready", flush=True)
    random.seed(os.environ.get("SEED", "1"))
    while mode in ("stale", "full", "datagram"):
        time.sleep(3600)
    while True:
        c, _ = s.accept()
        try:
            serve(c)
        except OSError as e:
            print("failed", e, flush=True)
        c.close()


main()
