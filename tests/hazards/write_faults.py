#!/usr/bin/env python3
"""tests/hazards/write_faults.py - each step of a snapshot's way to the disk fails, or is the collector's last.

usage: write_faults.py BUILD SOCKET uring|epoll errors|kills|loop        exit 1 and lines that say what is wrong

The steps are open, write, fsync, rename and the directory's fsync; tests/tools/disk_faults.so makes them fail inside the
daemon, with either backend.  Whatever happens: files that were there are the same to the byte, every file with a
snapshot's name can be read, no temporary file and no descriptor is left, an error that stands is counted, told in ps
and in the log, and the next snapshot is written; one that passes (interrupted, short) is not even seen.
"""
import glob
import hashlib
import os
import subprocess
import sys
import time

build, (sock, backend, what) = os.path.realpath(sys.argv[1]), sys.argv[2:5]
here = os.getcwd()
STEPS = ("open", "write", "fsync", "rename", "dirsync")
STAND = {"EIO": "Input/output error", "ENOSPC": "No space left", "EDQUOT": "Disk quota exceeded"}
PASS = ("EINTR", "EAGAIN", "ECANCELED")
LIMIT = 60
collectors = []


def eventually(condition, what):
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, f"not within {LIMIT} s: {what}"
        time.sleep(0.01)


def contents():
    """Digest of each finished snapshot."""
    return {f: hashlib.sha256(open(f, "rb").read()).digest() for f in glob.glob("state/*/*.heaptap")}


def temporary():
    return glob.glob("state/*/.*.tmp")


