#!/bin/bash
# tests/e2e/reports.sh - reports against `go tool pprof`: random profiles and options, and heaptap's own snapshots.
#
# 500 profiles with four reports each by a fixed seed, 100 by a fresh one, which is printed: REPORTS_SEED=... repeats it.
# shellcheck disable=SC2034
. "$(dirname "$0")/../lib.sh"
need go python3

oracle=$HEAPTAP_SOURCE/tests/e2e/reports_oracle.py

# Two halves at a time: the tool costs more than what it judges.
agree() { # SEED PROFILES
	local half pids=() pid status=0
	for half in a b; do
		mkdir -p "$half"
		(cd "$half" && python3 "$oracle" "$heaptap" "$1-$half" $(($2 / 2))) >"$half.out" 2>&1 &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || status=1
	done
	cat a.out b.out
	return $status
}

test_fixed_seed() {
	agree fixed 500
}

test_fresh_seed() {
	# pprof itself is at random among equals; whether ours is one of its answers is a matter of how often one asks.
	[ -z "${CI-}" ] || skip "a fresh seed is for people: CI does not depend on chance"
	local seed=${REPORTS_SEED:-$RANDOM$RANDOM}
	echo "REPORTS_SEED=$seed"
	agree "$seed" 100
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
