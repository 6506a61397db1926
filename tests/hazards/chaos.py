#!/usr/bin/env python3
"""tests/hazards/chaos.py - programs and a collector started, stopped and killed at random; then everything is counted.

usage: chaos.py BUILD SECONDS [SEED]     exit 1 and lines that say what is wrong

Each program writes "right" to a file of its own when its own check of its work holds.  At the end: every program that
was not killed has done so with status 0; nobody is stuck; the collector's descriptors are as many as when idle and it
maps no region any more; and each session that the collectors announced is accounted for: an end and a snapshot, or the
collector itself was killed before.
"""
import os, random, re, signal, subprocess, sys, time

build, seconds = sys.argv[1], float(sys.argv[2])
seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.SystemRandom().randrange(1 << 32)
rng = random.Random(seed)
print(f"seed {seed}, {seconds:.0f} s", flush=True)
here = os.getcwd()
sock, state = here + "/sock", here + "/state"
problems = []

# Each ends with status 0 exactly if what it computed is right.
PROGRAMS = {
    "bash": ["bash", "-c", 'n=0; for i in $(seq 60); do x=$(echo $i | tr 0-9 a-j); [ -n "$x" ] && n=$((n+1)); done; [ $n = 60 ] && echo right >"$1"', "bash"],
    "python": ["/usr/bin/python3", "-S", "-c", """import sys, threading, os
got = []
def work(k):
    d = {i: 'x' * (i % 300) for i in range(4000)}
    got.append(sum(len(v) for v in d.values()))
ts = [threading.Thread(target=work, args=(k,)) for k in range(4)]
[t.start() for t in ts]; [t.join() for t in ts]
pids = [os.fork() for _ in range(1)]
if pids[0] == 0: os._exit(len([bytes(i) for i in range(500)]) % 256)
ok = os.waitstatus_to_exitcode(os.waitpid(pids[0], 0)[1]) == 244 and got == [sum(i % 300 for i in range(4000))] * 4
assert ok; open(sys.argv[1], 'w').write('right')"""],
    "perl": ["perl", "-e", 'my %h = map { $_ => "v" x ($_ % 50) } 1..30000; my $p = fork; if (!$p) { my @x = map { $_ x 3 } 1..9000; exit(@x == 9000 ? 7 : 1) } waitpid $p, 0; if ($? >> 8 == 7 && keys(%h) == 30000) { open F, ">", $ARGV[0]; print F "right" }'],
    "sort": ["sh", "-c", 'seq 60000 | sort -R | sort -n | md5sum | grep -q "^$(seq 60000 | md5sum)" && echo right >"$1"', "sh"],
    "git": ["sh", "-c", 'd=$(mktemp -d) && cd $d && git init -q . && seq 3000 >f && git add f && git -c user.name=a -c user.email=b commit -qm m && [ "$(git show HEAD:f | wc -l)" = 3000 ]; r=$?; cd /; rm -rf $d; [ $r = 0 ] && echo right >"$1"', "sh"],
    "gcc": ["sh", "-c", 'printf "int main(void) { return 42; }" | gcc -O2 -x c -o "$1.exe" - && { "$1.exe"; [ $? = 42 ]; } && echo right >"$1"', "sh"],
    "forks": [build + "/tests/victims/fork_storm"],
    "probe": [build + "/tests/victims/probe", "work"],
    "true": ["true"],
}
# Programs without a file of their own: their exit status tells.
STATUS = {"forks": 0, "probe": 3, "true": 0}


class Collector:
    def __init__(self):
        self.logs, self.killed, self.stopped = [], [], False
        self.start()

    def start(self):
        log = f"{here}/collector.{len(self.logs)}.log"
        self.logs.append(log)
        env = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
        self.p = subprocess.Popen([build + "/heaptap-collectord", "--socket", sock, "--state", state, "--rate", "4096",
                                   "--interval", "1"], stdout=subprocess.DEVNULL, stderr=open(log, "w"), env=env)
        self.stopped = False
        wait_for(lambda: "listening" in open(log).read(), 30, "a collector that listens")

    def kill(self):
        self.p.kill()
        self.p.wait()
        self.killed.append(self.logs[-1])
        self.start()

    def pause(self):
        self.p.send_signal(signal.SIGCONT if self.stopped else signal.SIGSTOP)
        self.stopped = not self.stopped

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.p.pid}/fd"))

    def regions(self):
        return open(f"/proc/{self.p.pid}/maps").read().count("memfd:")


def wait_for(condition, limit, what):
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            problems.append(f"not within {limit} s: {what}")
            return False
        time.sleep(0.05)
    return True


