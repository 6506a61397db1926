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

build, what = os.path.realpath(sys.argv[1]), sys.argv[2]
seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.SystemRandom().randrange(1 << 32)
rng = random.Random(seed)
VALUES = ("allocs", "frees", "alloc_count", "alloc_bytes", "free_count", "free_bytes")
SIGNALS = [signal.SIGKILL] * 16 + [signal.SIGSEGV, signal.SIGABRT, signal.SIGTERM, signal.SIGTERM]
AT_ONCE, LIMIT = 8, 120
BURSTS = [build + "/tests/victims/bursts"]
POINTS = ("keep_before", "keep_stored", "state_logged", "state_committed", "lane_given_back", "state_checkpoint_written",
          "state_flipped", "burial_logged", "spill_given_back", "entry_given_back", "save_logged", "process_gone",
          "keep_forgotten")
PASSAGES = (1, 3)


def frame(snap, address):
    at = address & ((1 << 63) - 1)
    for start, end, bias, _, path, _ in snap["modules"]:
        if start <= at < end:
            return path, at - bias
    return "?", at


def profile(path):
    """Totals by stack, in terms of files: addresses differ from run to run."""
    snap = snapshot.read(path)
    audit = snap["audit"]
    assert audit["corrupt"] == 0 and audit["untracked"] == 0, (path, audit)
    stacks = collections.Counter()
    for frames, values in snap["stacks"]:
        for key in VALUES:
            stacks[tuple(frame(snap, f) for f in frames), key] += values[key]
    return frozenset((k, v & snapshot.MASK) for k, v in stacks.items() if v & snapshot.MASK)


def files_below(state):
    return {f"{d}/{f}" for d in os.listdir(state) for f in os.listdir(f"{state}/{d}")}


def sessions(state, before):
    """Of each session the newest snapshot of each of its processes, if it was not there `before`.

    Not by directory: session numbers begin again when there is no session left, and pids come again."""
    out = collections.defaultdict(list)
    for name in {f.split("/")[0] for f in files_below(state) - before}:
        files = sorted(f for f in os.listdir(f"{state}/{name}") if f.endswith(".heaptap"))
        out[name.split(".")[0]].append(profile(f"{state}/{name}/{files[-1]}"))
    return [sorted(p, key=lambda p: (len(p), sorted(p))) for p in out.values()]


def difference(got, right):
    if len(got) != len(right):
        return f"{len(got)} processes instead of {len(right)}"
    for i, (g, r) in enumerate(zip(got, right)):
        if g != r:
            g, r = dict(g), dict(r)
            keys = [k for k in g.keys() | r.keys() if g.get(k, 0) != r.get(k, 0)]
            return f"process {i}: {len(keys)} of {len(r)} values differ, as {[(k[1], g.get(k, 0), r.get(k, 0)) for k in keys[:4]]}"
    return None


class Load:
    def __init__(self, daemon, program, rate=1):
        os.makedirs("state", exist_ok=True)
        self.program = program
        self.manager = Manager("../sock", [build + daemon, "--state", os.getcwd() + "/state", "--rate", str(rate),
                                        "--interval", "0"], log="collector.log")
        self.manager.start()
        self.manager.await_note("READY")
        self.killed, self.running, self.daemons = 0, [], [self.manager.command[0]]
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
        end = time.monotonic() + rng.random() ** 2 * 0.06
        while time.monotonic() < end:
            self.manager.hear(0.002)
        self.manager.signal(rng.choice(SIGNALS))
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
        return sessions("state", before)


    def right(self):
        """What a program comes to when nothing goes wrong."""
        right, again = self.wave(1, False)[0], self.wave(1, False)[0]
        assert len(right) == 3 and all(len(p) > 50 for p in right), [len(p) for p in right]
        assert again == right, f"the program is not the same in every run: {difference(again, right)}"
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
                if len(got) != 2:
                    problems.append(f"{point}:{passage}: {len(got)} sessions instead of 2")
                problems += [f"{point}:{passage}: {d}" for d in (difference(g, right) for g in got) if d]
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
    print(f"seed {seed}", flush=True)
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
        meanwhile = waves % 4 == 0
        got = load.wave(AT_ONCE, True, meanwhile)
        if len(got) != AT_ONCE and not meanwhile:
            problems.append(f"{len(got)} sessions instead of {AT_ONCE}")
        problems += [f"wave {waves}: {d}" for d in (difference(g, right) for g in got) if d]
    load.manager.signal(signal.SIGTERM)
    if load.manager.wait() != 0:
        problems.append(f"the collector ends with status {load.manager.status}")
    log = open("collector.log").read()
    problems += [line for line in log.splitlines() if "ends with the collector before" in line and "not attached" not in line]
    print(f"{load.killed} collectors ended, {waves * AT_ONCE} programs, {load.manager.barriers} handshakes kept")
    return problems


def test_random():
    print(f"seed {seed}", flush=True)
    load = Load("/heaptap-collectord", BURSTS + ["40", "20"])
    try:
        return test(load, int(what))
    finally:
        load.end()


def main():
    problems = {"points": test_points, "empty": test_empty, "versions": test_versions}.get(what, test_random)()
    print("\n".join(problems), end="\n" if problems else "")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
