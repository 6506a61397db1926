#!/usr/bin/python3
"""tests/e2e/named_by_size.py - reads `pprof -raw` text of an exact run in which function f_K allocates 20000 + K bytes at
a time; fails if a stack that allocates such sizes names another f_N, or if the run shows neither names nor [jit]."""
import re
import sys

FUNCTION = re.compile(r"(?:JS|LazyCompile|Function):[~^+*]?f_(\d+) ")

names, samples, section, at = {}, [], "", 0
for line in open(sys.argv[1], encoding="utf-8"):
    if re.match(r"(Samples:|Locations|Mappings)", line):
        section = line.strip()
    elif section == "Samples:" and (m := re.match(r" *(\d+) +(\d+) +-?\d+ +-?\d+: ([\d ]+)$", line)):
        samples.append((int(m[1]), int(m[2]), [int(n) for n in m[3].split()]))
    elif section == "Locations":
        if m := re.match(r" *(\d+): 0x", line):
            at = int(m[1])
            names[at] = ""
        names[at] += line

named = marked = 0
for count, size, stack in samples:
    text = "".join(names[n] for n in stack)
    if not 20000 <= size / count < 21000 or "BackingStore::Allocate" not in text:
        continue
    functions = {int(k) for k in FUNCTION.findall(text)}
    if functions:
        assert functions == {size // count - 20000} and size % count == 0, "%d of %d bytes below %s" % (count, size, text)
        named += 1
    elif "[jit]" in text:
        marked += 1
print(named, "stacks named right,", marked, "marked")
assert named > 50 and marked > 5, "too few to tell"
