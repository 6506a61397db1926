#!/usr/bin/python3
# tests/e2e/pprof_shell_oracle.py - `heaptap pprof` against `go tool pprof`: random scripts by standard input.
#
# usage: pprof_shell_oracle.py HEAPTAP SEED SCRIPTS
# Compares standard output byte for byte, standard error line for line (but the wording of help, and of numbers beside
# nothing), and every file that the script wrote.  Where pprof answers differently when asked again, ours has to be one
# of its answers.  Exit 1 on a difference; the script stays in the round's directory.
import collections
import os
import random
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import reports_oracle
from reports_oracle import BAD, KEYS, REGEXES, TAGS, with_escaped_titles

SWITCHES = ["call_tree", "compact_labels", "drop_negative", "intel_syntax", "mean", "noinlines", "normalize",
            "relative_percentages", "trim"]
TEXTS = ["focus", "ignore", "hide", "show", "show_from", "prune_from", "tagshow", "taghide"]
WORDS = [w for w in REGEXES if " " not in w]
COMMANDS = ["top", "top", "top", "text", "tree", "traces", "tags", "raw", "dot", "comments"]


def setting(rng, types):
    kind = rng.randrange(8)
    if kind == 0:
        value = rng.choice(["true", "false", "1", "0", "", "YES", "t", "n", "maybe", "F"])
        return rng.choice(SWITCHES) + rng.choice(["=" + value, " = " + value, ""])
    if kind == 1:
        return "%s=%s" % (rng.choice(TEXTS), rng.choice(REGEXES + [""] * 20 + BAD[:2]))
    if kind == 2:
        return "%s=%s" % (rng.choice(["tagfocus", "tagignore"]), rng.choice(TAGS + [""] * 9))
    if kind == 3:
        return "nodecount=%s" % rng.choice(["5", "-1", "0", "12", "+3", "x", "", "1e3", "99999999999999999999", " 4", "0x10"])
    if kind == 4:
        return "%s=%s" % (rng.choice(["nodefraction", "edgefraction", "divide_by"]),
                          rng.choice(["0.01", "0", "1", "2.50", "1e-7", "1e300", "1e999", "x", "", "123456", "1234567", "-1",
                                      ".5", "5.", "+2", "inf", "0.1e1", "1 2"]))
    if kind == 5:
        names = [t[0] for t in types]
        return "sample_index=%s" % rng.choice(names * 2 + ["0", "1", "-1", "99", "nosuch", "", " %s //: note" % names[0]])
    if kind == 6:
        return rng.choice(["granularity=lines", "granularity=files", "granularity=functions", "granularity=nosuch", "lines=true",
                           "addresses=1", "functions=T", "files=no", "cum=true", "flat=t", "sort=cum", "sort=flat", "sort=x",
                           "granularity", "sort", "lines=yes", "filefunctions=1"])
    return rng.choice(["unit=kb", "unit=minimum", "unit=auto", "unit=parsecs", "tagroot=", "tagleaf=", "source_path=src",
                       "trim_path=/src", "trim_path=", "tagroot=" + rng.choice(KEYS), "unit", "focus", "output", "unit=é"])


def command(rng, files):
    name = rng.choice(COMMANDS + ["peek", "list"])
    words = [rng.choice(WORDS)] if name in ("peek", "list") and rng.random() < 0.9 else []
    if rng.random() < 0.5 and name not in ("peek", "list"):
        name += str(rng.choice([1, 2, 3, 10, 100, "007", "0"]))
    for _ in range(rng.choice([0, 0, 0, 1, 1, 2, 3])):
        words.append(rng.choice(["5", "-cum", "--cum", "-3", "+4", "4294967296", rng.choice(WORDS), "-" + rng.choice(WORDS), "-",
                                 rng.choice(BAD).replace(" ", "")]))
    if rng.random() < 0.15:
        files.append("f%d.out" % len(files))
        words.append(rng.choice([">%s", "> %s", ">\t%s"]) % files[-1])
    return rng.choice([" ", "  ", "\t"]).join([name] + words)


def line(rng, types, files):
    dice = rng.random()
    if dice < 0.5:
        return command(rng, files)
    if dice < 0.8:
        return setting(rng, types)
    names = [t[0] for t in types]
    return rng.choice([":", " : ", "o", "options", "", "   ", "foo", "foo12", "123", "focus main", "nodecount 5", "trim3", "sort cum",
                       "cum 3", "top >", "peek", "list", "=", "a=b", "help nosuch", "lines 4", "show7 x"] +
                      names + ["mean_" + n for n in names] + ["total_" + n for n in names])