class Program:
    count = 0

    def __init__(self):
        Program.count += 1
        self.name = rng.choice(list(PROGRAMS))
        self.file = f"{here}/out/{Program.count}"
        self.killed = self.stopped = False
        env = dict(os.environ, HEAPTAP_SOCKET=sock)
        command = PROGRAMS[self.name] + ([] if self.name in STATUS else [self.file])
        how = rng.random()
        if how < 0.75:
            env["LD_PRELOAD"] = build + "/libheaptap.so"
        elif how < 0.9:
            command = [build + "/heaptap", "run", "-q", "-i", "0", "-r", rng.choice(["1", "64K"]), "-o", here + "/runs", "--"] + command
        self.p = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=open(self.file + ".err", "w"), start_new_session=True)

    def signal(self, sig):
        try:
            os.killpg(self.p.pid, sig)
        except ProcessLookupError:
            pass

    def done(self):
        if self.p.poll() is None:
            return False
        if not self.killed:
            self.judge()
        else:
            self.signal(signal.SIGKILL)
        return True

    def judge(self):
        err = open(self.file + ".err").read()
        right = self.p.returncode == STATUS.get(self.name, 0)
        if self.name not in STATUS:
            right = right and os.path.exists(self.file) and open(self.file).read().strip() == "right"
        if not right or err:
            problems.append(f"{self.name}: status {self.p.returncode}, {err[:300]!r}")


def act(collector, programs):
    what = rng.random()
    victim = rng.choice(programs) if programs else None
    if what < 0.5 and len(programs) < 6:
        programs.append(Program())
    elif what < 0.6 and victim:
        victim.killed = True
        victim.signal(signal.SIGKILL)
    elif what < 0.75 and victim:
        victim.stopped = not victim.stopped
        victim.signal(signal.SIGSTOP if victim.stopped else signal.SIGCONT)
    elif what < 0.80:
        collector.pause()
    elif what < 0.82:
        collector.kill()
    elif what < 0.87 and not collector.stopped:
        collector.p.send_signal(signal.SIGUSR1)


def account(collector):
    """Every announced session has its last snapshot and an end, unless its collector was killed.

    A busy collector leaves lines of its log out and says how many: so files count, and ends up to that number."""
    announced = 0
    finals = {m[1] for d, _, files in os.walk(state) if (m := re.search(r"\.(\d+)$", d))
              for f in files if re.search(r"(exit|shutdown|end)\.heaptap$", f)}
    for log in collector.logs:
        text = open(log).read()
        started = dict(re.findall(r"session (\d+): pid (\d+)", text))
        announced += len(started)
        if log in collector.killed:
            continue
        left_out = sum(map(int, re.findall(r"(\d+) lines? like the next", text)))
        open_ended = set(started) - set(re.findall(r"session (\d+): ended", text))
        if len(open_ended) > left_out:
            problems.append(f"{log}: sessions without an end: {sorted(open_ended)}, {left_out} lines left out")
        nothing = set(re.findall(r"session (\d+): ended, 0 samples", text))
        # Whether one whose end is among the lines left out had samples is not known; without any it leaves no file.
        unknown = open_ended if left_out else set()
        lost = [s for s, pid in started.items() if pid not in finals and s not in nothing | unknown]
        if lost:
            problems.append(f"{log}: sessions without a last snapshot: {lost}")
    return announced


def stragglers():
    """Processes that still have our socket in their environment."""
    out = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if sock.encode() in open(f"/proc/{pid}/environ", "rb").read() and int(pid) != os.getpid():
                out.append(int(pid))
        except OSError:
            pass
    return out


def main():
    for d in "out", "state", "runs":
        os.makedirs(d, exist_ok=True)
    collector, programs = Collector(), []
    idle = collector.descriptors()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        act(collector, programs)
        programs = [p for p in programs if not p.done()]
        time.sleep(rng.random() * 0.06)
    if collector.stopped:
        collector.pause()
    for p in programs:
        p.signal(signal.SIGCONT)

    def all_done():
        nonlocal programs
        programs = [p for p in programs if not p.done()]
        return not programs
    wait_for(all_done, 120, "all programs end")
    wait_for(lambda: not stragglers(), 60, f"no process is left: {stragglers()}")
    wait_for(lambda: collector.regions() == 0, 60, "the collector lets go of all regions")
    wait_for(lambda: collector.descriptors() == idle, 60, f"its {idle} descriptors again")
    collector.p.terminate()
    if collector.p.wait(60) != 0:
        problems.append(f"the collector ends with status {collector.p.returncode}")
    announced = account(collector)
    print(f"{Program.count} programs, {announced} sessions, {len(collector.killed)} collectors killed")
    if announced < Program.count / 4:
        problems.append("hardly anybody attached")
    print("\n".join(problems), end="\n" if problems else "")
    sys.exit(bool(problems))


main()
