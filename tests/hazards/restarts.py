#!/usr/bin/env python3
"""tests/hazards/restarts.py - the collector is killed again and again; what programs allocated is known to the last byte.

usage: restarts.py BUILD KILLS [SEED]        exit 1 and lines that say what is wrong
       restarts.py BUILD points
       restarts.py BUILD versions [SEED]
       restarts.py BUILD empty

Programs that do the same in every run (tests/victims/bursts) are recorded at -r 1 by a collector under a service manager
(tests/tools/manager.py) that keeps its descriptors and starts it again.  One of them without a fault says what is right;
then eight at a time, while the collector is ended at random moments: killed, by a crash's signals, by SIGTERM.  Each
process of each program must have the same totals, stack by stack.

With `versions` each collector is of another version than the one before, and so is every second program's shim: what one
wrote, the other reads (tests/tools/collectord_next, libheaptap_next.so).  With `points` it is a daemon that kills itself at each test point (common/testpoint.h), at some of its passages.  With
`empty` it does so while it buries a program that has no sample, of which nothing is left: its successor must live.
"""
import collections
import functools
import glob
import os
import random
import signal
import subprocess
import sys
import time

here = os.path.dirname(os.path.realpath(__file__))
sys.path += [here + "/../tools", here + "/../e2e"]
import snapshot  # noqa: E402
from manager import Manager  # noqa: E402

build = os.path.realpath(sys.argv[1])
rng = random.Random()
VALUES = ("allocs", "frees", "alloc_count", "alloc_bytes", "free_count", "free_bytes")
# SIGSTOP: it hangs, until its manager's watchdog ends it.
SIGNALS = [signal.SIGKILL] * 16 + [signal.SIGSEGV, signal.SIGABRT, signal.SIGTERM, signal.SIGTERM, signal.SIGSTOP]
AT_ONCE, LIMIT = 8, 120
THREAD = 8  # ABI_STACK_THREAD: the last frame is a thread
BURSTS = [build + "/tests/victims/bursts"]
POINTS = ("keep_before", "keep_stored", "state_logged", "state_committed", "lane_given_back", "state_checkpoint_written",
          "state_flipped", "burial_logged", "spill_given_back", "entry_given_back", "save_logged", "process_gone",
          "keep_forgotten")
PASSAGES = (1, 3)


def frame(snap, address, epoch):
    """Path and offset; of modules that followed each other at one place the one that was there then."""
    at = address & ((1 << 63) - 1)
    found = [(since, path, at - bias) for start, end, bias, since, path, _ in snap["modules"] if start <= at < end and since <= epoch]
    return max(found)[1:] if found else ("?", at)


def profile(path):
    """Totals by stack, in terms of files: addresses differ from run to run."""
    snap = snapshot.read(path)
    audit = snap["audit"]
    assert audit["corrupt"] == 0 and audit["untracked"] == 0, (path, audit)
    stacks = collections.Counter()
    named = functools.lru_cache(None)(lambda address, epoch: frame(snap, address, epoch))
    for frames, values in snap["stacks"]:
        if values["flags"] & THREAD:
            frames = frames[:-1]
        stack = tuple(named(f, values["epoch"]) for f in frames)
        for key in VALUES:
            stacks[stack, key] += values[key]
    return frozenset((k, v & snapshot.MASK) for k, v in stacks.items() if v & snapshot.MASK)


def files_below(state):
    """Empty directories go while one looks."""
    return {"/".join(path.split("/")[-2:]) for path in glob.glob(f"{state}/*/*")}


def sessions(state, before):
    """Of each session the newest snapshot of each of its processes, if it was not there `before`.

    Not by directory: session numbers begin again when there is no session left, and pids come again."""
    out = collections.defaultdict(list)
    for name in {f.split("/")[0] for f in files_below(state) - before}:
        files = sorted(f for f in os.listdir(f"{state}/{name}") if f.endswith(".heaptap"))
        out[name.split(".")[0]].append(profile(f"{state}/{name}/{files[-1]}"))
    return [sorted(p, key=lambda p: (len(p), sorted(p))) for p in out.values()]


