#!/bin/bash
# tests/hazards/fork_daemons.sh - programs that live on after the process that was started: two forks, then a daemon.
# Seen red: see session_outlives_its_first_process in tests/unit/test_process.c, with region_is_ours() not asked.
. "$(dirname "$0")/../lib.sh"
need python3
processes=$HEAPTAP_SOURCE/tests/hazards/processes.py

start_collector() {
	mkdir state
	"$HEAPTAP_BUILD/heaptap-collectord" --socket "$top/s" --state "$PWD/state" --rate 1 --interval 0 >log 2>&1 &
	collector=$!
	wait_for 20 [ -S "$top/s" ]
}

stop_collector() {
	kill -TERM $collector
	wait $collector
}

# Ends while the daemon waits for ./go.
start_daemon() { # VARIABLE...
	env HEAPTAP_WAIT_MS=10000 HEAPTAP_SOCKET="$top/s" LD_PRELOAD="$shim" GO="$PWD/go" "$@" "$victims/daemonize" out
}

has_counts() { # FILE
	grep -q allocs= "$1"
}

final_snapshots() {
	find state -name '*-exit.heaptap' | wc -l
}

has_snapshots() { # N
	[ "$(final_snapshots)" -ge "$1" ]
}

test_daemon_is_recorded_until_it_ends() {
	start_collector
	start_daemon EARLY=1
	wait_for 60 has_snapshots 1
	sleep 1
	is "$(final_snapshots)" 1 "the daemon lives"
	touch go
	wait_for 60 has_counts out
	wait_for 60 has_snapshots 2
	"$processes" check state out
	stop_collector
}

# Nothing is known of it when its parents are gone.
test_daemon_that_allocates_late_is_recorded_too() {
	start_collector
	start_daemon
	sleep 2
	touch go
	wait_for 60 has_counts out
	wait_for 60 has_snapshots 1
	"$processes" check state out
	stop_collector
	has_not log 'orphan|error'
}

test_heaptap_run_ends_with_the_program_and_says_what_goes_on() {
	EARLY=1 GO=$PWD/go status_of stdout err timeout -s KILL 60 "$heaptap" run -i 0 -r 1 -o run -- "$victims/daemonize" out
	cat err
	is "$status" 0
	has err 'daemonize \(pid [0-9]+, forked by [0-9]+\): .*; it still runs, no longer recorded'
	touch go
	wait_for 60 has_counts out
}

run_tests
