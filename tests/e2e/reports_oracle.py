#!/usr/bin/python3
# tests/e2e/reports_oracle.py - heaptap's reports against `go tool pprof`, over random profiles and options.
#
# usage: reports_oracle.py HEAPTAP SEED PROFILES [SOURCE=FILE...]
# With SOURCEs: those instead of random profiles, of which pprof reads FILE.
# Compares standard output byte for byte, and the messages on standard error.  Where pprof answers differently when
# asked again (its maps are unordered), ours has to be one of its answers.  Prints what was compared; exit 1 on a
# difference, with a command line that shows it.
import collections
import os
import random
import re
import shlex
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import reports_profile

REPORTS = ["top"] * 6 + ["tree"] * 3 + ["dot"] * 4 + ["text", "peek", "peek", "traces", "traces", "tags", "tags", "raw",
                                                     "list", "list", "comments", "callgrind", "callgrind", "topproto", "proto"]
REGEXES = ["main", "^parse$", "walk|grow", "std::", "[.]c$", "fn_1", "fn_[0-5]", ".", "nosuch", "server", "libfoo", "(?i)MAIN",
           "f.*e", "^$", "Socket", r"\bparse\b", "[[:upper:]]", r"\.so", "a|b|c", "é|日", r"\(", "x{0,2}y?", "fn_2.*|fn_3"]
BAD = ["(", "a**", "[z-a]", r"\1", "(?=x)", "a{2000}", "*a", "x++", ")", "[abc", "(?P<n>", "a\\", r"\8", "[[:foo:]]", r"\pX",
       "(?<n>x)", "a{2}{3}", "(?!x)", "(?>x)", "|*", r"\Zx", "(?i", r"[\d-z]", r"\x{110000}", r"\C", "(*)", "(?z)", "(a{500}){3}", "((x{20}){10}){6}", "(?:a{9}b|c{33}){31}", r"\p{Grek}", r"\p{GREEK}", r"\p{greek}", r"\p{Latn}", r"a{1001}"]
TAGS = ["main", "thread=main", "thread=io,worker", "1kb:", ":1kb", "64:", "100", "bytes=64b", "1kb:64kb", "bytes=0:100kb",
        "request=1kb:1mb", "1kb:2mb", "0.5kb:", "1kb:5ms", "+5:", "1_0:", "bytes=:-5", "thread=1kb:", "1 kb:2 mb", "64b", "=1kb:", "a=b=c", "thread=", ",", "1widgets:", "1kb,2kb", "key:x", "worker-.", "main,io", "pid=", "1ms:1s", "-5:5", "nosuch", "=x", "a.*:x"]
KEYS = ["thread", "bytes", "thread,bytes", "pid", "nosuch", "request,key", ",thread,,", "größe", "bytes,bytes", " thread", "key,thread,bytes,pid,request"]
PIECES = ["a", "e", "main", ".", "f", "_", "[a-f]", "[^a]", "(", ")", "(?:", "(?i)", "(?s-i:", "(?P<n>", "|", "*", "+", "?", "*?", "{2}",
          "{0,3}", "{1,}", "{,2}", "{", "}", "^", "$", r"\b", r"\B", r"\A", r"\z", r"\d", r"\S", r"\W", r"\pL", r"\p{Greek}", r"\p{Hebr}", "{100}", "{33,}", "{0,31}", "{0}", r"\PN",
          "[[:alpha:]]", r"[\s\d]", r"[^\W_]", "]", "[]a]", "[a", r"\x41", r"\x{e9}", r"\101", r"\1", r"\Qa.b\E", r"\.", "é", "日", "-", "::", "/"]
