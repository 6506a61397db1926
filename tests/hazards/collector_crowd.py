"""Many clients of one collector, seen from outside: nothing here depends on how fast they are served.

usage: collector_crowd.py COLLECTORD flood|quota|short SOCKET
"""
import os, re, signal, socket, struct, subprocess, sys, time

HELLO = struct.Struct("<QHHIII128s1024s1024sII")
WELCOME = struct.Struct("<QHHIQQ")
MAGIC, OK, REFUSED = 0x314F4C4C45485448, 0, 3
A, B = 50001, 50002
here = os.getcwd()
sock = sys.argv[3]


def abi():
    text = open(os.path.join(os.environ["HEAPTAP_SOURCE"], "common/abi.h")).read()
    return [int(re.search(rf"#define {name}[\s\\(]+(\d+)", text)[1]) for name in ("ABI_MAJOR", "ABI_MINOR")]


def hello():
    return HELLO.pack(MAGIC, *abi(), HELLO.size, 0, os.getppid(), b"", b"/bin/crowd", b"crowd", 6, 0)


def connect():
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(sock)
    return s


def attach():
    """The verdict of one handshake and the region's descriptor, or None and None."""
    with connect() as s:
        s.send(hello())
        answer, fds, _, _ = socket.recv_fds(s, 256, 2)
    return (WELCOME.unpack(answer)[3], fds) if len(answer) == WELCOME.size else (None, fds)


def as_user(uid, body):
    """A process of that user that runs body(); its pid."""
    pid = os.fork()
    if pid == 0:
        status = 99
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            status = body() or 0
        finally:
            os._exit(status)
    return pid


def status_of(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def handshakes(n, expected):
    """A body: n programs one after another, each verdict as expected; they live until we end."""
    def body():
        held = []
        for i in range(n):
            verdict, fds = attach()
            held += fds
            if verdict != expected(i):
                print(f"handshake {i}: {verdict}", flush=True)
                return 1
    return body


def attach_many(n, out):
    """A body: n processes attach and stay; writes the verdicts to a file, then waits to be killed."""
    def body():
        for _ in range(n):
            r, w = os.pipe()
            if os.fork() == 0:
                verdict, _ = attach()
                os.write(w, bytes([verdict if verdict is not None else 255]))
                signal.pause()
            os.close(w)
            with open(out, "ab") as f:
                f.write(os.read(r, 1))
            os.close(r)
        signal.pause()
    return body


def flood():
    """One user's silent and short connections, as fast as can be: another user's programs are all recorded."""
    def body():
        held = []
        while True:
            held.append(connect())
            held = held[-400:]
            s = connect()
            s.send(b"x" * (len(held) % 97))
            s.close()
    floods = [as_user(A, body) for _ in range(2)]
    status = status_of(as_user(B, handshakes(25, lambda i: OK)))
    alive = [os.waitpid(p, os.WNOHANG) == (0, 0) for p in floods]
    for p in floods:
        os.kill(p, signal.SIGKILL)
    assert all(alive), "the flood ended by itself"
    return status


def quota():
    """20 of a user, 35 in all."""
    os.chmod(".", 0o777)
    files = ["a", "b"]
    groups = []
    for uid, name in (A, "a"), (B, "b"):
        pid = as_user(uid, lambda name=name: (os.setsid(), attach_many(30, name)())[0])
        groups.append(pid)
        end = time.monotonic() + 60
        while not os.path.exists(name) or os.path.getsize(name) < 30:
            assert time.monotonic() < end, "not all were answered"
            time.sleep(0.02)
    a, b = (open(f, "rb").read() for f in files)
    for pid in groups:
        os.killpg(pid, signal.SIGKILL)
    assert a == bytes([OK] * 20 + [REFUSED] * 10), a
    assert b == bytes([OK] * 15 + [REFUSED] * 15), b
    return 0


def short():
    """Three hundred short programs of one user while a hundred others live: none is lost or refused."""
    live = as_user(A, lambda: (os.setsid(), attach_many(100, "live")())[0])
    end = time.monotonic() + 60
    while not os.path.exists("live") or os.path.getsize("live") < 100:
        assert time.monotonic() < end, "not all were answered"
        time.sleep(0.02)
    assert open("live", "rb").read() == bytes(100)
    def body():
        pids = []
        for i in range(300):
            pid = os.fork()
            if pid == 0:
                os._exit(0 if attach()[0] == OK else 1)
            pids.append(pid)
            if len(pids) == 20:
                if any(status_of(p) for p in pids):
                    return 1
                pids = []
    status = status_of(as_user(B, body))
    os.killpg(live, signal.SIGKILL)
    return status


def main():
    os.chmod(".", 0o777)
    limits = ["--max-sessions-per-user", "20", "--max-sessions", "35"] if sys.argv[2] == "quota" else []
    log = open("log", "w")
    daemon = subprocess.Popen([sys.argv[1], "--socket", sock, "--state", here + "/state", "--interval", "0", *limits], stderr=log)
    end = time.monotonic() + 60
    while "listening" not in open("log").read():
        assert time.monotonic() < end and daemon.poll() is None, open("log").read()
        time.sleep(0.02)
    try:
        status = {"flood": flood, "quota": quota, "short": short}[sys.argv[2]]()
    finally:
        daemon.send_signal(signal.SIGTERM)
        ended = daemon.wait(60)
    if status or ended:
        sys.exit(f"status {status}, the collector's {ended}: {open('log').read()[-2000:]}")


main()
