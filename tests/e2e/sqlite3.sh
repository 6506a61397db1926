#!/bin/bash
# tests/e2e/sqlite3.sh - sqlite3 loading and indexing a table in memory: named in the report, estimated right.
. "$(dirname "$0")/../lib.sh"
need sqlite3 go objdump

setup() {
	cat >load.sql <<-'SQL'
		CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, size INTEGER);
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)
		    INSERT INTO t SELECT i, 'name ' || (i * 7919 % 50000) || ' of some length', i * 13 FROM n;
		CREATE INDEX by_name ON t(name);
		SELECT count(*), sum(size), min(name), max(name) FROM t;
	SQL
	{ cat load.sql && echo ".shell touch \"\$READY\""; } >ready.sql
	snapshot_when_ready sampled 16K ready.sql sqlite3 :memory: >sampled.path
	snapshot_when_ready exact 1 ready.sql sqlite3 :memory: >exact.path
}

test_output_and_status_are_the_same() {
	cp "$top/load.sql" run.stdin
	same_with_heaptap run 64K sqlite3 :memory:
	has run/traced.out '^50000\|'
	echo 'SELECT * FROM nothing;' >bad.stdin
	same_with_heaptap bad 64K sqlite3 -bail :memory:
	same_files bad/traced.err bad/plain.err
}

test_estimates_agree_with_the_exact_run() {
	"$e2e/snapshot.py" compare "$(<"$top/sampled.path")" "$(<"$top/exact.path")" inuse_bytes alloc_bytes
}

test_top_names_who_allocates() {
	"$heaptap" top "$(<"$top/sampled.path")" >top
	"$heaptap" top "$(<"$top/exact.path")" >exact
	cat top exact
	is "$(first_row <top)" "$(first_row <exact)" "first function"
	calls_allocator "$(<"$top/sampled.path")"
}

test_pprof_prints_the_same() {
	pprof_agrees "$(<"$top/sampled.path")"
}

run_tests
