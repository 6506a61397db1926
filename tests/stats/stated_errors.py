#!/usr/bin/python3
"""tests/stats/stated_errors.py TRUTH JSON... - are the errors that heaptap states the errors that it makes?

TRUTH: what tests/victims/population printed.  JSON: `heaptap export --json` of many sampled runs of it.
For every site and value the squared deviations from the truth, divided by the mean stated variance, add up to a
chi-square variable with one degree of freedom for each site and run: sites and runs are independent, because gaps are
memoryless, and estimates of some 400 samples are normal enough (excess kurtosis below 0.02, which widens the sum by
1 %).  It must lie between the quantiles of 5.5 standard deviations (Wilson and Hilferty's approximation), widened by
5 % for that and for the stated variances being estimates themselves; and the mean deviation must be within 5.5
standard errors of 0.  12 comparisons of two-sided probability 3.8e-8: a false alarm is rarer than 1e-6.
"""
import json
import math
import sys

Z = 5.5
SLACK = 1.05
# value of a stack, what it counts, and which column of TRUTH it estimates
VALUES = {"alloc_objects": 0, "alloc_space": 1, "peak_objects": 0, "peak_space": 1, "inuse_objects": 2, "inuse_space": 3}


def truth(path):
    return {f[0]: [int(x) for x in f[1:]] for f in map(str.split, open(path))}


def by_site(path, sites):
    """{site: {value: (estimate, stated variance)}} of one run."""
    profile = json.load(open(path))
    assert profile["snapshot"]["rate"] > 1 and profile["audit"]["spilled"] == 0, path
    sums = {s: {v: [0.0, 0.0] for v in VALUES} for s in sites}
    for stack in profile["stacks"]:
        names = {profile["frames"][i]["function"] for i in stack["frames"]} & set(sites)
        for site in names:
            for v in VALUES:
                sums[site][v][0] += stack["values"][v]
                sums[site][v][1] += (stack["error_95"][v] / 1.96) ** 2
    return sums


def chi_square_quantile(n, z):
    return n * (1 - 2 / (9 * n) + z * math.sqrt(2 / (9 * n))) ** 3


def main():
    true = truth(sys.argv[1])
    runs = [by_site(p, true) for p in sys.argv[2:]]
    n = len(runs) * len(true)
    assert len(runs) >= 24 and len(true) >= 4
    low, high = chi_square_quantile(n, -Z) / n / SLACK, chi_square_quantile(n, Z) / n * SLACK
    failed = False
    for value, column in VALUES.items():
        spread = bias = 0.0
        for site, want in true.items():
            stated = sum(r[site][value][1] for r in runs) / len(runs)
            assert stated > 0, (site, value)
            deviations = [(r[site][value][0] - want[column]) / math.sqrt(stated) for r in runs]
            spread += sum(d * d for d in deviations)
            bias += sum(deviations)
        ratio, mean = spread / n, bias / math.sqrt(n)
        print("%-14s real/stated variance %.3f (%.3f to %.3f), deviation of the mean %.2f (at most %.1f)"
              % (value, ratio, low, high, mean, Z))
        failed |= not (low <= ratio <= high and abs(mean) <= Z)
    sys.exit(failed)


main()
