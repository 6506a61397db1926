#!/bin/bash
# tests/e2e/daemon.sh - heaptap-collectord serving programs that only have the library preloaded.
. "$(dirname "$0")/../lib.sh"
need python3
daemon=$HEAPTAP_BUILD/heaptap-collectord

start_daemon() { # its pid in $pid, its socket in ./sock, its snapshots below ./state
	mkdir -p state
	"$daemon" --socket "$PWD/sock" --state "$PWD/state" --rate 1 --interval 0 2>daemon.log &
	pid=$!
	wait_for 20 [ -S sock ]
}

stop_daemon() {
	stop_collectord "$pid"
	[ ! -e sock ] || fail "the socket is left behind"
}

snapshots() {
	find state -name '*.heaptap' | sort
}

test_programs_are_recorded_and_see_nothing() {
	start_daemon
	HEAPTAP_SOCKET=$PWD/sock LD_PRELOAD=$shim python3 -c 'x = [bytes(5000) for _ in range(100)]; print(len(x)); del x' >out 2>err
	is "$(<out)$(<err)" 100
	wait_for 20 one_more_than 0
	stop_daemon
	is "$(snapshots | wc -l)" 1
	[ "$(sum_of "$(snapshots)" alloc_bytes)" -gt 500000 ]
}

test_signals() {
	start_daemon
	HEAPTAP_SOCKET=$PWD/sock LD_PRELOAD=$shim python3 -c '
import os, time
x = [bytes(5000) for _ in range(100)]
open("up", "w").close()
while not os.path.exists("go"): time.sleep(0.02)' &
	local program=$!
	wait_for 20 [ -e up ]
	kill -USR1 "$pid"
	wait_for 20 one_more_than 0
	[ "$(sum_of "$(snapshots)" inuse_bytes)" -gt 500000 ]
	kill -HUP "$pid"
	stop_daemon
	is "$(snapshots | wc -l)" 2 "snapshots after SIGUSR1 and SIGTERM"
	touch go
	wait "$program"
}

one_more_than() { # COUNT
	[ "$(snapshots | wc -l)" -gt "$1" ]
}

test_programs_do_not_wait_for_a_stopped_daemon() {
	start_daemon
	kill -STOP "$pid"
	HEAPTAP_SOCKET=$PWD/sock LD_PRELOAD=$shim python3 -c 'print("unimpressed")' >out
	is "$(<out)" unimpressed
	kill -CONT "$pid"
	stop_daemon
}

test_program_goes_on_when_the_daemon_is_killed() {
	start_daemon
	HEAPTAP_SOCKET=$PWD/sock LD_PRELOAD=$shim python3 -c '
import os, time
open("up", "w").close()
while not os.path.exists("go"): time.sleep(0.02)
x = [bytes(i % 3000) for i in range(300000)]; print(len(x))' >out &
	local program=$!
	wait_for 20 [ -e up ]
	kill -9 "$pid"
	wait "$pid" || true
	touch go
	wait "$program"
	is "$(<out)" 300000
}

test_bad_options() {
	status_of out err "$daemon" --no-such-option
	is "$status" 2
	status_of out err "$daemon" --rate none
	is "$status" 2
	status_of out err "$daemon" --state /proc/nowhere --socket "$PWD/sock"
	is "$status" 1
	is "$(wc -l <err)" 1
}

run_tests
