#!/usr/bin/python3
# tests/bench/report_speed.py - what reports cost: a 100 MB protobuf beside `go tool pprof`, a snapshot of 100 000 stacks.
#
# usage: tests/bench/report_speed.py [BUILD] [REPEATS]     Least of REPEATS (3) runs: processor seconds (user and system),
# wall seconds, peak memory.  The protobuf is made here, the snapshot by tests/victims/many_stacks at -r 1.  Both tools
# print the same report of the protobuf, or this fails.
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
from reports_profile import block, number, varint

SIZE = 100 << 20
LOCATIONS, FUNCTIONS, DEPTH, CALLEES, PIECES = 30000, 8000, 40, 6, 10000


def tables(strings):
    """Functions with two locations and a bit each, as a large server has them."""
    for i in range(LOCATIONS):
        line = number(1, i % FUNCTIONS + 1) + number(2, i % 900 + 1)
        yield block(4, number(1, i + 1) + number(2, 1) + number(3, 0x400000 + 16 * i) + block(4, line))
    for i in range(FUNCTIONS):
        strings += [b"server::module_%d::Handler::process_%d" % (i % 97, i), b"src/module_%d.cc" % (i % 97)]
        yield block(5, number(1, i + 1) + number(2, len(strings) - 2) + number(3, len(strings) - 2) + number(4, len(strings) - 1))
    flags = b"".join(number(f, 1) for f in (7, 8, 9, 10))
    yield block(3, number(1, 1) + number(2, 0x400000) + number(3, 0x800000) + number(5, 5) + flags)


def walk(rng, length):
    """A piece of a stack, leaf first: each location calls one of a few."""
    at, ids = rng.randrange(LOCATIONS), []
    for _ in range(length):
        at = (at * 7 + rng.randrange(CALLEES) * 1009 + 1) % LOCATIONS
        ids.append(varint(at + 1))
    return b"".join(reversed(ids))


def write_profile(path):
    rng = random.Random(1)
    strings = [b"", b"alloc_objects", b"count", b"alloc_space", b"bytes", b"/usr/bin/server"]
    near, far = ([walk(rng, DEPTH // 2) for _ in range(PIECES)] for _ in range(2))
    dispatch = varint(1)
    with open(path, "wb") as f:
        f.write(block(1, number(1, 1) + number(2, 2)) + block(1, number(1, 3) + number(2, 4)))
        while f.tell() < SIZE:
            stack = rng.choice(near) + dispatch + rng.choice(far)
            f.write(block(2, block(1, stack) + block(2, varint(rng.getrandbits(10)) + varint(rng.getrandbits(20)))))
        f.writelines(tables(strings))
        f.writelines(block(6, s) for s in strings)


def measure(command, repeats):
    """Its output, and the least of (processor seconds, wall seconds, KiB)."""
    costs = []
    for _ in range(repeats):
        with tempfile.TemporaryFile() as out:
            begin = time.monotonic()
            child = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL)
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            costs.append((usage.ru_utime + usage.ru_stime, time.monotonic() - begin, usage.ru_maxrss))
            if child.returncode:
                sys.exit("%s: exit status %d" % (" ".join(command), child.returncode))
            out.seek(0)
            text = out.read()
    return text, [min(column) for column in zip(*costs)]


def print_row(what, cost):
    print("%-34s %8.2f %8.2f %8.0f" % (what, cost[0], cost[1], cost[2] / 1024), flush=True)


def main():
    build = os.path.realpath(sys.argv[1] if len(sys.argv) > 1 else "build")
    repeats = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    heaptap = os.path.join(build, "heaptap")
    os.chdir(tempfile.mkdtemp())
    try:
        print("%-34s %8s %8s %8s" % ("", "cpu s", "wall s", "MiB"))
        write_profile("big.pb")
        ours, cost = measure([heaptap, "top", "big.pb"], repeats)
        print_row("heaptap top, 100 MB protobuf", cost)
        if shutil.which("go"):
            theirs, cost = measure(["go", "tool", "pprof", "-symbolize=none", "-top", "big.pb"], repeats)
            print_row("go tool pprof -top, the same", cost)
            if ours != theirs:
                sys.exit("the reports differ")
        victim = os.path.join(build, "tests/victims/many_stacks")
        subprocess.run([heaptap, "run", "-q", "-r", "1", "-o", "snapshot", "--", victim], check=True)
        print_row("heaptap top, 100 000 stacks", measure([heaptap, "top", "snapshot"], repeats)[1])
    finally:
        shutil.rmtree(os.getcwd())


if __name__ == "__main__":
    main()
