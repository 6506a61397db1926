#!/bin/bash
# tests/stats/estimates.sh - whole programs, sampled 20 times with different randomness and held against exact runs of
# their own: per stack, the deviations are as large as heaptap says they are.  estimates.py says how it is judged.
. "$(dirname "$0")/../lib.sh"
need python3 sqlite3 git g++ perl

RUNS=20
# Same addresses, same hashes, same order in every run.
export PYTHONHASHSEED=0 PYTHONMALLOC=malloc PYTHONDONTWRITEBYTECODE=1 PERL_HASH_SEED=0 PERL_PERTURB_KEYS=0
still=()
setarch -R true 2>/dev/null && still=(setarch -R)

profile() { # RATE OUTPUT COMMAND...: path of the program's own snapshot
	local rate=$1 dir=$2
	shift 2
	mkdir -p "$dir"
	"${still[@]}" "$heaptap" run -q -i 0 -r "$rate" -o "$dir" -- "$@" >/dev/null 2>"$dir/err" </dev/null ||
		fail "$*: $(cat "$dir/err")"
	last_snapshot "$(run_dir "$dir")"
}

estimates_of() { # RATE COMMAND...
	local rate=$1 i files=()
	for i in 1 2; do
		files+=("$(profile 1 "exact$i" "${@:2}")")
	done
	for ((i = 0; i < RUNS; i++)); do
		files+=("$(profile "$rate" "sampled$i" "${@:2}")")
	done
	python3 -B "$HEAPTAP_SOURCE/tests/stats/estimates.py" "$rate" "${files[@]}"
}

test_python3() {
	cat >work.py <<'P'
import re
class Point:
    def __init__(self, x):
        self.x, self.y, self.name = x, str(x) * (x % 5), [x]
kept = {i: "value %d" % i for i in range(20000)}
words = [str(i) * (i % 40) for i in range(30000)]
pairs = [(i, [i] * (i % 13)) for i in range(10000)]
points = [Point(i) for i in range(3000)]
nested = [[[i, j] for j in range(i % 7)] for i in range(3000)]
joined = [",".join(map(str, range(i % 30))) for i in range(3000)]
split = [w.split("1") for w in words[::7]]
found = [re.findall("[0-9]+", j) for j in joined]
sets = [{i, i + 1000, (i, 7)} for i in range(3000)]
frozen = [frozenset(range(1000 + i % 9, 1010)) for i in range(2000)]
raw = [bytes(i % 3000) for i in range(3000)] + [bytearray(b"x" * (i % 99)) for i in range(3000)]
big = [1 << (i % 900 + 40) for i in range(5000)]
real = [float(i) / 3 for i in range(5000)] + [complex(i, 1) for i in range(3000)]
calls = [lambda i=i: i for i in range(3000)]
lazy = [x for x in (p.x + 500 for p in points)]
text = ["%s-%r-%5.2f" % (i, "a", i) for i in range(3000)] + [f"{i:>9}" for i in range(3000)]
made = [w.encode("utf-16") for w in words[::9]] + [w.replace("1", "one") for w in words[::9]]
ordered = sorted(kept.items(), key=lambda kv: kv[1] + "!")
P
	estimates_of 256 python3 -S work.py
}

test_sqlite3() {
	cat >load.sql <<'SQL'
CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, size INTEGER);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
    INSERT INTO t SELECT i, 'name ' || (i * 7919 % 5000) || ' of some length', i * 13 FROM n;
CREATE INDEX by_name ON t(name);
SELECT count(*), count(DISTINCT name) FROM t;
SELECT group_concat(name) FROM t WHERE size % 3 = 0 GROUP BY size % 100;
SELECT json_group_array(json_object('n', name, 's', size)) FROM t;
SELECT upper(name) || hex(randomblob(0)) || printf('%09d%s', size, quote(name)) FROM t ORDER BY substr(name, 6);
SELECT a.name, b.name FROM t a JOIN t b ON a.size = b.id * 13 WHERE a.name LIKE '%12%' ORDER BY 2, 1;
SELECT name, row_number() OVER (ORDER BY name), sum(size) OVER (PARTITION BY size % 7) FROM t;
SELECT replace(name, 'name', 'something longer than a name'), json_extract('{"a":[1,2,"' || name || '"]}', '$.a[2]') FROM t;
SQL
	seq 300 | sed 's/.*/CREATE TABLE t& (a INTEGER PRIMARY KEY, b TEXT DEFAULT "x", c UNIQUE, d CHECK (d > &));/' >>load.sql
	seq 300 | sed 's/.*/INSERT INTO t& SELECT id, name, id, 1000 FROM t WHERE id < 3;/' >>load.sql
	seq 300 | sed 's/.*/CREATE VIEW v& AS SELECT a.b, c.d FROM t& a JOIN t& c ON a.a = c.a; SELECT * FROM v&;/' >>load.sql
	estimates_of 64 sqlite3 :memory: '.read load.sql'
}

test_cc1plus() {
	printf '#include <map>\n#include <string>\n#include <vector>\nstd::map<std::string, std::vector<int>> m;\n' >x.cc
	g++ -E x.cc -o x.ii
	estimates_of 64 "$(g++ -print-prog-name=cc1plus)" -quiet -O1 x.ii -o x.s
}

test_git() {
	local i
	git init -q repo
	for ((i = 1; i <= 400; i++)); do
		printf 'commit refs/heads/master\ncommitter a <a@b> %d +0000\ndata 8\nmessage\n' $((1600000000 + i))
		printf 'M 644 inline dir%d/file%d\ndata <<E\n%s\nE\n\n' $((i % 5)) $((i % 20)) "$(seq $i $((i + 50)))"
	done | git -C repo fast-import --quiet
	estimates_of 64 git -C repo --no-pager log -p --stat -M --graph master
}

test_perl() {
	cat >work.pl <<'P'
for my $i (1 .. 8000) {
	$h{"key $i"} = "value" x ($i % 30);
	push @{$l[$i % 100]}, [$i, "$i"], {a => $i, b => [1 .. $i % 9]};
	$s .= sprintf("%d-%s;", $i, "x" x ($i % 17));
	my $code = sub { $i . $_[0] };
	push @c, $code, \$i, join(",", map { $_ * 2 } 1 .. $i % 20);
	($t = "abc $i def") =~ s/(\d+)/<$1>/g;
	push @w, split(/ /, $t), uc $t, reverse($t), substr($t, 2);
	push @o, bless({name => $t, at => $i}, "Thing$i") if $i % 4 == 0;
}
@sorted = sort { $a cmp $b } @w;
%inverse = reverse %h;
P
	estimates_of 64 perl work.pl
}

run_tests
