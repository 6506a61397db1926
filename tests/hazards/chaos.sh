#!/bin/bash
# tests/hazards/chaos.sh - random starts, stops and kills of programs and collector; nobody is harmed, nothing is left.
# SECONDS_OF_CHAOS=20 (CI: 60, make check-long: 600), SEED_OF_CHAOS to repeat a run: the choices are the same, the timing is not.
. "$(dirname "$0")/../lib.sh"
need python3 perl git gcc

test_random_starts_stops_and_kills() {
	# shellcheck disable=SC2086 # no seed is no word
	"$HEAPTAP_SOURCE/tests/hazards/chaos.py" "$HEAPTAP_BUILD" "${SECONDS_OF_CHAOS:-$([ -n "${CI-}" ] && echo 60 || echo 20)}" ${SEED_OF_CHAOS-}
}

run_tests
