#!/bin/bash
# tests/e2e/daemon_notify.sh - heaptap-collectord as a service: what it tells its manager and what it takes from it.
. "$(dirname "$0")/../lib.sh"
need python3
daemon=$HEAPTAP_BUILD/heaptap-collectord
manager=$HEAPTAP_SOURCE/tests/tools/manager.py

start_service() { # OPTIONS-OF-MANAGER...; its pid in $pid, notifications in ./notes
	"$manager" "$@" "$top/sock" "$PWD/notes" "$daemon" --state "$PWD/state" --rate 1 --interval 0 2>log &
	pid=$!
}

stop_service() { # exit status of the daemon in $status
	status=0
	kill -TERM "$pid"
	wait "$pid" || status=$?
}

test_says_when_it_is_ready_and_when_it_stops() {
	start_service
	wait_for 60 grep -qx READY=1 notes
	has_not notes STOPPING
	has_not log HTTP "no socket for it was passed"
	stop_service
	is "$status" 0
	is "$(grep -xc STOPPING=1 notes)" 1
}

test_says_how_many_programs_are_recorded() {
	start_service
	wait_for 60 grep -qx READY=1 notes
	HEAPTAP_WAIT_MS=10000 HEAPTAP_SOCKET=$top/sock LD_PRELOAD=$shim python3 -c 'import sys; sys.stdin.read()' < <(wait_for 60 grep -qx 'STATUS=1 program is recorded' notes)
	wait_for 60 grep -qx 'STATUS=0 programs are recorded' notes
	stop_service
	is "$status" 0
}

test_lives_while_it_is_watched() {
	start_service --watchdog 30
	wait_for 60 grep -qx WATCHDOG=1 notes
	stop_service
	is "$status" 0
}

test_says_nothing_when_its_loop_does_not_turn() {
	start_service --watchdog 2
	wait_for 60 grep -qx WATCHDOG=1 notes
	kill -STOP "$(pgrep -P "$pid" -f heaptap-collectord)"
	wait "$pid" || status=$?
	is "$status" $((256 - 6)) "ended by SIGABRT"
}

test_is_not_watched_unasked() {
	start_service
	wait_for 60 grep -qx READY=1 notes
	stop_service
	has_not notes WATCHDOG
}

# The journal knows who we are and takes a priority; what is not the journal gets our name.
test_lines_are_made_for_the_journal() {
	local status=0
	printf 'rate = none\n' >conf
	: >journal
	JOURNAL_STREAM=$(stat -c %d:%i journal) "$daemon" --config conf 2>>journal || status=$?
	is "$status" 2
	has journal '^<3>conf, line 1: rate none: not a size'
	JOURNAL_STREAM=1:1 "$daemon" --config conf 2>log || true
	has log '^heaptap-collectord: conf, line 1: '
	"$daemon" --socket "$top/j" --state "$PWD/state" 2>log &
	pid=$!
	wait_for 60 grep -q '^heaptap-collectord: listening on' log
	kill -TERM $pid
	wait $pid
	JOURNAL_STREAM=$(stat -c %d:%i journal) "$daemon" --socket "$top/j" --state "$PWD/state" 2>>journal &
	pid=$!
	wait_for 60 grep -q '^<6>listening on' journal
	kill -TERM $pid
	wait $pid
	has journal '^<6>stopping'
	has_not journal 'heaptap-collectord: '
}

test_socket_of_another_type_is_refused_in_one_line() {
	start_service --type stream
	status=0
	wait "$pid" || status=$?
	is "$status" 1
	is "$(lines log)" 1
	has log 'SOCK_SEQPACKET.*ListenSequentialPacket='
	has_not notes READY
}

test_second_one_by_hand_is_refused() {
	start_service
	wait_for 60 grep -qx READY=1 notes
	status_of out err timeout -s KILL 60 "$daemon" --socket "$top/sock" --state "$PWD/elsewhere"
	is "$status" 1
	has err 'another collector is running'
	status_of out err timeout -s KILL 60 "$daemon" --socket "$top/another" --state "$PWD/state"
	is "$status" 1
	has err 'another collector writes into'
	stop_service
	is "$status" 0
}

test_killed_service_keeps_its_program() {
	start_service --restarts 1
	wait_for 60 grep -qx READY=1 notes
	HEAPTAP_WAIT_MS=10000 HEAPTAP_SOCKET=$top/sock LD_PRELOAD=$shim python3 -c '
import os, time
x = [bytes(5000) for _ in range(100)]
open("up", "w").close()
while not os.path.exists("go"): time.sleep(0.02)
x += [bytes(5000) for _ in range(100)]' &
	local program=$!
	wait_for 60 [ -e up ]
	kill -KILL "$(pgrep -P "$pid" -f heaptap-collectord)"
	wait_for 60 grep -q 'went on with 1 session' log
	touch go
	wait "$program"
	wait_for 60 grep -q 'session 1: ended' log
	stop_service
	is "$status" 0
	[ "$(sum_of "$(find state -name '*-exit.heaptap')" alloc_bytes)" -gt 1000000 ]
}

run_tests
