#!/bin/bash
# tests/e2e/daemon_start.sh - how heaptap-collectord comes to its socket, and what it must not be itself.
. "$(dirname "$0")/../lib.sh"
daemon=$HEAPTAP_BUILD/heaptap-collectord

# End a daemon as systemd does; its exit status in $status.
stop() { # PID
	status=0
	kill -TERM "$1"
	wait "$1" || status=$?
}

test_never_traces_itself() {
	LD_PRELOAD=$shim "$daemon" --socket sock --state state 2>log &
	local pid=$!
	wait_for 20 [ -S sock ]
	has_not "/proc/$pid/maps" libheaptap
	is "$(tr '\0' '\n' <"/proc/$pid/environ" | grep -c '^LD_PRELOAD=')" 0
	stop $pid
	is "$status" 0
	has_not log session
}

test_second_daemon_on_the_same_socket_is_refused() {
	"$daemon" --socket sock --state state 2>log &
	local pid=$!
	wait_for 20 [ -S sock ]
	status_of out err "$daemon" --socket sock --state state
	is "$status" 1
	is "$(lines err)" 1
	has err 'another collector is running'
	[ -S sock ] || fail "the first one's socket is gone"
	stop $pid
	is "$status" 0
}

test_socket_of_a_killed_daemon_is_replaced() {
	"$daemon" --socket sock --state state 2>log &
	local pid=$!
	wait_for 20 [ -S sock ]
	kill -KILL $pid
	wait $pid || true
	[ -S sock ] || fail "nothing stale to replace"
	"$daemon" --socket sock --state state 2>log2 &
	pid=$!
	wait_for 20 grep -q 'listening on' log2
	stop $pid
	is "$status" 0
}

test_systemd_may_pass_the_socket_in() {
	need systemd-socket-activate git
	# It waits for the first connection, then becomes the daemon.
	systemd-socket-activate --seqpacket -l "$PWD/sock" "$daemon" --state "$PWD/state" --rate 1 2>log &
	local pid=$!
	wait_for 20 [ -S sock ]
	HEAPTAP_WAIT_MS=10000 HEAPTAP_SOCKET=$PWD/sock LD_PRELOAD=$shim git --version >out
	wait_for 20 grep -q 'session 1: ended' log
	stop $pid
	is "$status" 0
	[ -n "$(find state -name '*-exit.heaptap')" ] || fail "no snapshot"
	[ -S sock ] || fail "the socket is systemd's, and was removed"
}

test_socket_of_the_wrong_kind_is_refused() {
	need systemd-socket-activate python3
	systemd-socket-activate -l "$PWD/sock" "$daemon" --state "$PWD/state" 2>log &
	local pid=$! status=0
	wait_for 20 [ -S sock ]
	python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect("sock")' || true
	wait $pid || status=$?
	is "$status" 1
	has log 'SOCK_SEQPACKET'
}

test_help_and_bad_options() {
	local option
	for option in -h --help; do
		"$daemon" $option >help
		has help '^usage: heaptap-collectord'
		has help 'LD_PRELOAD=/[^ ]*/libheaptap\.so '
	done
	[ -e "$(sed -nE 's/.*LD_PRELOAD=([^ ]*) .*/\1/p' help)" ]
	for option in --frobnicate -x --rate --keep=many extra; do
		status_of out err "$daemon" "$option"
		is "$status" 2
		has err "^heaptap-collectord: $option.*; see --help$|^heaptap-collectord: --keep many: .*; see --help$"
		is "$(lines err)" 1
	done
}

run_tests