class Collector:
    """A daemon with the preload, and one program that it records."""

    def __init__(self):
        self.sock = sock
        os.makedirs("state", exist_ok=True)
        self.log = f"{here}/daemon.log"
        if os.path.exists(self.log):
            os.unlink(self.log)
        env = dict(os.environ, HEAPTAP_IO=backend, HEAPTAP_FAULT=f"{here}/fault", LD_PRELOAD=f"{build}/tests/tools/disk_faults.so")
        collectors.append(self)
        self.program = self.daemon = subprocess.Popen([f"{build}/heaptap-collectord", "--socket", self.sock, "--state", f"{here}/state", "--rate",
                                        "1", "--interval", "0"], env=env, stderr=open(self.log, "w"))
        eventually(lambda: self.says("listening on") or self.daemon.poll() is not None, "a collector that listens")
        assert self.daemon.poll() is None, open(self.log).read()
        self.begin()
        self.errors = 0

    def begin(self):
        env = dict(os.environ, HEAPTAP_SOCKET=self.sock, HEAPTAP_WAIT_MS="10000", LD_PRELOAD=f"{build}/libheaptap.so")
        self.program = subprocess.Popen([f"{build}/tests/victims/steady", "3"], env=env, stdin=subprocess.PIPE)
        eventually(lambda: self.says(f"pid {self.program.pid} of uid"), "a program that is recorded")

    def says(self, text):
        return text in open(self.log).read()

    def heaptap(self, *args):
        return subprocess.run([f"{build}/heaptap", *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT)

    def snapshot(self):
        return self.heaptap("snapshot", "--socket", self.sock, str(self.program.pid))

    def descriptors(self):
        return sorted(os.readlink(f"/proc/{self.daemon.pid}/fd/{n}").split(":")[0] for n in os.listdir(f"/proc/{self.daemon.pid}/fd"))

    def fault(self, step, how, count=1):
        with open("fault.new", "w") as f:
            f.write(f"{step} {how} {count}\n")
        os.rename("fault.new", "fault")

    def end_program(self):
        self.program.stdin.close()
        self.program.wait()

    def end(self):
        self.end_program()
        self.daemon.terminate()
        return self.daemon.wait(LIMIT)

    def all_are_whole(self):
        for f in glob.glob("state/*/*.heaptap"):
            r = self.heaptap("top", f)
            assert r.returncode == 0, f"{f}: {r.stderr}"


def one_error(c, step, how, before):
    """One snapshot with the fault; what must hold afterwards."""
    c.fault(step, how)
    r = c.snapshot()
    assert not os.path.exists("fault"), "the fault did not happen"
    if how in STAND:
        c.errors += 1
        assert r.returncode == 1 and STAND[how] in r.stderr, (r.returncode, r.stderr)
        ps = c.heaptap("ps", "--socket", c.sock).stderr
        assert f"{c.errors} snapshot" in ps and STAND[how] in ps, ps
        assert c.says(STAND[how]), "nothing in the log"
    else:
        assert r.returncode == 0, r.stderr
    assert not temporary(), temporary()
    now = contents()
    assert before.items() <= now.items(), "an older snapshot is another one"
    # After the rename it is there, known to be durable or not.
    assert len(now) - len(before) == (how not in STAND or step == "dirsync"), sorted(now)


def test_errors():
    problems, c = [], Collector()
    assert c.snapshot().returncode == 0
    idle = c.descriptors()
    for step in STEPS:
        for how in tuple(STAND) + PASS + (("short",) if step == "write" else ()):
            try:
                one_error(c, step, how, contents())
                r = c.snapshot()
                assert r.returncode == 0, f"and the next one: {r.stderr}"
            except AssertionError as e:
                problems.append(f"{step} {how}: {e}")
    eventually(lambda: len(c.descriptors()) <= len(idle), f"{idle} and no other descriptor, not {c.descriptors()}")
    c.all_are_whole()
    problems += exit_is_tried_again(c)
    if (status := c.end()) != 0:
        problems.append(f"the collector ends with status {status}")
    return problems


def exit_is_tried_again(c):
    """The last snapshot of a program, though the first two attempts fail."""
    before = contents()
    c.fault("fsync", "EIO", 2)
    c.end_program()
    eventually(lambda: any(f.endswith("exit.heaptap") for f in contents().keys() - before.keys()), "a last snapshot")
    c.all_are_whole()
    return [] if not os.path.exists("fault") else ["the last snapshot did not fail first"]


def one_kill(step, how):
    c = Collector()
    first = c.snapshot()
    assert first.returncode == 0, first.stderr
    before = contents()
    c.fault(step, how)
    c.snapshot()
    assert c.daemon.wait(LIMIT) == -9, f"status {c.daemon.returncode}"
    assert not os.path.exists("fault")
    now = contents()
    assert before.items() <= now.items(), "an older snapshot is another one"
    there = (step, how) == ("rename", "kill-after") or step == "dirsync"
    assert len(now) - len(before) == there, sorted(now)
    c.all_are_whole()
    c.end_program()
    # Its successor takes away what is half, and goes on.
    c = Collector()
    assert c.snapshot().returncode == 0
    assert not temporary(), temporary()
    assert now.items() <= contents().items()
    assert c.end() == 0


def test_kills():
    problems = []
    for step in STEPS:
        for how in "kill-before", "kill-after":
            try:
                one_kill(step, how)
            except AssertionError as e:
                problems.append(f"{step} {how}: {e}")
    return problems


def test_loop():
    """What the ring itself refuses for a while costs nobody anything: no program is lost, every snapshot is written."""
    problems, c = [], Collector()
    for step, how, count in (("enter", "EINTR", 50), ("enter", "EAGAIN", 50), ("enter", "EBUSY", 50), ("poll", "ENOMEM", 50),
                             ("poll", "EAGAIN", 50), ("poll", "EINTR", 50), ("poll", "ECANCELED", 50)):
        c.fault(step, how, count)
        end = time.monotonic() + LIMIT
        try:
            while os.path.exists("fault"):
                r = c.snapshot()
                assert r.returncode == 0, r.stderr
                assert time.monotonic() < end, "the faults did not happen"
            assert c.daemon.poll() is None, f"the collector ended: {c.daemon.returncode}"
            assert not c.says("ended"), open(c.log).read()
        except AssertionError as e:
            problems.append(f"{step} {how}: {e}")
            break
    if (status := c.end()) != 0:
        problems.append(f"the collector ends with status {status}")
    return problems


def main():
    try:
        problems = {"errors": test_errors, "kills": test_kills, "loop": test_loop}[what]()
    except AssertionError as e:
        problems = [str(e)]
    finally:
        for c in collectors:
            c.daemon.kill()
            c.program.kill()
    print("\n".join(problems), end="\n" if problems else "")
    sys.exit(bool(problems))


main()
