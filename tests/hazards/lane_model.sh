#!/bin/bash
# tests/hazards/lane_model.sh - the ring's protocol in every interleaving, by the model checker spin: right as it is,
# and wrong as soon as any of its lettered orders is left out (so none is idle, and the model would notice).
. "$(dirname "$0")/../lib.sh"
need spin gcc

verify() { # DEFINITION...: spin's verdict
	rm -rf work && mkdir work
	(cd work && spin -a "$@" "$HEAPTAP_SOURCE/tests/race/lane.pml" >spin.log && gcc -O1 -DSAFETY -o pan pan.c &&
		timeout -s KILL 300 ./pan -m200000) >verdict 2>&1 || true
	has verdict 'errors: [0-9]'
	has_not verdict 'max search depth too small|out of memory'
}

test_two_writers_a_kill_and_a_collector_agree() {
	verify
	has verdict 'errors: 0$'
}

test_each_letter_is_needed() {
	local letter
	for letter in A B C D E F; do
		verify -DNO_$letter
		has verdict 'errors: 1$'
		has verdict 'assertion violated'
	done
}

run_tests
