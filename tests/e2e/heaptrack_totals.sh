#!/bin/bash
# tests/e2e/heaptrack_totals.sh - with -r 1 the calls and the peak of single-threaded programs are those heaptrack prints.
#
# heaptrack's library needs libstdc++, which allocates its emergency pool when it is loaded: one block of 72704 bytes
# more than the program's own, live to the end, in programs that have no libstdc++ themselves.  And heaptrack stops
# before the last destructors of a program that allocates in them (perl: 50812 calls of 50826): not compared here.
. "$(dirname "$0")/../lib.sh"
need heaptrack heaptrack_print sqlite3

POOL=72704

cat >"$top/totals.py" <<'P'
import json, re, sys
with open(sys.argv[1], encoding='utf-8') as f:
    ours = json.load(f)['total']['values']
text = open(sys.argv[2], encoding='utf-8', errors='replace').read()
pool = int(sys.argv[3])
calls = int(re.search(r'calls to allocation functions: (\d+)', text).group(1))
number, unit = re.search(r'peak heap memory consumption: ([0-9.]+)([BKM])', text).groups()
scale = {'B': 1, 'K': 1000, 'M': 1000000}[unit]
peak, digit = float(number) * scale, scale / 100
print('heaptap %d calls, peak %d; heaptrack %d calls, peak %s%s' % (
    ours['alloc_objects'], ours['peak_space'], calls, number, unit))
assert calls == ours['alloc_objects'] + 1
assert abs(peak - (ours['peak_space'] + pool)) <= digit
P

equals_heaptrack() { # COMMAND...
	heaptrack -o theirs "$@" >/dev/null 2>&1 || true
	heaptrack_print -f "$(find . -maxdepth 1 -name 'theirs.*' | head -n 1)" >theirs.txt 2>/dev/null
	"$heaptap" run -q -i 0 -r 1 -o . -- "$@" >/dev/null
	"$heaptap" export --json ours.json "$(run_dir .)"
	python3 "$top/totals.py" ours.json theirs.txt $POOL
}

test_a_tree_built_by_recursion() {
	equals_heaptrack "$victims/work_tree" 5 6
}

test_sqlite3() {
	cat >load.sql <<-'SQL'
		CREATE TABLE t(a, b);
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
		    INSERT INTO t SELECT i, 'row ' || i FROM n;
		CREATE INDEX by_b ON t(b);
		SELECT count(*), group_concat(b) FROM t GROUP BY a % 50;
	SQL
	equals_heaptrack sqlite3 :memory: '.read load.sql'
}

test_awk() {
	command -v mawk >/dev/null || skip "no mawk here"
	equals_heaptrack mawk 'BEGIN { for (i = 0; i < 20000; i++) { a[i] = "value " i; if (i % 3) delete a[i - 1] } }'
}

run_tests
