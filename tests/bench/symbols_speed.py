#!/usr/bin/python3
# tests/bench/symbols_speed.py - what names cost: 5 000 addresses of large programs, the first time and the next.
#
# usage: tests/bench/symbols_speed.py [BUILD] [FILE...]    Without FILEs: cc1plus and libLLVM as Debian has them (no
# symbols but exported ones), libc with its debug file if libc6-dbg is there, a C++ program of many instances with -g.
# Least of three runs of `heaptap top`: processor seconds, wall seconds, memory; cold is without the cache of answers
# (the files themselves are in the page cache), warm with it.
import glob
import os
import shutil
import subprocess
import sys
import tempfile

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [here, os.path.join(here, "../e2e")]
import symbols_snapshot
from report_speed import measure, print_row

ADDRESSES, RUNS, CLASSES = 5000, 3, 900


def large_program():
    """Many maps over many types: instances of templates, inlined into each other."""
    with open("large.cc", "w") as f:
        f.write("#include <map>\n#include <string>\n#include <vector>\n#include <algorithm>\ntemplate <int N> struct T { int v; bool operator<(const T &o) const { return v < o.v; } };\n")
        f.write("template <int N> int work(int n) { std::map<T<N>, std::vector<std::string>> m; for (int i = 0; i < n; i++) m[T<N>{i % 7}].push_back(std::to_string(i)); std::vector<T<N>> k; for (auto &e : m) k.push_back(e.first); std::sort(k.begin(), k.end()); return int(k.size()); }\n")
        f.write("int main(int c, char **) { int r = 0;\n" + "".join("r += work<%d>(c);\n" % i for i in range(CLASSES)) + "return r == 0; }\n")
    subprocess.run(["g++", "-O1", "-g", "-o", "large", "large.cc"], check=True)
    return os.path.realpath("large")


def installed():
    compiler = subprocess.run(["gcc", "-print-prog-name=cc1plus"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    libc = subprocess.run(["gcc", "-print-file-name=libc.so.6"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    libraries = glob.glob("/usr/lib/x86_64-linux-gnu/libLLVM-*.so.1")
    return [p for p in [compiler] + libraries[:1] + [libc] if os.path.exists(p)]


def bench(heaptap, path):
    snapshot = os.path.basename(path) + ".heaptap"
    path = os.path.realpath(path)
    found = symbols_snapshot.addresses(path, ADDRESSES)
    symbols_snapshot.write(snapshot, path, found)
    what = "%s (%d MiB)" % (os.path.basename(path)[:18], os.path.getsize(path) >> 20)
    cold, cost = measure([heaptap, "top", "--no-cache", snapshot], RUNS)
    print_row("cold: " + what, cost)
    measure([heaptap, "top", snapshot], 1)
    warm, cost = measure([heaptap, "top", snapshot], RUNS)
    print_row("warm: " + what, cost)
    if cold != warm:
        sys.exit("%s: the reports differ" % path)


def main():
    heaptap = os.path.join(os.path.realpath(sys.argv[1] if len(sys.argv) > 1 else "build"), "heaptap")
    paths = [os.path.realpath(p) for p in sys.argv[2:]]
    os.chdir(tempfile.mkdtemp())
    os.environ["XDG_CACHE_HOME"] = os.getcwd()
    try:
        print("%-34s %8s %8s %8s" % ("", "cpu s", "wall s", "MiB"))
        for path in paths or installed() + [large_program()]:
            bench(heaptap, path)
    finally:
        shutil.rmtree(os.getcwd())


if __name__ == "__main__":
    main()