def script(rng, types, files):
    lines = [line(rng, types, files) for _ in range(rng.randint(3, 25))]
    if rng.random() < 0.3:
        lines.insert(rng.randrange(len(lines) + 1), rng.choice(["quit", "q", "exit", "quit now"]))
    return ("\n".join(lines) + rng.choice(["\n", ""])).encode()


def messages(text):
    """Two lines say in other words that there is nothing of the default sample type."""
    for ours, theirs in ((b"Nothing in this profile is of the sample type shown.", b"No samples were found with the default sample value type."),
                         (b"It has others: `o` lists them, sample_index=NAME chooses one.",
                          b'Try "sample_index" command to analyze different sample values.')):
        text = text.replace(ours, theirs)
    return reports_oracle.messages(text, "nobody")


class Shells(reports_oracle.Runner):
    def __init__(self, heaptap):
        super().__init__(heaptap)
        self.env.update(TERM="dumb")

    def session(self, tool, options, sources, text):
        """Everything that a script brings about: both streams, status, files."""
        shutil.rmtree("work", ignore_errors=True)
        os.mkdir("work")
        shutil.copytree("src", "work/src")
        done = subprocess.run(tool + options + [os.path.join("..", s) for s in sources], env=self.env, input=text,
                              capture_output=True, timeout=120, cwd="work")
        files = {n: open("work/" + n, "rb").read() for n in sorted(os.listdir("work")) if n.endswith(".out")}
        return done.stdout, messages(done.stderr), done.returncode == 0, files

    @staticmethod
    def parts(session):
        """What pprof decides anew each time: the answers between prompts, and the files."""
        return session[0].split(b"(pprof) ") + list(session[3].values())

    def agree(self, options, sources, text):
        ours = self.session([self.heaptap, "pprof"], options, sources, text)
        pprof = [self.pprof] if self.pprof else ["go", "tool", "pprof"]
        seen = collections.defaultdict(set)
        for attempt in range(12):
            said, *others, files = self.session(pprof, options, sources, text)
            theirs = (with_escaped_titles(said), *others, {n: with_escaped_titles(files[n]) for n in files})
            same = ours[1:3] == theirs[1:3] and list(ours[3]) == list(theirs[3])
            for i, part in enumerate(self.parts(theirs)):
                seen[i].add(part)
            if same and len(seen) == len(self.parts(ours)) and all(p in seen[i] for i, p in enumerate(self.parts(ours))):
                self.counts["answered on another try"] += attempt > 0
                return True
        if same and len(seen) == len(self.parts(ours)) and all(
                any(reports_oracle.lines_of(p) == reports_oracle.lines_of(q) for q in seen[i]) for i, p in enumerate(self.parts(ours))):
            self.counts["undecided"] += 1
            return True
        for what, a, b in zip(("stdout", "stderr", "status", "files"), ours, theirs):
            if a != b:
                print("DIFFERENT %s in %s (options %s, sources %s)" % (what, os.getcwd(), options, sources))
                for name, value in (("ours", a), ("theirs", b)):
                    with open(name, "wb") as f:
                        f.write(value if isinstance(value, bytes) else "\n".join(map(str, value) if isinstance(value, list) else
                                                                                  [str(value)]).encode() + b"\n")
                print(subprocess.run(["diff", "-a", "ours", "theirs"], capture_output=True).stdout.decode("utf-8", "replace")[:2000])
        return False


def main():
    shells, seed, rounds = Shells(os.path.realpath(sys.argv[1])), sys.argv[2], int(sys.argv[3])
    counts = collections.Counter()
    for i in range(rounds):
        rng = random.Random("%s/%d" % (seed, i))
        os.makedirs("round", exist_ok=True)
        os.chdir("round")
        files, types = reports_oracle.write_profiles(rng, rng.choice([1, 1, 2]))
        reports_oracle.write_sources(rng)
        os.makedirs("src", exist_ok=True)
        text = script(rng, types, [])
        with open("script", "wb") as f:
            f.write(text)
        options = rng.sample(["-cum", "-nodecount=4", "-focus=main", "-lines", "-mean", "-unit=kb", "-sample_index=0", "-trim=false"],
                             rng.choice([0, 0, 1, 2]))
        counts["lines"] += text.count(b"\n")
        if not shells.agree(options, files, text):
            print("seed %s round %d" % (seed, i))
            return 1
        os.chdir("..")
    print("%d scripts, %d lines, %s" % (rounds, counts["lines"], dict(shells.counts)))
    if shells.counts["undecided"] > 2 + rounds // 10:
        print("too often only the same lines")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
