#!/usr/bin/python3
"""tests/hazards/processes.py - holds what programs counted for themselves (tests/victims/counts.h) against their profiles.

processes.py check DIR FILE [LEAST]  each line of FILE that victims wrote: the newest snapshot of that pid below DIR agrees
                                     exactly, at T = 1; at least LEAST lines
processes.py sums DIR                one line per process below DIR: PID PPID SAMPLES LOST INUSE_BYTES NAME
"""
import glob
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../e2e"))
import snapshot  # noqa: E402

MASK = (1 << 64) - 1
MEMBERS = ("allocs", "frees", "alloc_bytes", "live", "live_bytes", "inherited")


def newest_by_pid(directory):
    found = {}
    for path in sorted(glob.glob(directory + "/**/*.heaptap", recursive=True)):
        snap = snapshot.read(path)
        found[snap["pid"]] = snap
    return found


def signed(value):
    return value - (1 << 64) if value >> 63 else value


def counts(snap, functions):
    c = dict.fromkeys(MEMBERS, 0)
    for frames, v in snap["stacks"]:
        if not frames or not any(f < frames[0] < f + 256 for f in functions):
            continue
        freed = signed(v["free_count"]) / 65536
        c["allocs"] += v["allocs"]
        c["frees"] += v["frees"]
        c["alloc_bytes"] += v["alloc_bytes"] / 256
        c["live"] += v["alloc_count"] / 65536 - freed
        c["live_bytes"] += v["alloc_bytes"] / 256 - signed(v["free_bytes"]) / 256
        c["inherited"] += v["frees"] - freed
    return c


def check(directory, file, least):
    snaps = newest_by_pid(directory)
    lines = [line for line in open(file) if re.match(r"\d+ \d+ 0x", line)]
    wrong = 0
    for line in lines:
        pid, ppid, take, retake, *rest = line.split()
        said = {k: int(v) for k, v in (r.split("=") for r in rest)}
        snap = snaps.get(int(pid))
        if not snap:
            print("no snapshot of", pid)
            wrong += 1
            continue
        seen = counts(snap, (int(take, 16), int(retake, 16)))
        audit = snap["audit"]
        if seen != said or snap["rate"] != 1 or audit["untracked"] or audit["corrupt"]:
            print(pid, "said", said, "seen", seen, "audit", audit)
            wrong += 1
    print(len(lines), "processes,", wrong, "wrong")
    if wrong or len(lines) < least:
        sys.exit(1)


def main():
    argv = sys.argv
    if argv[1] == "check":
        check(argv[2], argv[3], int(argv[4]) if len(argv) > 4 else 1)
    elif argv[1] == "sums":
        for pid, snap in sorted(newest_by_pid(argv[2]).items()):
            s = snapshot.sums(snap)
            print(pid, snap["ppid"], s["samples"], s["lost"], round(s["inuse_bytes"]), os.path.basename(snap["exe"]))


main()
