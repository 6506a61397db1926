#!/bin/bash
# tests/e2e/diff.sh - `heaptap diff`: against `go tool pprof -base`, `heaptap top -error`, and as a check in CI.
. "$(dirname "$0")/../lib.sh"
need go python3

data=$HEAPTAP_SOURCE/tests/data/pprof

# NAME FLAT of a top report in bytes, rows that are not 0.
rows_of_top() {
	awk 'on && $1 != "0" { v = $1; sub(/B$/, "", v); $1 = $2 = $3 = $4 = $5 = ""; sub(/^ +/, "")
		sub(/ \((partial-)?inline\)$/, ""); print v, $0 } $1 == "flat" { on = 1 }' | sort
}

# The same of the deltas of a diff.
rows_of_diff() {
	awk '/^~/ || $5 == "total" || $6 == "total" { next } on { v = $3; gsub(/[+B]/, "", v); $1 = $2 = $3 = $4 = ""
		sub(/^ +(~ +)?/, ""); print v, $0 } $1 == "old" { on = 1 }' | sort
}

test_deltas_are_those_of_pprof() {
	local type
	for type in inuse_space inuse_objects alloc_space alloc_objects; do
		pprof -top -unit=B -nodefraction=0 -$type -base="$data/basic.pb.gz" "$data/basic2.pb.gz" 2>/dev/null |
			rows_of_top >theirs
		"$heaptap" diff -unit=B -nodecount=0 -$type "$data/basic.pb.gz" "$data/basic2.pb.gz" | rows_of_diff >ours
		[ -s theirs ] || fail "pprof shows nothing"
		same_files ours theirs
		pprof -top -cum -lines -unit=B -nodefraction=0 -$type -focus=main -base="$data/basic.pb.gz" "$data/basic2.pb.gz" \
			2>/dev/null | awk 'on && $4 != "0" { v = $4; sub(/B$/, "", v); $1 = $2 = $3 = $4 = $5 = ""; sub(/^ +/, "")
			sub(/ \((partial-)?inline\)$/, ""); print v, $0 } $1 == "flat" { on = 1 }' | sort >theirs
		"$heaptap" diff -cum -lines -unit=B -nodecount=0 -$type -focus=main "$data/basic.pb.gz" "$data/basic2.pb.gz" |
			rows_of_diff >ours
		same_files ours theirs
	done
	# A function that calls itself counts once: what is left are the recursive stacks.
	"$heaptap" pprof -proto -output=part.pb.gz -focus=vec_grow "$data/basic.pb.gz" 2>/dev/null
	pprof -top -cum -unit=B -nodefraction=0 -base=part.pb.gz "$data/basic.pb.gz" 2>/dev/null |
		awk '$NF == "walk" && $4 != "0" { print $4 }' >theirs
	"$heaptap" diff -cum -unit=B part.pb.gz "$data/basic.pb.gz" | awk '$NF == "walk" { sub(/^[+]/, "", $3); print $3 }' >ours
	[ -s theirs ] || fail "pprof shows nothing"
	same_files ours theirs
	# Nothing is known of errors of other tools' profiles.
	"$heaptap" diff "$data/basic.pb.gz" "$data/basic2.pb.gz" >out
	has out '^ +0 +7MB +\+7MB +\? +session_new$'
}

# Of two runs, whose addresses differ.
test_runs_are_matched_by_name() {
	local n
	for n in 1 2; do
		"$heaptap" run -q -r 1 -o "$n" -- python3 -c "x = [bytes(1000 + i) for i in range($((n * 1000)))]"
	done
	"$heaptap" diff -alloc_objects -nodecount=0 1 2 2>/dev/null >out
	has out '^Type: alloc_objects$'
	# bytes() come from calloc, under one name or another.
	awk '$NF != "total" && $1 >= 1000 && $3 >= 1000 { n++ } END { exit !(n >= 1) }' out ||
		fail "$(cat out)"
	# Addresses would have made two rows of each function.
	awk 'NR > 3 { print $NF }' out | sort | uniq -d >twice
	is "$(cat twice)" '' "functions with two rows"
	"$heaptap" diff 1 1 >same 2>/dev/null
	is "$(lines same)" 3 "lines of a difference of nothing ($(cat same))"
	has same '^ +[0-9.]+[kM]?B +[0-9.]+[kM]?B +0 +0 +total$'
}

