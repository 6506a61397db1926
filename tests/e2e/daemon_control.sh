#!/bin/bash
# tests/e2e/daemon_control.sh - the daemon asked by several users: who sees what, limits, what is not recorded, the log.
. "$(dirname "$0")/../lib.sh"
need python3 setpriv
daemon=$HEAPTAP_BUILD/heaptap-collectord

start_daemon() { # OPTION...: its pid in $daemon_pid
	sock=$top/s$BASHPID # short: a socket's path has 107 bytes
	mkdir -m 700 state
	"$daemon" --socket "$sock" --state "$PWD/state" --rate 1 --interval 0 "$@" 2>daemon.log &
	daemon_pid=$!
	wait_for 20 [ -S "$sock" ]
}

stop_daemon() {
	stop_collectord "$daemon_pid"
}

# Anybody gets to the files of this test.
open_up() {
	[ "$(id -u)" -eq 0 ] || skip "only root can be several users"
	chmod 711 "$top" .
	setpriv --reuid 50001 --regid 50001 --clear-groups true 2>/dev/null || skip "root may not change users here"
	setpriv --reuid 50001 --regid 50001 --clear-groups "$victims/steady" </dev/null || skip "other users do not get to the build"
}

as() { # UID COMMAND...
	local uid=$1
	shift
	setpriv --reuid "$uid" --regid "$uid" --clear-groups "$@"
}

# A program that waits for the end of a pipe, as another user; its pid in $program.
start_program() { # UID PROGRAM...
	local uid=$1
	shift
	mkfifo "in.$uid"
	setpriv --reuid "$uid" --regid "$uid" --clear-groups env HEAPTAP_WAIT_MS=10000 HEAPTAP_SOCKET="$sock" LD_PRELOAD="$shim" "$@" <"in.$uid" >"out.$uid" &
	program=$!
	# shellcheck disable=SC2034 # open until the end
	exec {pipe}>"in.$uid"
	wait_for 20 grep -q "pid $program of uid $uid" daemon.log
}

pids_seen_by() { # UID
	as "$1" "$heaptap" ps --json --socket "$sock" 2>/dev/null |
		python3 -c 'import json, sys; print(*sorted(p["pid"] for p in json.load(sys.stdin)))'
}

test_users_see_their_own_and_root_all() {
	local a b
	open_up
	start_daemon
	start_program 50001 "$victims/steady" 3
	a=$program
	start_program 50002 "$victims/steady" 5
	b=$program
	is "$(pids_seen_by 50001)" "$a"
	is "$(pids_seen_by 50002)" "$b"
	is "$(pids_seen_by 50003)" ''
	is "$(pids_seen_by 0)" "$(printf '%s\n' "$a" "$b" | sort -n | xargs)"
	refuses 1 "$b is a process of " as 50001 "$heaptap" set --socket "$sock" "$b" rate=64K
	refuses 1 "$b is a process of " as 50001 "$heaptap" snapshot --socket "$sock" "$b"
	as 50001 "$heaptap" set --socket "$sock" "$a" rate=64K >changed
	has changed "rate 64 kB, was 1"
	is "$("$heaptap" ps --socket "$sock" | grep -c "^ *$b 50002 .* 1 B ")" 1 "the other one's rate"
	as 50001 "$heaptap" snapshot --socket "$sock" all >paths
	is "$(lines paths)" 1
	has paths "/state/u50001-s[12].$a/0001-asked\.heaptap"
	stop_daemon
}

test_members_of_the_group_see_all() {
	local gid
	open_up
	gid=$(getent group games | cut -d: -f3)
	[ -n "$gid" ] || skip "no group games"
	start_daemon --group games
	start_program 50001 "$victims/steady"
	is "$(setpriv --reuid 50003 --regid 50003 --groups "$gid" "$heaptap" ps --socket "$sock" | grep -c " $program \|^$program ")" 1
	is "$(pids_seen_by 50003)" ''
	stop_daemon
}

# The state directory is closed to the user; the snapshot comes through the socket.
test_top_of_a_users_own_program() {
	open_up
	start_daemon
	start_program 50001 "$victims/steady" 5
	as 50001 env HEAPTAP_SOCKET="$sock" "$heaptap" top -nodecount=1 "$program" >top
	is "$(first_row <top)" keep
	has top 'of 5(\.[0-9]+)?MB total'
	refuses 1 "$program is a process of " as 50002 env HEAPTAP_SOCKET="$sock" "$heaptap" top "$program"
	refuses 1 'Permission denied; a service.s snapshots .* write the pid instead' as 50001 "$heaptap" top "$(as 50001 "$heaptap" snapshot --socket "$sock")"
	stop_daemon
}

