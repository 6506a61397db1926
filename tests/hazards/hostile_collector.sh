#!/bin/bash
# tests/hazards/hostile_collector.sh - absent, stopped, slow, foreign or lying collectors: the program never notices.
# What a program waits is counted in the polls it makes (strace), never measured: at most 50 ms, in the constructor.
# tests/unit/shim_dial.c has the same for dial() alone; here it is the whole library in a whole program.
. "$(dirname "$0")/twice.bash"
need strace python3
probe=$victims/probe
tools=$HEAPTAP_SOURCE/tests/hazards
near=$top/i # not below the test's own directory: a socket's path has 107 bytes

setup() {
	strace true 2>/dev/null || skip "strace may not trace here"
	start_daemon
}

# The same places for bare and traced: the probe names its files.
probed() { # NAME [STRACE-OPTION]...: the probe's output in NAME.out, NAME.err, its exit status in $status
	local name=$1
	shift
	status=0
	if [ $# -eq 0 ]; then
		"$probe" work >out 2>err </dev/null || status=$?
	else
		strace -ff -o "logs/$name" "$@" "$probe" work >out 2>err </dev/null || status=$?
	fi
	mv out "$name.out"
	mv err "$name.err"
}

# The probe under the library with this socket: as bare, no call after the constructor that the bare one does not make.
as_bare() { # WHAT SOCKET
	mkdir -p logs
	rm -f logs/traced*
	[ -e bare.out ] || probed bare
	[ -e calls.out ] || probed calls -E IRRELEVANT=
	HEAPTAP_SOCKET=$2 LD_PRELOAD=$shim probed traced
	is $status 3 "$1: exit status"
	same_files traced.out bare.out
	same_files traced.err bare.err
	probed traced_calls -E HEAPTAP_SOCKET="$2" -E LD_PRELOAD="$shim"
	same_files traced_calls.out calls.out
	"$tools/syscalls.py" compare logs/calls logs/traced_calls kinds || fail "$1: other system calls"
	waited=$("$tools/syscalls.py" waited logs/traced_calls)
	[ "$waited" -le 50 ] || fail "$1: it waits $waited ms"
}

passive() {
	! grep -q WIPEONFORK logs/traced_calls.* || fail "$1: it is armed all the same"
}

with_impostor() { # MODE [AS...]
	local mode=$1
	shift
	rm -f "$near" heard
	"$@" "$tools/impostor.py" "$near" "$mode" "$top/sock" >heard 2>impostor.err 8>&- &
	impostor=$!
	wait_for 30 grep -q ready heard
	as_bare "$mode" "$near"
	kill -9 $impostor 2>/dev/null || true
	wait $impostor 2>/dev/null || true
}

# The relay itself changes nothing: with a right answer the program attaches.
test_control_genuine_answer_is_taken() {
	export HEAPTAP_WAIT_MS=10000 # it is the answer that decides, not the machine
	with_impostor genuine
	grep -q WIPEONFORK logs/traced_calls.* || fail "it is not armed"
}

test_nobody_there() {
	mkdir directory && touch file
	local s
	for s in missing missing/deeper directory file /proc/self/mem "$(printf '%0200d' 0)" ''; do
		as_bare "socket '$s'" "${s:+$PWD/}$s"
		passive "$s"
		is "$waited" 0 "ms waited for '$s'"
	done
	with_impostor stale
	is "$waited" 0 "ms waited for a stale socket"
	passive stale
}

test_sockets_of_another_kind() {
	local mode
	for mode in stream datagram; do
		with_impostor $mode
		passive $mode
		is "$waited" 0 "ms waited"
	done
}

test_nobody_answers() {
	local mode
	for mode in silent full; do
		with_impostor $mode
		passive $mode
		[ "$waited" -ge 1 ] || fail "$mode: gave up at once"
	done
}

test_stopped_daemon() {
	local pid
	rm -f "$near"
	"$daemon" --socket "$near" --state "$PWD" 2>/dev/null 8>&- &
	pid=$!
	wait_for 20 [ -S "$near" ]
	kill -STOP $pid
	as_bare "stopped daemon" "$near"
	passive stopped
	kill -KILL $pid
	wait $pid || true
	as_bare "killed daemon" "$near"
	passive killed
}

test_connection_breaks_in_the_middle() {
	export HEAPTAP_WAIT_MS=10000 # it is the answer that decides, not the machine
	local mode
	for mode in hangs_up dies nothing; do
		with_impostor $mode
		passive $mode
	done
}

test_wrong_answers() {
	export HEAPTAP_WAIT_MS=10000 # it is the answer that decides, not the machine
	local mode
	for mode in magic newer older refused version short long huge garbage no_size larger_size odd_size; do
		with_impostor $mode
		passive $mode
	done
}

# Also: none of these descriptors stays open; the probe lists them.
test_wrong_descriptors() {
	export HEAPTAP_WAIT_MS=10000 # it is the answer that decides, not the machine
	local mode
	for mode in no_descriptor two_descriptors many_descriptors a_pipe a_directory a_device unsealed sealed_too_short empty \
		read_only all_zero; do
		with_impostor $mode
		passive $mode
	done
}

# The header is checked, or the geometry in it would make every write a wild one.
test_scrambled_headers() {
	local i
	rm -f "$near"
	"$tools/impostor.py" "$near" scrambled "$top/sock" >heard 2>impostor.err 8>&- &
	impostor=$!
	wait_for 30 grep -q ready heard
	for i in $(seq 150); do
		env HEAPTAP_WAIT_MS=5000 HEAPTAP_SOCKET="$near" LD_PRELOAD="$shim" "$probe" >out 2>err </dev/null || is $? 3 "header $i"
	done
	kill -9 $impostor
	is "$(grep -c heard heard)" 150
}

# Whoever may write to the socket's directory could otherwise read every program's command line, and feed it memory.
test_listener_of_another_user_hears_nothing() {
	[ "$(id -u)" -eq 0 ] || skip "being two users takes root"
	chmod 777 . "$top" && chmod a+x "$top" "$(dirname "$top")" || true
	with_impostor genuine setpriv --reuid=65534 --regid=65534 --clear-groups
	passive "another user's"
	has_not heard 'heard [1-9]'
	is "$waited" 0 "ms waited for another user's socket"
}

run_tests