OF_PPROF = ("callgrind", "topproto", "proto")  # as `heaptap pprof -callgrind`
OPTIONS = {
    "nodecount": lambda r: r.choice([0, 1, 2, 5, 10, 30, -1, -7, 100000, "+3", 9223372036854775807]),
    "nodefraction": lambda r: r.choice([0, 0.001, 0.02, 0.1, 0.5, 1, -0.1, 2, 1e-9, "1e-2", ".05"]),
    "edgefraction": lambda r: r.choice([0, 0.001, 0.05, 0.3]),
    "trim": lambda r: r.choice(["false", "0", "true", "F", "FALSE", "False", "T", "1"]), "call_tree": lambda r: None, "flat": lambda r: r.choice(["false", "f"]),
    "focus": lambda r: pick_regex(r, REGEXES), "ignore": lambda r: pick_regex(r, REGEXES), "hide": lambda r: pick_regex(r, REGEXES),
    "show": lambda r: pick_regex(r, REGEXES), "show_from": lambda r: pick_regex(r, REGEXES),
    "prune_from": lambda r: pick_regex(r, REGEXES), "tagfocus": lambda r: r.choice(TAGS + REGEXES),
    "tagignore": lambda r: r.choice(TAGS), "tagshow": lambda r: pick_regex(r, REGEXES + ["thread", "bytes"]),
    "taghide": lambda r: r.choice(["bytes", "thread", "key", "a:b"]), "tagroot": lambda r: r.choice(KEYS),
    "tagleaf": lambda r: r.choice(KEYS), "mean": lambda r: None, "noinlines": lambda r: None,
    "relative_percentages": lambda r: None, "compact_labels": lambda r: None, "drop_negative": lambda r: None,
    "unit": lambda r: r.choice(["bytes", "kb", "MB", "ms", "auto", "minimum", "parsecs", "count", "s", "gcu", "Bytes", "TB", "petabytes", "hrs", "us", "μs", "ns",
                                "hours", "nGCU", "kgcu", "samples", "unit", "", "KBs", "b", "minute", "day"]),
    "divide_by": lambda r: r.choice([1, 2, 3.5, 0.5, 1024, 1e-3, -2, 7, 1e300, 1e-300, "inf", "nan", 1048576]),
    "source_path": lambda r: r.choice(["src", ".", "/x/server", "nosuch:src", "/"]),
    "trim_path": lambda r: r.choice(["/src", "/src/server", "/usr:/src", "nosuch", "/home/u/", "/"]),
}
SYMBOLIZATION = re.compile(r"[0-9]+ modules? could not be named|Local symbolization failed|Some binary filenames|Try setting PPROF|Main binary filename|samples have no labels|-alloc_space shows ")


def pick_regex(rng, usual):
    """One of the usual expressions, or any pieces in a row: both tools must find the same wrong with it."""
    if rng.random() < 0.8:
        return rng.choice(usual)
    return "".join(rng.choice(PIECES) for _ in range(rng.randint(1, 6)))


def pick_options(rng, types):
    options = []
    for name in rng.sample(sorted(OPTIONS), rng.choice([0, 0, 1, 1, 2, 3, 5])):
        value = OPTIONS[name](rng)
        options.append("-" + name if value is None else "-%s=%s" % (name, value))
        if value is not None and rng.random() < 0.1:  # the last one counts
            options.append("-%s=%s" % (name, OPTIONS[name](rng)))
    if rng.random() < 0.5:
        options.append("-" + rng.choice(["functions", "filefunctions", "files", "lines", "addresses"]))
    if rng.random() < 0.4:
        options.append("-" + rng.choice(["cum", "flat", "cum=true"]))
    if rng.random() < 0.5:
        options.append("-sample_index=%s" % rng.choice([t[0] for t in types] + list(range(len(types)))))
    elif rng.random() < 0.1:
        options.append("-" + rng.choice(["inuse_space", "alloc_space", "inuse_objects", "alloc_objects", "contentions"]))
    if rng.random() < 0.03:
        options.append("-sample_index=%s" % rng.choice(["99", "nosuch", "-1"]))
    if rng.random() < 0.03:
        options.append("-%s=%s" % (rng.choice(["focus", "hide", "tagfocus", "prune_from"]), rng.choice(BAD)))
    rng.shuffle(options)
    return [("-" + o if rng.random() < 0.2 else o) for o in options]


def pick_sources(rng, files):
    sources = rng.sample(files, 1 if rng.random() < 0.7 else rng.randint(1, len(files)))
    bases = []
    if rng.random() < 0.3:
        kind = rng.choice(["-base", "-diff_base"])
        bases = ["%s=%s" % (kind, f) for f in rng.sample(files, 1)]  # pprof takes the last of several
        if rng.random() < 0.3:
            bases.append("-normalize")
    return bases, sources


def messages(text, tool):
    text = text.decode("utf-8", "surrogateescape")
    lines = [line for line in text.splitlines() if line and not SYMBOLIZATION.search(line)]
    return sorted(re.sub("^%s: " % tool, "", line) for line in lines)


def lines_of(text):
    """The lines in any order, with the numbers of boxes beside a function left out."""
    return sorted(re.sub(rb"N(\d+(_\d+)*)_\d+", rb"N\1_", line) for line in text.split(b"\n"))