test_errors_add_up_in_squares() {
	local n
	for n in 1 2; do
		"$heaptap" run -q -r 64K -o "$n" -- "$victims/population" >/dev/null
		"$heaptap" top -error -unit=B -alloc_space "$n" | awk '$NF == "site_a" || $NF == "main" { print $NF, $2, $6 }' | sort >"$n.top"
	done
	"$heaptap" diff -cum -unit=B -alloc_space -nodecount=0 1 2 >out
	python3 - 1.top 2.top out <<-'END'
		import math, re, sys
		errors = [dict((l.split()[0], float(l.split()[2].rstrip("B"))) for l in open(f)) for f in sys.argv[1:3]]
		seen = 0
		for line in open(sys.argv[3]):
		    words = line.replace("~", " ").split()
		    if len(words) == 5 and words[4] in errors[0] and words[4] in errors[1]:
		        expected = math.hypot(errors[0][words[4]], errors[1][words[4]])
		        assert abs(float(words[3].rstrip("B")) - expected) <= 2, (line, expected)
		        delta = abs(float(words[2].strip("+B")))
		        assert ("~" in line) == (delta <= float(words[3].rstrip("B"))), line
		        seen += 1
		assert seen >= 1, open(sys.argv[3]).read()
	END
}

# 409 kB ± 127 kB more than nothing (nearly).
# What is in both snapshots of a run is no reason to be unsure; what is in two runs is.
test_one_run_is_not_unsure_of_what_stayed() {
	local type
	"$heaptap" run -q -i 0 -r 64K -o one -- "$victims/population" >/dev/null
	"$heaptap" run -q -i 0 -r 64K -o other -- "$victims/population" >/dev/null
	for type in inuse_space alloc_space; do
		"$heaptap" diff -$type one one >same
		has same '^ +[0-9.]+([kM]?B)? +[0-9.]+([kM]?B)? +0 +0 +total$'
	done
	"$heaptap" diff -alloc_space one other >runs
	has_not runs ' 0 +total$'
}

test_growth_that_may_be_chance_is_no_failure() {
	local new=$HEAPTAP_SOURCE/tests/data/snapshots/minor0.heaptap old
	"$heaptap" run -q -r 1 -o . -- true
	old=$(run_dir .)
	status_of out err "$heaptap" diff --fail-over=300K "$old" "$new"
	is "$status" 0
	has err 'more than --fail-over 300 kB, but that may be chance'
	status_of out err "$heaptap" diff --fail-over=200K "$old" "$new"
	is "$status" 3
}

test_growth_beyond_the_limit_is_status_3() {
	local old=$data/basic.pb.gz new=$data/basic2.pb.gz
	"$heaptap" diff --fail-over=100M "$old" "$new" >out 2>err
	is "$(cat err)" ''
	status_of out err "$heaptap" diff --fail-over=1M "$old" "$new"
	is "$status" 3
	has err '^heaptap: inuse_space grew by 10.8 MB, more than --fail-over 1 MB$'
	has out 'session_new$'
	status_of out err "$heaptap" diff --fail-over=1M -ignore='session_new|vec_grow' "$old" "$new"
	is "$status" 0
	status_of out err "$heaptap" diff --fail-over=0 "$new" "$old"
	is "$status" 0
	status_of out err "$heaptap" diff --fail-over=0 "$old" "$old"
	is "$status" 0
}

test_what_is_wrong_is_said() {
	refuses 2 'which two SOURCEs' "$heaptap" diff "$data/basic.pb.gz"
	refuses 2 'more than two SOURCEs' "$heaptap" diff a b c
	refuses 1 'nosuch' "$heaptap" diff "$data/basic.pb.gz" ./nosuch.pb.gz
	refuses 2 'not a size' "$heaptap" diff --fail-over=much "$data/basic.pb.gz" "$data/basic2.pb.gz"
	refuses 2 'OLD is the base' "$heaptap" diff -base=x "$data/basic.pb.gz" "$data/basic2.pb.gz"
	refuses 1 'sample_index' "$heaptap" diff -sample_index=nosuch "$data/basic.pb.gz" "$data/basic2.pb.gz"
}

run_tests
