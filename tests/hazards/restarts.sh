#!/bin/bash
# tests/hazards/restarts.sh - a collector that is killed loses nothing: totals of every stack are exact afterwards.
# KILLS=16 (make check-long: 1000); SEED_OF_KILLS to repeat the choices of a run, its timing is another one.
. "$(dirname "$0")/../lib.sh"
need python3

test_random_kills_lose_nothing() {
	# shellcheck disable=SC2086 # no seed is no word
	"$HEAPTAP_SOURCE/tests/hazards/restarts.py" "$HEAPTAP_BUILD" "${KILLS:-16}" ${SEED_OF_KILLS-}
}

loaded() { # LOAD
	# shellcheck disable=SC2086 # no seed is no word
	"$HEAPTAP_SOURCE/tests/hazards/restart_loads.py" "$HEAPTAP_BUILD" "$1" "${KILLS:-8}" ${SEED_OF_KILLS-}
}

test_storms_of_threads_forks_and_execs() {
	loaded storms
}

test_plugins_that_come_and_go() {
	loaded plugins
}

test_people_who_ask_meanwhile() {
	loaded asked
}

test_upgrades_and_downgrades_lose_nothing() {
	# shellcheck disable=SC2086 # no seed is no word
	"$HEAPTAP_SOURCE/tests/hazards/restarts.py" "$HEAPTAP_BUILD" versions ${SEED_OF_KILLS-}
}

test_kills_at_points_lose_nothing() {
	"$HEAPTAP_SOURCE/tests/hazards/restarts.py" "$HEAPTAP_BUILD" points
}

test_a_kill_at_the_burial_of_the_empty() {
	"$HEAPTAP_SOURCE/tests/hazards/restarts.py" "$HEAPTAP_BUILD" empty
}

run_tests
