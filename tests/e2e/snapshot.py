#!/usr/bin/python3
"""tests/e2e/snapshot.py - reads .heaptap files with Debian's msgpack, independently of heaptap's own decoder.

snapshot.py sums FILE               KEY VALUE lines, in bytes and objects
snapshot.py compare SAMPLED EXACT KEY...
                                    fails unless each KEY (inuse_bytes, ...) is within 4 standard errors of EXACT's;
                                    counts of objects only where many are sampled: few rare ones are no bell curve
snapshot.py leaf FILE               PATH ADDRESS of the call that allocates most of the in-use bytes (in the file's terms)
"""
import math
import sys
import zlib

import msgpack

VALUES = ("allocs", "frees", "alloc_count", "alloc_bytes", "free_count", "free_bytes", "peak_count", "peak_bytes",
          "var_alloc_count", "var_alloc_bytes", "var_inuse_count", "var_inuse_bytes")
MASK = (1 << 64) - 1


def read(path):
    data = open(path, "rb").read()
    snap = msgpack.unpackb(data, raw=False, strict_map_key=False, unicode_errors="surrogateescape")
    assert snap["crc32"] == zlib.crc32(data[:-5]), "checksum"
    assert snap["heaptap"] == 1, "version"
    snap["total"] = dict(zip(VALUES, snap["total"]))
    stacks = []
    for flags, epoch, deltas, values, *_ in snap["stacks"]:
        frames, at = [], 0
        for d in deltas:
            at = (at + d) & MASK
            frames.append(at)
        stacks.append((frames, dict(zip(VALUES, values), epoch=epoch, flags=flags)))
    snap["stacks"] = stacks
    for key in VALUES[:6]:
        assert snap["total"][key] == sum(v[key] for _, v in stacks) & MASK, "total of " + key
    return snap


def sums(snap):
    t = snap["total"]
    return {
        "inuse_bytes": ((t["alloc_bytes"] - t["free_bytes"]) & MASK) / 256,
        "inuse_objects": ((t["alloc_count"] - t["free_count"]) & MASK) / 65536,
        "alloc_bytes": t["alloc_bytes"] / 256,
        "alloc_objects": t["alloc_count"] / 65536,
        "peak_bytes": t["peak_bytes"] / 256,
        "se_inuse_bytes": math.sqrt(t["var_inuse_bytes"]),
        "se_inuse_objects": math.sqrt(t["var_inuse_count"]),
        "se_alloc_bytes": math.sqrt(t["var_alloc_bytes"]),
        "samples": t["allocs"],
        "lost": snap["audit"]["untracked"] + snap["audit"]["corrupt"],
        "reason": snap["reason"],
        "pid": snap["pid"],
        "rate": snap["rate"],
        "seq": snap["seq"],
        "stacks": len(snap["stacks"]),
        "exe": snap["exe"],
        "allocator": snap["allocator"],
    }


def compare(sampled, exact, keys):
    s, e = sums(read(sampled)), sums(read(exact))
    assert e["rate"] == 1 and e["lost"] == 0, "the exact run is not exact: %r" % e
    assert s["rate"] > 1 and s["lost"] == 0, "the sampled run is not whole: %r" % s
    assert s["samples"] >= 30, "only %d samples" % s["samples"]
    for key in keys:
        z = (s[key] - e[key]) / s["se_" + key]
        print("%s: sampled %.0f +- %.0f, exact %.0f, z = %.2f" % (key, s[key], s["se_" + key], e[key], z))
        assert abs(z) <= 4, key


def leaf(snap):
    frames, _ = max(snap["stacks"], key=lambda s: (s[1]["alloc_bytes"] - s[1]["free_bytes"]) & MASK)
    at = frames[0] & (MASK >> 1)
    for start, end, bias, _, path, _ in snap["modules"]:
        if start <= at < end:
            return path, at - bias
    raise AssertionError("no module for %#x" % at)


def main():
    if sys.argv[1] == "sums":
        for key, value in sums(read(sys.argv[2])).items():
            print(key, int(round(value)) if isinstance(value, float) else value)
    elif sys.argv[1] == "compare":
        compare(sys.argv[2], sys.argv[3], sys.argv[4:])
    elif sys.argv[1] == "leaf":
        print("%s %#x" % leaf(read(sys.argv[2])))


if __name__ == "__main__":
    main()
