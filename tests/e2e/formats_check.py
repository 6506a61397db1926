#!/usr/bin/python3
"""tests/e2e/formats_check.py - strict readers for what `heaptap export` writes, none of them ours.

usage: formats_check.py totals FORMAT FILE     print alloc_objects alloc_space inuse_objects inuse_space (folded: the last)
       formats_check.py hostile FILE           write a profile with names that no format likes, gzip'ed
       formats_check.py difference FILE        write a profile with values below 0
       formats_check.py cpu FILE               write a profile that is not of a heap
       formats_check.py many FILE              write a profile of 20000 stacks
       formats_check.py one-tab                stdin to stdout, runs of tabs become one
"""
import csv
import json
import re
import sys

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from reports_profile import block, number, varint  # noqa: E402

TYPES = [("alloc_objects", "count"), ("alloc_space", "bytes"), ("inuse_objects", "count"), ("inuse_space", "bytes")]
HOSTILE = [
    b"plain", b"two\nlines", b"semi;colon; 12", b"say \"hi\", 'you'", b"</script><script>alert(1)</script>",
    b"\x1b[2J\x1b]0;title\x07", b"\xff\xfe\xc3(\xed\xa0\x80\xc0\xaf", b"tab\there\r\n", b"\xc2\x85\xc2\x9b31m",
    b"back\\slash \\n %s %n", b"=cmd|' /C calc'!A0", b" 0x10 @ 1: 2 [3: 4]", b"MAPPED_LIBRARIES:", b"nul\0nul",
    "café 💾 \u2028".encode(), b"L" * 65536, b"operator delete[](void*, std::align_val_t)", b",,,", b"#",
]


def strict(pairs):
    keys = [k for k, _ in pairs]
    assert len(keys) == len(set(keys)), "a key twice"
    return dict(pairs)


def read_json(path):
    with open(path, "rb") as f:
        text = f.read().decode("utf-8", "strict")
    return json.loads(text, object_pairs_hook=strict, parse_constant=lambda c: 1 / 0)


def is_count(v):
    return isinstance(v, int) and not isinstance(v, bool) and v >= 0


def speedscope(path):
    """The rules of https://www.speedscope.app/file-format-schema.json for sampled profiles."""
    d = read_json(path)
    assert d["$schema"] == "https://www.speedscope.app/file-format-schema.json"
    assert set(d) <= {"$schema", "shared", "profiles", "name", "activeProfileIndex", "exporter"}
    assert set(d["shared"]) == {"frames"}
    for f in d["shared"]["frames"]:
        assert "name" in f and set(f) <= {"name", "file", "line", "col"}
        assert all(isinstance(f[k], str) for k in f if k in ("name", "file")), f
    names = [(f["name"], f.get("file")) for f in d["shared"]["frames"]]
    assert len(names) == len(set(names)), "a function is two frames"
    assert 0 <= d["activeProfileIndex"] < len(d["profiles"])
    sums = {}
    for p in d["profiles"]:
        assert set(p) == {"type", "name", "unit", "startValue", "endValue", "samples", "weights"}
        assert p["type"] == "sampled"
        assert p["unit"] in ("bytes", "microseconds", "milliseconds", "nanoseconds", "none", "seconds")
        assert len(p["samples"]) == len(p["weights"])
        assert all(is_count(w) for w in p["weights"])
        assert all(is_count(i) and i < len(names) for s in p["samples"] for i in s)
        assert p["startValue"] == 0 and p["endValue"] == sum(p["weights"])
        sums[p["name"]] = p["endValue"]
    return [sums[t] for t, _ in TYPES]


def dhat(path):
    """What dh_view.js asks of a file, and sums only a snapshot has."""
    d = read_json(path)
    assert d["dhatFileVersion"] == 2 and d["mode"] == "heap" and d["verb"] == "Allocated"
    keys = ["tb", "tbk", "fs"]
    if d["bklt"]:
        keys += ["tl", "mb", "mbk", "gb", "gbk", "eb", "ebk"]
        assert 0 <= d["tg"] <= d["te"] and "tuth" in d
    assert d["ftbl"][0] == "[root]" and all(re.match(r"0x[0-9A-F]+: ", f) for f in d["ftbl"][1:])
    seen = set()
    for p in d["pps"]:
        assert set(p) == set(keys)
        assert all(is_count(p[k]) for k in keys if k != "fs")
        assert all(0 < i < len(d["ftbl"]) for i in p["fs"])
        assert tuple(p["fs"]) not in seen, "a stack twice"
        seen.add(tuple(p["fs"]))
        if d["bklt"]:
            assert p["mb"] >= max(p["gb"], p["eb"])
            assert p["tl"] <= 1.01 * (p["tbk"] + 0.5) * d["te"], p  # the count is rounded
    end = ("ebk", "eb") if d["bklt"] else None
    return [sum(p["tbk"] for p in d["pps"]), sum(p["tb"] for p in d["pps"])] + (
        [sum(p[k] for p in d["pps"]) for k in end] if end else [None, None])


