#!/bin/bash
# tests/stats/stated_errors.sh - the standard errors in snapshots against the spread over many runs of one program.
. "$(dirname "$0")/../lib.sh"
need python3

RUNS=32 # seeds differ by themselves: they mix addresses, clock and a counter

test_errors_are_what_they_are_said_to_be() {
	for ((i = 0; i < RUNS; i++)); do
		"$heaptap" run -q -i 0 -r 16K -o "out$i" -- "$victims/population" >truth
		"$heaptap" export --json "$i.json" "out$i"
	done
	"$HEAPTAP_SOURCE/tests/stats/stated_errors.py" truth ./*.json
}

run_tests
