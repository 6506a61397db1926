#!/usr/bin/python3
"""tests/hazards/blocks.py SNAPSHOT <lines "block SIZE FREED"

Fails unless the snapshot of an exact run has each of these blocks exactly once, freed or not as the line says, and no
other block of a megabyte or more.  Each block must come from a call site of its own."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import snapshot  # noqa: E402


def main():
    snap = snapshot.read(sys.argv[1])
    assert snap["rate"] == 1 and snap["audit"]["untracked"] == 0, "not exact"
    seen = {}
    for _, v in snap["stacks"]:
        count, size = v["alloc_count"] / 65536, v["alloc_bytes"] / 256
        if count and size / count >= 1000000:
            was = seen.setdefault(size / count, [0, 0])
            was[0] += count
            was[1] += v["free_count"] / 65536
    expected = {}
    for line in sys.stdin:
        word = line.split()
        if word[0] == "block":
            expected[float(word[1])] = [1, int(word[2])]
    assert len(expected) > 20, "only %d blocks in the list" % len(expected)
    bad = [(k, expected.get(k, [0, 0]), seen.get(k, [0, 0])) for k in sorted(set(expected) | set(seen))
           if expected.get(k) != seen.get(k)]
    for size, want, got in bad[:20]:
        print("size %d: allocated, freed %s times in the profile, not %s" % (size, got, want))
    assert not bad, "%d of %d blocks are wrong" % (len(bad), len(expected))


main()