# A user's own socket may not tell root about other users' programs.
test_collector_of_a_user_is_believed_about_that_user_only() {
	open_up
	mkdir -m 777 "$top/theirs"
	cat >liar.py <<-'PY'
		import os, socket, struct, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
		s.bind(sys.argv[1])
		s.listen()
		open(sys.argv[1] + ".up", "w").close()
		size = int(sys.argv[2])
		while True:
		    c = s.accept()[0]
		    c.recv(4096)
		    for kind, uid in (1, 0), (1, 50001), (5, 0):
		        head = b"HTCTRL01" + struct.pack("=II", kind, 0)
		        body = struct.pack("=QIIII", 1, 77700000 + uid, 1, uid, 0) if kind == 1 else b""
		        c.send((head + body).ljust(size, b"\0"))
		    c.close()
	PY
	chmod 644 liar.py
	as 50001 env HEAPTAP_SOCKET="$top/theirs/sock" python3 liar.py "$top/theirs/sock" "$(record_size)" &
	wait_for 20 [ -e "$top/theirs/sock.up" ]
	"$heaptap" ps >table 2>err || true
	has table '^77750001 50001 '
	has_not table '^77700000 '
	kill %1
}

# Of one record on the wire.
record_size() {
	start_daemon >/dev/null
	python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect(sys.argv[1])
s.send(b"HTCTRL01")
print(len(s.recv(65536)))' "$sock"
	stop_daemon
	rm -r state
}

test_programs_that_cannot_be_recorded_are_listed_with_the_reason() {
	start_daemon
	HEAPTAP_WAIT_MS=10000 HEAPTAP_SOCKET=$sock LD_PRELOAD=$shim "$victims/own_malloc" >/dev/null
	wait_for 20 grep -q 'is not recorded' daemon.log
	"$heaptap" ps --socket "$sock" >table
	has table ' passive .*own_malloc  \[not interposable: the executable brings its own malloc\]$'
	stop_daemon
}

test_limits_are_told() {
	local first
	start_daemon --max-sessions-per-user 1
	mkfifo in
	HEAPTAP_WAIT_MS=10000 HEAPTAP_SOCKET=$sock LD_PRELOAD=$shim "$victims/steady" <in &
	first=$!
	exec 7>in
	wait_for 20 grep -q "pid $first " daemon.log
	HEAPTAP_WAIT_MS=10000 HEAPTAP_SOCKET=$sock LD_PRELOAD=$shim "$victims/steady" </dev/null
	wait_for 20 grep -q 'too many at a time' daemon.log
	"$heaptap" ps --socket "$sock" >table 2>err
	is "$(lines table)" 2
	has err '^heaptap: 1 program was not recorded: the collector takes 1024 at a time, 1 of one user$'
	stop_daemon
}

# SIGUSR1, the command and the end: what cannot be written is told, in the log and to whoever asks.
test_failed_snapshots_are_told() {
	start_daemon
	mkfifo in
	HEAPTAP_WAIT_MS=10000 HEAPTAP_SOCKET=$sock LD_PRELOAD=$shim "$victims/steady" 1 <in &
	exec 7>in
	wait_for 20 grep -q 'session 1' daemon.log
	touch "state/u$(id -u)-s1.$!" # in the way of its directory
	refuses 1 "pid $!: no snapshot: cannot write .*Not a directory" "$heaptap" snapshot --socket "$sock" $!
	"$heaptap" ps --socket "$sock" >table 2>err
	has err '^heaptap: 1 snapshot could not be written; last: cannot write '
	has daemon.log 'cannot write .*1 errors so far'
	rm "state/u$(id -u)-s1.$!"
	"$heaptap" snapshot --socket "$sock" >path
	[ -s "$(<path)" ] || fail "no snapshot at $(<path)"
	stop_daemon
}

test_program_without_a_sample_leaves_nothing() {
	start_daemon --rate 1G
	HEAPTAP_WAIT_MS=10000 HEAPTAP_SOCKET=$sock LD_PRELOAD=$shim "$victims/steady" </dev/null
	wait_for 20 grep -q 'session 1: ended, 0 samples' daemon.log
	is "$(ls state)" ''
	stop_daemon
}

# Fifty lines of a kind at once, then one a second; what was left out is counted.
test_log_is_not_flooded() {
	local began=$SECONDS limit
	start_daemon
	for _ in {1..200}; do
		HEAPTAP_WAIT_MS=10000 HEAPTAP_SOCKET=$sock LD_PRELOAD=$shim "$victims/steady" </dev/null
	done
	stop_daemon
	limit=$((50 + SECONDS - began + 2))
	[ "$(grep -c ': pid ' daemon.log)" -le $limit ] || fail "$(grep -c ': pid ' daemon.log) lines, limit $limit"
	[ "$(lines daemon.log)" -ge 50 ]
}

test_bad_options() {
	local option
	for option in --max-sessions=0 --max-sessions=many --max-sessions-per-user=-1 --group=no-such-group; do
		status_of out err "$daemon" "$option"
		is "$status" 2
		is "$(lines err)" 1
		has err "${option%%=*}"
	done
}

run_tests
