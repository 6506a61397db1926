#!/usr/bin/python3
"""tests/stats/estimates.py - estimates of sampled runs against exact runs of the same program, stack by stack.

estimates.py RATE EXACT1 EXACT2 SAMPLED...     (snapshot files)
Stacks are matched by module-relative frames.  Compared are those that both exact runs agree on, and of which RATE
leaves at least HITS samples to be expected, and not nearly every block, for then there is next to no error: chosen
by the exact numbers alone.  z = (estimate - exact) / the error
the snapshot reports.  Over all stacks and runs z must look standard normal: ten equally likely bins, chi-square.
False alarms: chi2_9 > 51 has p = 7e-8, for ten tests 7e-7; the bound leaves 4 for what is not quite normal at HITS samples
(skewness s = 1 / sqrt(HITS) adds about N s^2 / 6); runs and stacks are independent, for each block is sampled by itself.
"""
import bisect
import collections
import math
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import snapshot  # noqa: E402

HITS = 200
BOUND = 55
# Inverse normal at 0.1 ... 0.9.
EDGES = (-1.281552, -0.841621, -0.524401, -0.253347, 0, 0.253347, 0.524401, 0.841621, 1.281552)


def by_stack(path):
    """{relative frames: summed values}: one call path may have several ids (dlclose epochs)."""
    snap = snapshot.read(path)
    audit = snap["audit"]
    assert audit["untracked"] == audit["corrupt"] == audit["stack_full"] == 0, "%s is not whole: %r" % (path, audit)
    modules = sorted((m[0], m[1], m[2], m[4]) for m in snap["modules"])
    starts = [m[0] for m in modules]

    def relative(frame):
        at = frame & (snapshot.MASK >> 1)
        i = bisect.bisect(starts, at) - 1
        if i >= 0 and at < modules[i][1]:
            return modules[i][3], at - modules[i][2]
        return "", 0  # the vdso, or made at run time

    stacks = collections.defaultdict(collections.Counter)
    for frames, values in snap["stacks"]:
        stacks[tuple(map(relative, frames))].update(values)
    return snap, stacks


def exact_ones(first, second, rate):
    chosen = {}
    for key, a in first.items():
        b = second.get(key)
        if not b or any(a[k] != b[k] for k in ("alloc_count", "alloc_bytes", "free_count", "free_bytes")):
            continue
        count, size = a["alloc_count"] / 65536, a["alloc_bytes"] / 256
        p = -math.expm1(-size / count / rate) if count else 0
        if p <= 0.98 and count * p >= HITS:
            chosen[key] = a
    return chosen


def scores(chosen, sampled, unit, scale, variance):
    for key, exact in chosen.items():
        got = sampled.get(key, collections.Counter())
        yield (got[unit] - exact[unit]) / scale / math.sqrt(got[variance])


def judge(what, z):
    bins = collections.Counter(bisect.bisect(EDGES, v) for v in z)
    expected = len(z) / 10
    chi2 = sum((bins[i] - expected) ** 2 / expected for i in range(10))
    mean = sum(z) / len(z)
    sd = math.sqrt(sum(v * v for v in z) / len(z))
    print("%-12s %6d z-scores: mean %+.3f, sd %.3f, chi2(9) %.1f, largest %.1f" %
          (what, len(z), mean, sd, chi2, max(map(abs, z))))
    return chi2 <= BOUND


def main():
    rate = int(sys.argv[1])
    (snap1, first), (_, second) = by_stack(sys.argv[2]), by_stack(sys.argv[3])
    assert snap1["rate"] == 1
    chosen = exact_ones(first, second, rate)
    objects, size = [], []
    for path in sys.argv[4:]:
        snap, sampled = by_stack(path)
        assert snap["rate"] == rate, "%s has rate %d" % (path, snap["rate"])
        objects += scores(chosen, sampled, "alloc_count", 65536, "var_alloc_count")
        size += scores(chosen, sampled, "alloc_bytes", 256, "var_alloc_bytes")
    print("%d of %d stacks compared, %d runs" % (len(chosen), len(first), len(sys.argv) - 4))
    assert len(objects) >= 300, "too few for a test"
    if not all([judge("objects", objects), judge("bytes", size)]):
        sys.exit("the errors that heaptap reports are not those it makes")


if __name__ == "__main__":
    main()
