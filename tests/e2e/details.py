#!/usr/bin/python3
"""tests/e2e/details.py FILE EXPRESSION... - Python expressions over a `heaptap export --json` that must be true.

Names in them: j (the document), total (its values), stacks(NAME) (those that go through function NAME), and
one(NAME): that one stack; said(): see there.  Before, everything that must hold for every document is checked."""
import json
import re
import sys


def no_duplicates(pairs):
    assert len(dict(pairs)) == len(pairs), "a key twice: %r" % [k for k, _ in pairs]
    return dict(pairs)


j = json.loads(open(sys.argv[1], "rb").read().decode("utf-8"), object_pairs_hook=no_duplicates)
total = j["total"]["values"]


def stacks(name):
    return [s for s in j["stacks"] if any(j["frames"][f]["function"] == name for f in s["frames"])]


def one(name):
    found = stacks(name)
    assert len(found) == 1, "%d stacks of %s" % (len(found), name)
    return found[0]


def classes(histogram, column="objects"):
    return {e["from"]: e[column] for e in histogram if e[column]}


def close(a, b):
    return abs(a - b) <= 1e-6 * max(abs(a), abs(b)) + 1e-3


def said(path, pattern, slack):
    """Does a text for people name the total of alloc_space and its error, in MB?"""
    found = re.search(pattern, open(path, encoding="utf-8").read(), re.MULTILINE)
    want = total["alloc_space"], j["total"]["error_95"]["alloc_space"]
    return found and all(abs(float(text) - v / 2**20) < slack for text, v in zip(found.groups(), want))


def check_document():
    for key in total:
        gap = abs(total[key] - sum(s["values"][key] for s in j["stacks"]))
        assert gap <= len(j["stacks"]), "%s: the stacks' sum is off by %d" % (key, gap)
    series = j["series"]
    assert max(series["inuse_space_max"]) == total["peak_space"], "the highest point is the peak"
    assert series["inuse_space"][-1] == total["inuse_space"], "the last point is now"
    assert series["alloc_space"][-1] == total["alloc_space"]
    assert series["alloc_space"] == sorted(series["alloc_space"]), "what was allocated only grows"
    end = series["start_ns"] + (len(series["inuse_space"]) - 1) * series["interval_ns"]
    assert end <= j["snapshot"]["elapsed_ns"]
    for s in j["stacks"]:
        assert close(sum(c["alloc_objects"] for c in s["sizes"]), s["values"]["alloc_objects"]) or j["snapshot"]["rate"] > 1
        assert 0 <= s["mean_age_ns"] <= j["snapshot"]["elapsed_ns"]
        for c in s["lifetimes_ms"] + s["sizes"]:
            assert c["below"] is None or c["from"] < c["below"]


check_document()
for expression in sys.argv[2:]:
    assert eval(expression), expression