def unlike(got, right, n, may_miss=False):
    """What is wrong with the sessions of n programs, if each should have those of `right`; some may be missing as a whole:
    a program that begins among kills tries to attach a few times only."""
    left, wrong = right * n, []
    for g in got:
        left.remove(g) if g in left else wrong.append(g)
    problems = [difference(g, min(right, key=lambda r: abs(len(r) - len(g)))) for g in wrong]
    if not may_miss and (len(got) > len(right) * n or sum(s == max(right, key=lambda s: (len(s), len(s[0]))) for s in left) > len(wrong)):
        problems.append(f"{len(got)} sessions instead of {len(right) * n}")
    return problems


def difference(got, right):
    if len(got) != len(right):
        return f"{len(got)} processes instead of {len(right)}"
    for i, (g, r) in enumerate(zip(got, right)):
        if g != r:
            g, r = dict(g), dict(r)
            keys = [k for k in g.keys() | r.keys() if g.get(k, 0) != r.get(k, 0)]
            return f"process {i}: {len(keys)} of {len(r)} values differ, as {[(k[1], g.get(k, 0), r.get(k, 0)) for k in keys[:4]]}"
    return "one session too many"


class Load:
    def __init__(self, daemon, program, rate=1, options=()):
        os.makedirs("state", exist_ok=True)
        self.program = program
        self.manager = Manager("../sock", [build + daemon, "--state", os.getcwd() + "/state", "--rate", str(rate),
                                        "--interval", "0", *options], log="collector.log")
        self.manager.start()
        self.manager.await_note("READY")
        self.killed, self.running, self.daemons = 0, [], [self.manager.command[0]]
        self.executes = False  # it has several sessions, whose numbers come again: processes are compared
        self.pace = 0.06  # seconds between two ends, at most
        self.shims = [build + "/libheaptap.so"]

    def launch(self, n):
        env = dict(os.environ, HEAPTAP_SOCKET=os.path.dirname(os.getcwd()) + "/sock", HEAPTAP_WAIT_MS="10000")
        self.running = [subprocess.Popen(self.program, env=dict(env, LD_PRELOAD=self.shims[i % len(self.shims)]))
                        for i in range(n)]

    def end(self):
        for p in self.running:
            p.kill()
        self.manager.signal(signal.SIGKILL)

    def strike(self):
        """End the collector one way or another, some time after its start; mostly when it is ready."""
        if rng.random() < 0.9:
            self.manager.await_note("READY", LIMIT)
        end = time.monotonic() + rng.random() ** 2 * self.pace
        while time.monotonic() < end:
            self.manager.hear(0.002)
        how = rng.choice(SIGNALS)
        self.manager.signal(how)
        if how == signal.SIGSTOP:
            self.manager.hear(0.05)
            self.manager.signal(signal.SIGABRT)
            self.manager.signal(signal.SIGCONT)
        self.manager.wait(LIMIT)
        self.killed += 1
        self.manager.command[0] = self.daemons[self.killed % len(self.daemons)]
        self.manager.start()

    def settle(self):
        """Until every session has come to its end."""
        self.manager.await_note("READY", LIMIT)
        self.manager.hear(0.05)  # what is stored for a program was said before it ran
        end = time.monotonic() + LIMIT
        while self.manager.store:
            self.manager.hear(0.05)
            if time.monotonic() > end:
                raise SystemExit(f"sessions without an end: {sorted({n for n, _ in self.manager.store})}")

    def attached(self):
        log = open("collector.log").read()
        return all(f"pid {p.pid} of uid" in log for p in self.running)

    def wave(self, programs, faults, meanwhile=False):
        """`meanwhile`: faults from the first moment on, so that some may not come to attach at all."""
        before = files_below("state")
        self.launch(programs)
        while not meanwhile and not self.attached() and any(p.poll() is None for p in self.running):
            self.manager.hear(0.01)
        while any(p.poll() is None for p in self.running):
            if faults:
                self.strike()
            else:
                self.manager.hear(0.05)
        assert all(p.returncode == 0 for p in self.running), "a program failed"
        self.settle()
        found = sessions("state", before)
        return [[p] for s in found for p in s] if self.executes else found


    def right(self):
        """What a program comes to when nothing goes wrong."""
        right, again = self.wave(1, False), self.wave(1, False)
        assert right and all(len(s) > 0 and all(len(p) > 20 for p in s) for s in right), [[len(p) for p in s] for s in right]
        assert not unlike(again, right, 1), f"the program is not the same in every run: {unlike(again, right, 1)}"
        return right

    def suicide(self, programs, point, passage):
        """A wave beside a collector that kills itself; its successor finds the rest.  Whether it did so."""
        self.manager.signal(signal.SIGKILL)
        self.manager.wait(LIMIT)
        self.manager.env = {"HEAPTAP_KILL_AT": f"{point}:{passage}"}
        self.manager.start()
        self.manager.env = {}
        before, self.killed = files_below("state"), 0
        self.launch(programs)
        end = time.monotonic() + LIMIT
        busy = True
        while busy:
            busy = any(p.poll() is None for p in self.running)
            self.manager.hear(0.01)  # what is stored for a program was said before it ran
            busy = busy or self.manager.store
            if self.manager.ended() is not None:
                self.killed += 1
                self.manager.start()
            assert time.monotonic() < end, f"{point}: sessions without an end"
        return sessions("state", before)


