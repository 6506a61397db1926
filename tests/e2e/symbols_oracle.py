#!/usr/bin/python3
"""tests/e2e/symbols_oracle.py - frames of real binaries against addr2line and llvm-symbolizer.

usage: symbols_oracle.py HEAPTAP COUNT FILE...     COUNT addresses of each file, spread over its functions

An address is asked of all three.  Functions (mangled), file and line of each inlined frame are compared with each oracle;
an address is settled if one of them says the same as we do.  What is left is printed by kind of difference, and is an
error if it is more than 2 in 1000.  collectord/profile/README.md says what the kinds come from.
"""
import collections
import json
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import symbols_snapshot

CLONE = re.compile(r"\.(cold|part\.\d+|constprop\.\d+|isra\.\d+|lto_priv\.\d+|llvm\.\d+)")


def ours(heaptap, path, addresses):
    with tempfile.TemporaryDirectory() as d:
        symbols_snapshot.write(d + "/x.heaptap", path, addresses)
        subprocess.run([heaptap, "export", "--no-cache", "--json", d + "/x.json", d + "/x.heaptap"], check=True)
        with open(d + "/x.json", errors="surrogateescape") as f:
            frames = json.load(f)["frames"]
    found = collections.defaultdict(list)
    for f in frames:
        found[int(f["address"], 16) if isinstance(f["address"], str) else f["address"]].append((f["system_name"] or f["function"], f["file"], f["line"]))
    return found


def ask(command, addresses):
    text = "".join("0x%x\n" % a for a in addresses)
    return subprocess.run(command, input=text, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="surrogateescape", check=True).stdout


def by_addr2line(path, addresses):
    """Frames by address: function, file, line."""
    found, at, name = {}, None, None
    for line in ask(["addr2line", "-a", "-f", "-i", "-e", path], addresses).splitlines():
        if re.fullmatch(r"0x[0-9a-f]{16}", line) and name is None:
            at = int(line, 16)
            found[at] = []
        elif name is None:
            name = line
        else:
            file, _, number = re.sub(r" \(discriminator \d+\)$", "", line).rpartition(":")
            found[at].append((name, file, int(number) if number.isdigit() else 0))
            name = None
    return found


def by_llvm(path, addresses):
    answers = ask(["llvm-symbolizer", "--obj=" + path, "--no-demangle", "--functions=linkage", "--relativenames"], addresses).split("\n\n")
    found = {}
    for address, answer in zip(addresses, answers):
        lines = answer.strip("\n").split("\n")
        frames = []
        for name, place in zip(lines[::2], lines[1::2]):
            file, number, _ = place.rsplit(":", 2)
            frames.append((name, file, int(number)))
        found[address] = frames
    return found


def same_name(a, b):
    """The same function: as linkers or compilers spell it, or the last part of a scoped name."""
    a, b = (CLONE.split(x.split("@")[0])[0] for x in (a, b))
    return a == b or a.endswith("::" + b) or b.endswith("::" + a)


def same_file(a, b):
    """Directories of the build are spelled in many ways; what is below them is not."""
    a, b = (os.path.normpath(x).split("/") for x in (a, b))
    n = min(len(a), len(b), 2)
    return a[-n:] == b[-n:]


def difference(us, them):
    """None, or what kind it is."""
    them = [f for f in them if f[0] not in ("??", "")]
    if not them and not any(f[1] for f in us):
        return None
    if len(us) == 1 and not us[0][1] and "+0x" in us[0][0]:
        return "nearest symbol"
    if not us or not them:
        return "unnamed"
    if len(us) != len(them):
        return "depth"
    for (name, file, line), (their_name, their_file, their_line) in zip(us, them):
        if not same_name(name, their_name):
            return "name"
        if file and their_file not in ("??", "") and not same_file(file, their_file):
            return "file"
        if file and their_line and line != their_line:
            return "line"
    return None


def aliases(path):
    """Symbols by address: of several names for one address any is right."""
    build_id = symbols_snapshot.build_id(path).hex()
    debug = "/usr/lib/debug/.build-id/%s/%s.debug" % (build_id[:2], build_id[2:])
    out = subprocess.run("nm '%s'; nm -D '%s'; nm '%s'" % (path, path, debug), shell=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    names = collections.defaultdict(set)
    for line in out.splitlines():
        words = line.split()
        if len(words) == 3 and words[1] in "tTwWi":
            names[words[0]].add(words[2].split("@")[0])
    return [s for s in names.values() if len(s) > 1]


def settle_aliases(us, them, groups):
    """Their last frame with our name, if both names are of one function."""
    if us and them and us[-1][0] != them[-1][0]:
        for g in groups.get(them[-1][0].split("@")[0], ()):
            if us[-1][0].split("@")[0] in g:
                return them[:-1] + [(us[-1][0],) + them[-1][1:]]
    return them


def compare(heaptap, path, count):
    addresses = symbols_snapshot.addresses(path, count)
    answers = ours(heaptap, path, addresses)
    oracles = {"addr2line": by_addr2line(path, addresses), "llvm": by_llvm(path, addresses)}
    groups = collections.defaultdict(list)
    for g in aliases(path):
        for name in g:
            groups[name].append(g)
    kinds, agree, shown, left = collections.Counter(), collections.Counter(), collections.Counter(), 0
    alone = collections.defaultdict(collections.Counter)
    for a in addresses:
        us = answers.get(a, [])
        differences = {o: difference(us, settle_aliases(us, found.get(a, []), groups)) for o, found in oracles.items()}
        for oracle, kind in differences.items():
            agree[oracle] += kind is None
            if kind:
                alone[oracle][kind] += 1
        if None in differences.values() or "nearest symbol" in differences.values():
            continue
        left += 1
        kind = "/".join(differences[o] for o in sorted(differences))
        kinds[kind] += 1
        shown[kind] += 1
        if shown[kind] <= int(os.environ.get("SHOW", "2")):
            print("%s %#x %s\n  ours %s\n" % (os.path.basename(path), a, kind, us) + "".join("  %s %s\n" % (o, oracles[o].get(a)) for o in oracles))
    inlined = sum(len(f) > 1 for f in answers.values())
    print("%-28s %6d addresses, %5d inlined; addr2line agrees on %.2f %%, llvm-symbolizer on %.2f %%, neither on %d %s"
          % (os.path.basename(path), len(addresses), inlined, 100 * agree["addr2line"] / len(addresses), 100 * agree["llvm"] / len(addresses), left, dict(kinds)), flush=True)
    for oracle, counts in alone.items():
        print("    %-10s %s" % (oracle, ", ".join("%s %d" % c for c in counts.most_common())))
    return len(addresses), left


def main():
    heaptap, count, paths = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    results = [compare(heaptap, os.path.realpath(p), count) for p in paths]
    asked, left = map(sum, zip(*results))
    print("%d addresses, %d that neither oracle says as we do" % (asked, left))
    sys.exit(left * 500 > asked)


if __name__ == "__main__":
    main()