def with_escaped_titles(text):
    """pprof writes the title of a drawing as it is, so that a file's name may end the string it stands in."""
    def escaped(found):
        title = found[2].replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\l")
        return found[1] + title + found[3]

    text = re.sub(rb'(digraph ")(.*?)(" \{\nnode \[style=filled)', escaped, text, flags=re.S)
    return re.sub(rb'(\\l" tooltip=")(.*?)("\] \}\n)', escaped, text, flags=re.S)


def solid_lines(text):
    """Without the dotted lines, which stand for calls through functions that are not shown."""
    return b"\n".join(line for line in text.split(b"\n") if b'style="dotted"' not in line)


def lines_of_tree(text):
    """The same, of a tree: where a function has several boxes of one weight, pprof numbers them as luck has it."""
    return sorted(re.sub(rb"\bN+\d+(_\d+)*", b"N", re.sub(rb' id="[Nn]\w*"', b"", text)).split(b"\n"))


def lines_of_callgrind(text):
    """The same, where the first of several lines carries a name, and addresses are counted from the line before."""
    names, lines = {}, []
    for line in text.split(b"\n"):
        m = re.fullmatch(rb"c?(ob|fl|fn)=(\(\d+\))( .*)?", line)
        if m:
            names[m[1], m[2]] = m[3] or names[m[1], m[2]]
            line = line[:line.index(b"=")] + re.sub(rb" \[\d+/\d+\]$", b"", names[m[1], m[2]])
        else:
            line = re.sub(rb"^(calls=0 )?(\*|[-+]\d+|0x[0-9a-f]+) (?!\*)", rb"\1", line)
        if not line.startswith((b"ob", b"fl", b"fn")):  # left out where the node before has the same
            lines.append(line)
    return sorted(line for line in lines if line)


class Runner:
    def __init__(self, heaptap):
        self.heaptap = heaptap
        self.pprof = os.path.join(subprocess.check_output(["go", "env", "GOTOOLDIR"], text=True).strip(), "pprof")
        if not os.access(self.pprof, os.X_OK):
            self.pprof = None
        self.counts = collections.Counter()
        self.file_of = {}  # what pprof reads for a source
        self.env = {k: v for k, v in os.environ.items() if k != "DEBUGINFOD_URLS"}
        self.env.update(TZ="UTC", LC_ALL="C.UTF-8", HOME=os.getcwd(), PPROF_TMPDIR=os.getcwd(), PPROF_BINARY_PATH=os.getcwd())

    def run(self, command):
        return subprocess.run(command, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, timeout=120)

    def ask_pprof(self, report, regex, options, sources):
        flag = "-%s=%s" % (report, regex) if regex is not None else "-" + report
        sources = [self.file_of.get(s, s) for s in sources]
        options = [re.sub("=(/.*)", lambda m: "=" + self.file_of.get(m[1], m[1]), o) for o in options]
        answer = self.run(([self.pprof] if self.pprof else ["go", "tool", "pprof"]) + [flag] + options + sources)
        answer.stdout = with_escaped_titles(answer.stdout)
        return answer

    def compare(self, report, regex, options, sources):
        if report in OF_PPROF:
            return self.compare_pprof(report, options, sources)
        command = [self.heaptap, report] + options + (["--", regex] if regex is not None else []) + sources
        ours = self.run(command)
        theirs = self.ask_pprof(report, regex, options, sources)
        return self.judge(command[1:2], ours, theirs, report, regex, options, sources)

    def judge(self, words, ours, theirs, report, regex, options, sources):
        command = [self.heaptap] + words + options + (["--", regex] if regex is not None else []) + sources
        if ours.returncode not in (0, 1) or (ours.returncode == 0) != (theirs.returncode == 0):
            return self.differs(command, ours, theirs, "exit status %d and %d" % (ours.returncode, theirs.returncode))
        if ours.stdout != theirs.stdout and not self.is_an_answer(ours.stdout, theirs.stdout, report, regex, options, sources):
            return self.differs(command, ours, theirs, "stdout")
        if messages(ours.stderr, "heaptap") != messages(theirs.stderr, "pprof"):
            return self.differs(command, ours, theirs, "stderr")
        self.counts["report " + report] += 1
        for option in options:
            self.counts["option " + option.strip("-").split("=")[0]] += 1
        self.counts["runs"] += 1
        self.counts["failures" if theirs.returncode else "successes"] += 1
        return True

    def compare_pprof(self, report, options, sources):
        """Reports that only `heaptap pprof` has.  Of profiles, what pprof says is in them."""
        ours = self.run([self.heaptap, "pprof", "-" + report] + options + sources)
        theirs = self.ask_pprof(report, None, options, sources)
        if report != "callgrind" and ours.returncode == theirs.returncode == 0:
            ours.stdout, theirs.stdout = self.contents(ours.stdout), self.contents(theirs.stdout)
        return self.judge(["pprof", "-" + report], ours, theirs, report, None, options, sources)

    def contents(self, profile):
        with open("written.pb.gz", "wb") as f:
            f.write(profile)
        return self.ask_pprof("raw", None, ["-symbolize=none"], ["written.pb.gz"]).stdout

    def is_an_answer(self, ours, first, report, regex, options, sources):
        """Of v and -v pprof calls neither the larger and leaves their order to luck: then the lines are the same."""
        answers = {first}
        for _ in range(12):
            answer = self.ask_pprof(report, regex, options, sources).stdout
            answers.add(self.contents(answer) if report in ("proto", "topproto") else answer)
            if ours in answers:
                self.counts["pprof undecided, ours one of its answers"] += 1
                return True
        if report == "dot" and len(answers) > 1:  # which edges are redundant follows from their order
            answers = {solid_lines(answer) for answer in answers}
            ours = solid_lines(ours)
        in_tree = any(o.strip("-") == "call_tree" for o in options)
        read = lines_of_callgrind if report == "callgrind" else lines_of_tree if in_tree else lines_of
        if any(read(ours) == read(answer) for answer in answers):
            self.counts["pprof undecided, ours the same lines"] += 1
            return True
        return False

    def differs(self, command, ours, theirs, what):
        print("DIFFERENT %s: (cd %s; TZ=UTC %s)" % (what, os.getcwd(), " ".join(map(shlex.quote, command))))
        if what == "stdout":
            open("ours", "wb").write(ours.stdout)
            open("theirs", "wb").write(theirs.stdout)
            print(subprocess.run(["diff", "-a", "ours", "theirs"], capture_output=True).stdout.decode("utf-8", "replace")[:3000])
        print("ours:", ours.stderr.decode("utf-8", "replace")[:600])
        print("pprof:", theirs.stderr.decode("utf-8", "replace")[:600])
        return False