def table(path):
    """RFC 4180: every line ends in CRLF, fields are TEXTDATA."""
    with open(path, "rb") as f:
        raw = f.read().decode("utf-8", "strict")
    assert raw.endswith("\r\n") and "\r" not in raw.replace("\r\n", "") and "\n" not in raw.replace("\r\n", "")
    assert not re.search("[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f]", raw)
    with open(path, newline="", encoding="utf-8") as f:
        rows = list(csv.reader(f, strict=True))
    assert all(len(r) == len(rows[0]) for r in rows)
    records = [dict(zip(rows[0], r)) for r in rows[1:]]
    for r in records:
        assert r["stack"].split(";")[-1] == r["function"], r
    return [sum(int(r[t]) for r in records) for t, _ in TYPES]


def folded(path):
    with open(path, "rb") as f:
        text = f.read().decode("utf-8", "strict")
    total = 0
    for line in text.split("\n")[:-1]:
        m = re.fullmatch(r"([^\x00-\x1f\x7f-\x9f]+) (\d+)", line)  # as flamegraph.pl: /^(.*)\s+?(\d+(?:\.\d*)?)$/
        assert m, line
        assert all(m[1].split(";")), line
        total += int(m[2])
    return [None, None, None, total]


def heaptext(path):
    """One sum by the header, one by the records, by the strictest of the three readers: perl's."""
    sums, header = [0] * 4, None
    with open(path, "rb") as f:
        for line in f.read().decode("utf-8", "replace").split("\n"):
            if line == "MAPPED_LIBRARIES:" or line == "# runtime.MemStats":
                break
            m = re.match(r"heap profile:\s*(\d+):\s+(\d+)\s+\[\s*(\d+):\s+(\d+)\] @ (heapprofile|heap/2)$", line)
            if m:
                assert header is None
                header = [int(m[i]) for i in (3, 4, 1, 2)]
            elif line and not line.startswith("#"):
                m = re.fullmatch(r"(\d+):\s+(\d+)\s+\[\s*(\d+):\s+(\d+)\]\s+@\s+((?:0x[0-9a-f]+ ?)+)", line)
                assert m, line
                sums = [a + int(m[i]) for a, i in zip(sums, (3, 4, 1, 2))]
    assert sums == header, (sums, header)
    return sums


def plain_json(path):
    d = read_json(path)
    return [sum(s["values"][t] for s in d["stacks"]) for t, _ in TYPES]


READERS = {"json": plain_json, "speedscope": speedscope, "dhat": dhat, "csv": table, "folded": folded,
           "gotext": heaptext, "heapv2": heaptext}


def write(path, names, samples, types):
    strings = [b""]

    def s(b):
        if b not in strings:
            strings.append(b)
        return strings.index(b)

    body = [block(1, number(1, s(t.encode())) + number(2, s(u.encode()))) for t, u in types]
    for stack, values in samples:
        body.append(block(2, block(1, b"".join(varint(i + 1) for i in stack)) + block(2, b"".join(map(varint, values)))))
    body.append(block(3, number(1, 1) + number(2, 0x1000) + number(3, 0x100000) + number(5, s(b"/opt/a b\n;\"x"))))
    for i, name in enumerate(names):
        body.append(block(4, number(1, i + 1) + number(2, 1) + number(3, 0x1000 + 16 * i) + block(4, number(1, i + 1) + number(2, 7))))
        body.append(block(5, number(1, i + 1) + number(2, s(name)) + number(3, s(name)) + number(4, s(name))))
    body += [block(6, b) for b in strings]
    with open(path, "wb") as f:
        f.write(b"".join(body))


def main():
    command, *args = sys.argv[1:]
    if command == "totals":
        print(*READERS[args[0]](args[1]))
    elif command == "hostile":
        stacks = [(list(range(i, -1, -1)), [2 * i + 2, 200 * i + 200, i + 1, 100 * i + 100]) for i in range(len(HOSTILE))]
        write(args[0], HOSTILE, stacks, TYPES)
    elif command == "difference":
        write(args[0], [b"f"], [([0], [1, 2, -3, -4])], TYPES)
    elif command == "cpu":
        write(args[0], [b"f"], [([0], [1, 2])], [("samples", "count"), ("cpu", "nanoseconds")])
    elif command == "many":
        write(args[0], [b"f", b"g"], [([i >> k & 1 for k in range(15)], [i, 64 * i, i, 64 * i]) for i in range(1, 20001)], TYPES)
    elif command == "one-tab":
        sys.stdout.write(re.sub("\t+", "\t", sys.stdin.read()))


main()
