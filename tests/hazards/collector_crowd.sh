#!/bin/bash
# tests/hazards/collector_crowd.sh - many programs of several users at one collector: nobody is lost, limits are each user's.
. "$(dirname "$0")/../lib.sh"
need python3
[ "$(id -u)" -eq 0 ] || skip "only root can be several users"
crowd=$HEAPTAP_SOURCE/tests/hazards/collector_crowd.py
chmod 711 "$top"

of_collector() { # SCENARIO
	timeout -s KILL 180 python3 "$crowd" "$HEAPTAP_BUILD/heaptap-collectord" "$1" "$top/$1"
}

test_one_users_flood_keeps_no_other_out() {
	of_collector flood
}

test_sessions_are_limited_per_user_and_overall() {
	of_collector quota
}

test_no_short_program_is_lost_beside_many_that_live() {
	of_collector short
}

run_tests