def write_profiles(rng, n):
    shape = reports_profile.Shape(rng)
    files = []
    for i in range(n):
        files.append("p%d.pb.gz" % i)
        with open(files[-1], "wb") as f:
            f.write(reports_profile.profile(shape))
    return files, shape.types


def write_sources(rng):
    os.makedirs("src/server", exist_ok=True)
    for name in ("main.c", "src/server/parse.c", "src/walk.c", "x.c"):
        with open(name, "w") as f:
            for i in range(rng.choice([0, 5, 60])):
                f.write("\tline %d;%s" % (i + 1, rng.choice(["\n", "\n", "\r\n"])))


def main():
    runner = Runner(os.path.realpath(sys.argv[1]))
    seed, rounds, given = sys.argv[2], int(sys.argv[3]), [pair.split("=")[0] for pair in sys.argv[4:]]
    runner.file_of = dict(pair.split("=") for pair in sys.argv[4:])
    bad = 0
    for i in range(rounds):
        rng = random.Random("%s/%d" % (seed, i))
        os.makedirs("round", exist_ok=True)
        os.chdir("round")
        heap = [("alloc_objects", ""), ("alloc_space", ""), ("inuse_objects", ""), ("inuse_space", "")]
        files, types = (given, heap) if given else write_profiles(rng, rng.choice([1, 2, 3]))
        write_sources(rng)
        for _ in range(4):
            report = rng.choice(REPORTS)
            regex = pick_regex(rng, REGEXES + BAD[:3]) if report in ("peek", "list") else None
            bases, sources = pick_sources(rng, files)
            options = pick_options(rng, types) + bases
            if report == "dot" and rng.random() < 0.5:
                options.append("-nodecount=%d" % rng.randint(3, 40))
            if any(o.strip("-") == "call_tree" for o in options) and report in ("dot", "callgrind"):
                options.append("-nodecount=0")  # of boxes of one weight and name pprof keeps any
            if not runner.compare(report, regex, options, sources):
                bad += 1
                print("seed %s round %d" % (seed, i), flush=True)
                if bad >= int(os.environ.get("ORACLE_STOP", "3")):
                    return 1
        os.chdir("..")
    undecided = runner.counts["pprof undecided, ours the same lines"]
    if undecided > 5 + runner.counts["runs"] // 20:
        print("too often only the same lines: %d of %d" % (undecided, runner.counts["runs"]))
        bad += 1
    print(", ".join("%s %d" % item for item in sorted(runner.counts.items())))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
