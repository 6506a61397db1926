#!/bin/bash
# tests/e2e/exact_totals.sh - with -r 1 every allocation is recorded, once and with its size: totals over whole programs
# equal those of valgrind's DHAT, which replaces the allocator itself and knows nothing of ours.
#
# Single-threaded programs whose allocations do not depend on the environment, which both tools change.  DHAT, too,
# counts a realloc as an allocation of the new size.  (heaptrack sees less: it begins in a constructor and stops
# before the last ones; perl's 50826 allocations are 50812 to it.)
. "$(dirname "$0")/../lib.sh"
need valgrind python3 sqlite3

cat >"$top/dhat.py" <<'P'
import collections, json, sys
sys.path.insert(0, sys.argv[1])
import snapshot
snap = snapshot.read(sys.argv[2])
points = json.load(open(sys.argv[3]))["pps"]
t, a = snap["total"], snap["audit"]
assert a["untracked"] == a["corrupt"] == a["stack_full"] == 0, a
ours = (t["alloc_count"] / 65536, t["alloc_bytes"] / 256)
dhat = sum(p["tbk"] for p in points), sum(p["tb"] for p in points)
print("heaptap %d blocks, %d bytes; DHAT %d, %d" % (ours + dhat))
assert ours == dhat
# DHAT joins some stacks that differ in one address, we none: most are found one to one, as (blocks, bytes).
there = collections.Counter((p["tbk"], p["tb"]) for p in points)
here = collections.Counter((v["alloc_count"] / 65536, v["alloc_bytes"] / 256) for _, v in snap["stacks"])
same = sum((there & here).values())
print("%d of DHAT's %d stacks found one to one" % (same, len(points)))
assert same >= 0.85 * len(points) or len(points) < 20
P

equals_dhat() { # COMMAND...
	valgrind -q --tool=dhat --num-callers=127 --dhat-out-file=dhat.out "$@" >/dev/null 2>valgrind.err
	"$heaptap" run -q -i 0 -r 1 -o . -- "$@" >/dev/null
	python3 -B "$top/dhat.py" "$e2e" "$(last_snapshot "$(run_dir .)")" dhat.out
}

test_sqlite3() {
	cat >load.sql <<'SQL'
CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, size INTEGER);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
    INSERT INTO t SELECT i, 'name ' || (i * 7919 % 500) || ' of some length', i * 13 FROM n;
CREATE INDEX by_name ON t(name);
SELECT group_concat(name) FROM t WHERE size % 3 = 0 GROUP BY size % 100;
SELECT json_group_array(json_object('n', name, 's', size)) FROM t;
SQL
	equals_dhat sqlite3 :memory: '.read load.sql'
}

test_every_entry_point() {
	equals_dhat "$victims/known_blocks"
}

test_realloc() {
	cat >grow.c <<'C'
#include <stdlib.h>
int main(void)
{
	char *p = NULL;
	for (int i = 1; i < 20000; i++) {
		p = realloc(p, (size_t)i * (i % 50 + 1));
		free(calloc(i % 7 + 1, 9));
	}
	p = realloc(p, 1);
	free(p);
	return 0;
}
C
	gcc -O1 -g -fno-builtin grow.c -o grow
	equals_dhat ./grow
}

run_tests
