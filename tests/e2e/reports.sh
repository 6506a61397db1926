#!/bin/bash
# tests/e2e/reports.sh - reports against `go tool pprof`: random profiles and options, and heaptap's own snapshots.
#
# 500 profiles with four reports each by a fixed seed, 100 by a fresh one, which is printed: REPORTS_SEED=... repeats it.
# shellcheck disable=SC2034
. "$(dirname "$0")/../lib.sh"
need go python3

oracle=$HEAPTAP_SOURCE/tests/e2e/reports_oracle.py

test_fixed_seed() {
	oracle_agrees "$oracle" fixed 500
}

test_fresh_seed() {
	oracle_agrees_by_chance "$oracle" REPORTS_SEED 100
}

test_snapshots() {
	"$heaptap" run -q -r 1 -o . -- bash -c 'for i in {1..200}; do x[$i]=$(printf "%0${i}d" 1); done'
	"$heaptap" run -q -r 64 -o . -- python3 -c 'import json; x = [json.loads("[1, {\"a\": [2, 3]}]") for i in range(9999)]'
	local dir pairs=()
	for dir in heaptap.*; do
		"$heaptap" export --pprof "$dir.pb.gz" "$dir" 2>/dev/null
		pairs+=("$PWD/$(basename "$dir")=$PWD/$dir.pb.gz")
	done
	[ ${#pairs[@]} -ge 2 ] || fail "no snapshots"
	python3 "$oracle" "$heaptap" snapshots 30 "${pairs[@]}"
}

run_tests
