#!/bin/bash
# tests/e2e/python3.sh - python3 building and dropping big dicts: named in the report, estimated right.
. "$(dirname "$0")/../lib.sh"
need python3 go
export PYTHONMALLOC=malloc PYTHONHASHSEED=0

setup() {
	cat >dicts.py <<-'PY'
		import os, sys
		text = "".join(map(str, range(1000)))
		def load(n):
		    return {i: text[i % 1000 : i % 1000 + 200] for i in range(n)}
		kept = load(60000)
		dropped = load(30000)
		del dropped
		if "READY" in os.environ:
		    open(os.environ["READY"], "w").close()
		sys.stdin.readline()
		print(len(kept), sum(map(int, (v[:9] for v in kept.values()))))
		kept.clear()
		sys.exit(5 if "five" in sys.argv else 0)
	PY
	: >nothing
	snapshot_when_ready sampled 32K nothing python3 "$top/dicts.py" >sampled.path
	snapshot_when_ready exact 1 nothing python3 "$top/dicts.py" >exact.path
}

test_output_and_status_are_the_same() {
	same_with_heaptap run 64K python3 "$top/dicts.py" five
	is "$(tail -n 1 run/traced.out)" "60000 $(tail -n 1 "$top/exact/stdout" | cut -d' ' -f2)"
}

test_estimates_agree_with_the_exact_run() {
	"$e2e/snapshot.py" compare "$(<"$top/sampled.path")" "$(<"$top/exact.path")" inuse_bytes inuse_objects alloc_bytes
}

test_top_names_who_allocates() {
	"$heaptap" top "$(<"$top/sampled.path")" >top
	cat top
	[[ $(first_row <top) =~ ^(PyUnicode_Substring|_PyUnicode_FromUCS1|PyUnicode_New|PyObject_Malloc)( \(inline\))?$ ]]
}

test_cum_shows_the_interpreter_above_them() {
	"$heaptap" top -cum "$(<"$top/sampled.path")" >top
	cat top
	grep -qE ' _PyEval_EvalFrameDefault( |$)' top
	grep -qE ' Py_BytesMain( |$)' top
}

test_pprof_prints_the_same() {
	pprof_agrees "$(<"$top/sampled.path")"
}

test_big_part_is_freed_by_the_end() {
	local dir exit_bytes ready_bytes
	dir=$(run_dir "$top/exact")
	exit_bytes=$(sum_of "$(last_snapshot "$dir")" inuse_bytes)
	ready_bytes=$(sum_of "$(<"$top/exact.path")" inuse_bytes)
	[ "$exit_bytes" -lt $((ready_bytes / 2)) ] || fail "in use at ready $ready_bytes, at exit $exit_bytes"
}

run_tests