def test_points():
    load = Load("/tests/tools/collectord_points", BURSTS + ["4", "5"])
    problems, deaths = [], collections.Counter()
    try:
        right = load.right()
        for point in POINTS:
            for passage in PASSAGES:
                got = load.suicide(2, point, passage)
                deaths[point] += load.killed
                problems += [f"{point}:{passage}: {d}" for d in unlike(got, right, 2)]
    finally:
        load.end()
    problems += [f"{point} is never passed" for point in POINTS if not deaths[point]]
    print(f"{sum(deaths.values())} collectors killed themselves: {dict(deaths)}")
    return problems


def test_empty():
    load = Load("/tests/tools/collectord_points", ["/bin/true"], 1 << 30)
    problems = []
    try:
        load.manager.await_note("READY", LIMIT)
        for point in ("burial_logged", "entry_given_back", "process_gone"):
            left = load.suicide(1, point, 1)
            load.manager.signal(signal.SIGTERM)
            status = load.manager.wait(LIMIT)
            if left or load.killed != 1 or status:
                problems.append(f"{point}: {load.killed} killed, {len(left)} programs left snapshots, then status {status}")
    finally:
        load.end()
    return problems


def test_versions():
    load = Load("/heaptap-collectord", BURSTS + ["40", "20"])
    load.daemons.append(build + "/tests/tools/collectord_next")
    load.shims.append(build + "/tests/tools/libheaptap_next.so")
    try:
        return test(load, 12)
    finally:
        load.end()


def test(load, kills):
    waves, problems = 0, []
    right = load.right()
    while load.killed < kills and not problems:
        waves += 1
        meanwhile = waves % 4 == 0 and not load.executes
        got = load.wave(AT_ONCE, True, meanwhile)
        problems += [f"wave {waves}: {d}" for d in unlike(got, right, AT_ONCE, meanwhile)]
    load.manager.signal(signal.SIGTERM)
    if load.manager.wait() != 0:
        problems.append(f"the collector ends with status {load.manager.status}")
    log = open("collector.log").read()
    problems += [line for line in log.splitlines() if "ends with the collector before" in line and "not attached" not in line]
    print(f"{load.killed} collectors ended, {waves * AT_ONCE} programs, {load.manager.barriers} handshakes kept")
    return problems


def test_random(kills):
    load = Load("/heaptap-collectord", BURSTS + ["40", "20"])
    try:
        return test(load, kills)
    finally:
        load.end()


def begin(seed):
    """Choices that can be repeated; their timing cannot."""
    seed = int(seed) if seed else random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}", flush=True)
    rng.seed(seed)


def main():
    what = sys.argv[2]
    begin(sys.argv[3] if len(sys.argv) > 3 else None)
    problems = {"points": test_points, "empty": test_empty, "versions": test_versions}.get(what, lambda: test_random(int(what)))()
    print("\n".join(problems), end="\n" if problems else "")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
