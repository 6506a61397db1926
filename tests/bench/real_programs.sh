#!/bin/bash
# tests/bench/real_programs.sh - wall time of real programs under heaptap as ratios to the bare program.
#
# usage: tests/bench/real_programs.sh [BUILD] [REPEATS]     Least of REPEATS (7) runs each.  Sampled is the default rate,
# exact is -r 1; both include start, the collector's work beside the program, and the last snapshot.
set -euo pipefail
cd "$(dirname "$0")/../.."
heaptap=$PWD/${1:-build}/heaptap
pair=$PWD/${1:-build}/tests/bench/malloc_pair
repeats=${2:-7}
export PATH=/usr/bin:/bin LC_ALL=C PYTHONMALLOC=malloc PYTHONHASHSEED=0
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

cat >load.sql <<'SQL'
CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, size INTEGER);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400000)
    INSERT INTO t SELECT i, 'name ' || (i * 7919 % 50000) || ' of some length', i * 13 FROM n;
CREATE INDEX by_name ON t(name);
SELECT count(*), count(DISTINCT name) FROM t;
SQL
cat >dicts.py <<'PY'
for _ in range(6):
    kept = {i: "value %d" % i for i in range(200000)}
    words = [str(i) for i in range(200000)]
PY

TIMEFORMAT=%R
seconds() { # COMMAND...: wall seconds, appended to a file by the caller
	{ time "$@" <load.sql >/dev/null 2>&1; } 2>&1
}

# The three ways in turn, so that a busy moment hits all of them; the least of each.
row() { # NAME COMMAND...
	local name=$1 i
	shift
	rm -f bare sampled exact
	for ((i = 0; i < repeats; i++)); do
		seconds "$@" >>bare
		seconds "$heaptap" run -q -i 0 -- "$@" >>sampled
		seconds "$heaptap" run -q -i 0 -r 1 -- "$@" >>exact
	done
	awk -v n="$name" -v b="$(sort -g bare | head -n 1)" -v s="$(sort -g sampled | head -n 1)" \
		-v e="$(sort -g exact | head -n 1)" \
		'BEGIN { printf "%-24s %8.3f s %10.3f %10.3f\n", n, b, s / b, e / b }'
}

printf '%-24s %10s %10s %10s\n' 'wall time' bare sampled exact
row 'python3, dicts' python3 dicts.py
row 'sqlite3, load and index' sqlite3 :memory:
row 'sh, 200 programs' sh -c 'i=0; while [ $i -lt 200 ]; do /bin/true; i=$((i + 1)); done'
printf '\n%s\n' 'malloc(48) and free, least of many rounds: bare; libheaptap.so alone; sampled; exact'
"$pair"
LD_PRELOAD=${heaptap%/*}/libheaptap.so "$pair"
"$heaptap" run -q -i 0 -- "$pair"
"$heaptap" run -q -i 0 -r 1 -- "$pair"
