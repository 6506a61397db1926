#!/bin/bash
# tests/hazards/collector_crowd.sh - many programs of several users at one collector: nobody is lost, limits are each
# user's, memory is whose pages it is, and what is half or wrong leaves nothing behind.
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

test_programs_memory_is_charged_to_them_and_given_back() {
	local probe=/sys/fs/cgroup/memory/heaptap-probe.$$
	mkdir "$probe" 2>/dev/null || skip "no cgroup v1 of memory here"
	rmdir "$probe"
	of_collector memory
}

test_half_handshakes_are_dropped() {
	of_collector half
}

test_protocol_errors_fill_no_journal() {
	of_collector errors
}

run_tests
