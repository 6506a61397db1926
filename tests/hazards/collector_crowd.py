"""Many clients of one collector, seen from outside: nothing here depends on how fast they are served.

usage: collector_crowd.py COLLECTORD flood|quota|short|memory|half|errors SOCKET
"""
import contextlib, mmap, os, re, resource, signal, socket, struct, subprocess, sys, time

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
            with connect() as s, contextlib.suppress(BrokenPipeError, ConnectionResetError):
                s.send(b"x" * (len(held) % 97))  # to who may have hung up already
    floods = [as_user(A, body) for _ in range(2)]
    status = status_of(as_user(B, handshakes(25, lambda i: OK)))
    alive = [os.waitpid(p, os.WNOHANG) == (0, 0) for p in floods]
    for p, lives in zip(floods, alive):
        if lives:
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


def wait_for(condition, what):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, what()
        time.sleep(0.05)


class Cgroup:
    """Of version 1, for the collector alone; where there is none, the script has skipped the test."""
    path = f"/sys/fs/cgroup/memory/heaptap-test.{os.getpid()}"

    def make(self, limit):
        os.mkdir(self.path)
        with open(self.path + "/memory.limit_in_bytes", "w") as f:
            f.write(str(limit))

    def enter(self):
        with open(self.path + "/cgroup.procs", "w") as f:
            f.write("0")

    def field(self, name):
        text = open(self.path + "/memory.stat").read()
        return int(re.search(rf"^{name} (\d+)$", text, re.M)[1])

    def kills(self):
        return int(re.search(r"oom_kill (\d+)", open(self.path + "/memory.oom_control").read())[1])

    def remove(self):
        wait_for(lambda: not open(self.path + "/cgroup.procs").read(), lambda: "somebody is left in the cgroup")
        os.rmdir(self.path)


def fill(fd):
    """A program that wrote a MiB into its region."""
    with mmap.mmap(fd, 2 << 20) as m:
        m[1 << 20:2 << 20] = bytes(1 << 20)


def memory(daemon):
    """500 programs with a MiB each at a collector that may have 64: theirs is charged to them; and all goes at the end."""
    def program():
        for _ in range(500):
            r, w = os.pipe()
            if os.fork() == 0:
                verdict, fds = attach()
                fill(fds[0])
                os.write(w, bytes([verdict]))
                signal.pause()
            os.close(w)
            with open("verdicts", "ab") as f:
                f.write(os.read(r, 1))
            os.close(r)
        signal.pause()
    before = cgroup.field("shmem")
    group = as_user(A, lambda: (os.setsid(), program())[0])
    wait_for(lambda: os.path.exists("verdicts") and os.path.getsize("verdicts") >= 500, lambda: "not all were answered")
    during = cgroup.field("shmem")
    os.killpg(group, signal.SIGKILL)
    wait_for(lambda: cgroup.field("shmem") <= before + (1 << 20), lambda: f"shmem {before} {cgroup.field('shmem')}")
    assert open("verdicts", "rb").read() == bytes(500)
    assert before + (500 << 12) < during < 64 << 20, during
    assert cgroup.kills() == 0 and daemon.poll() is None
    return status_of(as_user(B, handshakes(1, lambda i: OK)))


def half(daemon):
    """5 000 that connect and say nothing: all are dropped, and meanwhile others are served."""
    def body():
        resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192))
        held = [connect() for _ in range(5000)]
        open("connected", "w").close()
        signal.pause()
    def descriptors():
        return len(os.listdir(f"/proc/{daemon.pid}/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192))
    before = descriptors()
    silent = as_user(A, body)
    try:
        wait_for(lambda: os.path.exists("connected"), lambda: "not all could connect")
        assert status_of(as_user(B, handshakes(5, lambda i: OK))) == 0
        wait_for(lambda: descriptors() <= before, lambda: f"{descriptors()} descriptors, {before} before")
    finally:
        os.kill(silent, signal.SIGKILL)
    return 0


def errors(daemon):
    """100 000 messages that are none: nobody's journal is filled."""
    wrong = [b"", b"x", hello()[:-1], bytes(len(hello())), hello() + b"x", hello()[:8] + b"\xff" * 8, b"HTCTRL01" + bytes(8)]
    def body():
        for i in range(100000):
            with connect() as s:
                try:
                    s.send(wrong[i % len(wrong)])
                except BrokenPipeError:
                    pass
    assert status_of(as_user(A, body)) == 0
    assert status_of(as_user(B, handshakes(1, lambda i: OK))) == 0
    assert len(open("log").readlines()) < 20
    return 0


cgroup = Cgroup()


def main():
    os.chmod(".", 0o777)
    limits = ["--max-sessions-per-user", "20", "--max-sessions", "35"] if sys.argv[2] == "quota" else []
    log = open("log", "w")
    enter = None
    if sys.argv[2] == "memory":
        cgroup.make(64 << 20)
        enter = cgroup.enter
    daemon = subprocess.Popen([sys.argv[1], "--socket", sock, "--state", here + "/state", "--interval", "0", *limits],
                              stderr=log, preexec_fn=enter)
    end = time.monotonic() + 60
    while "listening" not in open("log").read():
        assert time.monotonic() < end and daemon.poll() is None, open("log").read()
        time.sleep(0.02)
    try:
        scenarios = {"memory": memory, "half": half, "errors": errors}
        if sys.argv[2] in scenarios:
            status = scenarios[sys.argv[2]](daemon)
        else:
            status = {"flood": flood, "quota": quota, "short": short}[sys.argv[2]]()
    finally:
        daemon.send_signal(signal.SIGTERM)
        ended = daemon.wait(60)
        if enter:
            cgroup.remove()
    if status or ended:
        sys.exit(f"status {status}, the collector's {ended}: {open('log').read()[-2000:]}")


main()
