#!/bin/bash
# tests/e2e/daemon_config.sh - the daemon's settings: its file, the command line above it, SIGHUP, and which snapshots stay.
. "$(dirname "$0")/../lib.sh"
daemon=$HEAPTAP_BUILD/heaptap-collectord

start_daemon() { # OPTION...: its pid in $daemon_pid
	sock=$top/s$BASHPID
	"$daemon" --socket "$sock" --state "$PWD/state" "$@" 2>daemon.log &
	daemon_pid=$!
	wait_for 60 grep -q 'listening on' daemon.log
}

stop_daemon() {
	stop_collectord "$daemon_pid"
}

reload() { # LINE-OF-THE-LOG that answers
	local before
	before=$(grep -c SIGHUP daemon.log) || true
	kill -HUP "$daemon_pid"
	wait_for 60 more_than "$before" SIGHUP daemon.log
	has daemon.log "$1"
}

# A program that waits for the end of a pipe; its pid in $program.
start_program() { # NAME
	mkfifo "in.$1"
	HEAPTAP_WAIT_MS=10000 HEAPTAP_SOCKET=$sock LD_PRELOAD=$shim "$victims/steady" 3 <"in.$1" >"out.$1" &
	program=$!
	# shellcheck disable=SC2034 # open until the end
	exec {pipe}>"in.$1"
	wait_for 60 grep -q "pid $program of uid" daemon.log
}

rate_of() { # PID
	"$heaptap" ps --json --socket "$sock" | python3 -c '
import json, sys
print(*[p["rate"] for p in json.load(sys.stdin) if p["pid"] == int(sys.argv[1])])' "$1"
}

test_command_line_is_above_the_file() {
	printf '; what is told\n[collectord]\nrate = 8K\ninterval = 0  ; none\n' >conf
	start_daemon --config conf
	start_program a
	is "$(rate_of "$program")" 8192
	stop_daemon
	start_daemon --rate 4K --config conf
	start_program b
	is "$(rate_of "$program")" 4096
	stop_daemon
}

test_bad_file_is_refused_at_the_start() {
	local line
	for line in 'rate = none' 'frobnicate = 1' '[other]'$'\n''rate = 1' 'rate' ' rate = 1' 'socket =' "keep = $(printf '%0300d' 1)"; do
		printf 'keep = 3\n%s\n' "$line" >conf
		status_of out err timeout -s KILL 60 "$daemon" --socket sock --state state --config conf
		is "$status" 2 "exit status for $line"
		is "$(lines err)" 1 "lines for $line"
		has err '^heaptap-collectord: conf, line [23]: '
	done
	status_of out err timeout -s KILL 60 "$daemon" --socket sock --state state --config nothing
	is "$status" 2
	has err 'cannot read nothing: No such file'
	status_of out err timeout -s KILL 60 "$daemon" --socket sock --state state --config .
	is "$status" 2
	[ ! -e state ] || fail "a refused daemon made its state directory"
}

test_hup_reads_it_again_all_or_nothing() {
	printf 'rate = 8K\ninterval = 0\n' >conf
	start_daemon --config conf
	start_program a
	local first=$program
	printf 'rate = 16K\ninterval = 1\nkeep = 2\n' >conf
	reload 'SIGHUP: read conf: rate 16384, interval 1 s, keep 2$'
	start_program b
	is "$(rate_of "$first")" 8192 "rate of a program that runs"
	is "$(rate_of "$program")" 16384 "rate of a new one"
	# The interval is everybody's from now on.
	wait_for 60 has_periodic "$first"
	printf 'rate = 32K\nkeep = many\n' >conf
	reload 'SIGHUP: the settings stay as they were: conf, line 2: keep many: not a number$'
	start_program c
	is "$(rate_of "$program")" 16384 "rate after a bad file"
	rm conf
	reload 'SIGHUP: the settings stay as they were: cannot read conf: No such file'
	stop_daemon
}

has_periodic() { # PID
	[ -n "$(find state -path "*.$1/*-timer.heaptap")" ]
}

# The oldest of all go, but not the newest of a program that runs.
test_files_and_bytes_are_bounded() {
	local i
	start_daemon --rate 1 --interval 0 --max-files 5
	start_program a
	"$heaptap" snapshot --socket "$sock" "$program" >held
	for i in {1..8}; do
		HEAPTAP_WAIT_MS=10000 HEAPTAP_SOCKET=$sock LD_PRELOAD=$shim "$victims/steady" 3 </dev/null
		wait_for 60 grep -q "session $((i + 1)): ended" daemon.log
	done
	wait_for 60 files_are 5
	[ -s "$(<held)" ] || fail "the newest snapshot of a running program went"
	find state -name '*.heaptap' | grep -q -- '-s9\.' || fail "the youngest went"
	is "$(find state -mindepth 1 -type d | wc -l)" 5 "directories: empty ones go, too"
	kill -TERM "$daemon_pid"
	wait "$daemon_pid"
	# What an earlier daemon left counts; half-written files go.
	: >"$(dirname "$(<held)")/.0007-exit.heaptap.0123456789abcdef.tmp"
	start_daemon --rate 1 --interval 0 --max-files 2
	wait_for 60 files_are 2
	is "$(find state -name '*.tmp' | wc -l)" 0 "temporary files"
	printf 'max-size = 1\n' >conf
	stop_daemon
	start_daemon --config conf
	wait_for 60 files_are 0
	stop_daemon
}

files_are() { # COUNT
	[ "$(find state -name '*.heaptap' | wc -l)" -eq "$1" ]
}

# What cannot be read as settings changes none, and nobody waits for it.
test_hup_with_what_is_no_file_of_settings() {
	local what
	printf 'rate = 8K\ninterval = 0\n' >good
	cp good conf
	start_daemon --config conf
	for what in fifo directory zeroes nul huge binary missing; do
		rm -rf conf
		case $what in
		fifo) mkfifo conf ;;
		directory) mkdir conf ;;
		zeroes) ln -s /dev/zero conf ;;
		nul) printf 'rate = 4K\nkeep = 3\0 and more' >conf ;;
		huge) { yes '; nothing' | head -n 200000 && echo 'rate = 4K'; } >conf ;;
		binary) cp "$daemon" conf ;;
		esac
		reload 'SIGHUP: '
		tail -n 1 daemon.log >last
		has last 'SIGHUP: the settings stay as they were: (conf, line [0-9]+|cannot read conf): '
	done
	# With the marks of other systems' editors; nothing at all is the defaults.
	rm -f conf
	printf '\xef\xbb\xbf[collectord]\r\nrate = 4K\r\ninterval = 0\r\n' >conf
	reload 'SIGHUP: read conf: rate 4096, interval 0 s, keep 10$'
	ln -sf /dev/null conf
	reload 'SIGHUP: read conf: rate 524288, interval 60 s, keep 10$'
	stop_daemon
}

test_hup_by_a_file_that_may_not_be_read() {
	[ "$(id -u)" -eq 0 ] || skip "only root can be several users"
	setpriv --reuid 50001 --regid 50001 --clear-groups "$daemon" --version || skip "other users do not get to the build"
	chmod 711 "$top" .
	local dir
	dir=$(mktemp -d -p "$top")
	chown 50001:50001 "$dir"
	echo 'rate = 8K' >conf
	setpriv --reuid 50001 --regid 50001 --clear-groups "$daemon" --socket "$dir/s" --state "$dir/state" --config "$PWD/conf" 2>daemon.log &
	daemon_pid=$!
	wait_for 60 grep -q 'listening on' daemon.log
	chmod 600 conf
	reload 'SIGHUP: the settings stay as they were: cannot read .*/conf: Permission denied$'
	stop_daemon
}

test_hup_says_what_waits_for_the_next_start() {
	printf 'interval = 0\n' >conf
	sock=$top/s$BASHPID
	"$daemon" --config conf --socket "$sock" --state "$PWD/state" 2>daemon.log &
	daemon_pid=$!
	wait_for 60 grep -q 'listening on' daemon.log
	reload 'SIGHUP: read conf'
	has_not daemon.log 'next start'
	printf 'http-socket = %s/h\nhttp = 127.0.0.1:1\nhttp-token = %s/t\nmax-sessions = 5\n' "$top" "$top" >conf
	reload 'SIGHUP: these wait for the next start: http-socket, http, http-token$'
	wait_for 60 grep -q 'SIGHUP: read conf: .*interval 60 s' daemon.log
	stop_daemon
}

test_hup_changes_which_snapshots_stay() {
	local i
	printf 'rate = 1\ninterval = 0\n' >conf
	start_daemon --config conf
	for i in {1..6}; do
		HEAPTAP_WAIT_MS=10000 HEAPTAP_SOCKET=$sock LD_PRELOAD=$shim "$victims/steady" 3 </dev/null
		wait_for 60 grep -q "session $i: ended" daemon.log
	done
	wait_for 60 files_are 6
	printf 'rate = 1\ninterval = 0\nmax-files = 4\n' >conf
	reload 'SIGHUP: read conf'
	wait_for 60 files_are 4
	printf 'rate = 1\ninterval = 0\nmax-size-per-user = 1\n' >conf
	reload 'SIGHUP: read conf'
	wait_for 60 files_are 0
	stop_daemon
}

test_second_daemon_touches_nothing() {
	start_daemon
	status_of out err timeout -s KILL 60 "$daemon" --socket "$sock" --state other
	is "$status" 1
	has err 'another collector is running'
	[ ! -e other ] || fail "it made its state directory"
	status_of out err timeout -s KILL 60 "$daemon" --socket "$PWD/else" --state state
	is "$status" 1
	has err 'another collector writes into state: stop it or choose another directory$'
	[ ! -e else ] || fail "it left a socket"
	stop_daemon
}

# Names are of numbers we know; who may read is the group's business.
test_names_and_modes() {
	cp "$victims/steady" '..;$(reboot) x'
	start_daemon --rate 1 --interval 0
	HEAPTAP_WAIT_MS=10000 HEAPTAP_SOCKET=$sock LD_PRELOAD=$shim './..;$(reboot) x' 3 </dev/null
	wait_for 60 grep -q 'session 1: ended' daemon.log
	stop_daemon
	[[ $(ls state) =~ ^u$(id -u)-s1\.[0-9]+$ ]] || fail "$(ls state)"
	is "$(stat -c %a state state/* state/*/*.heaptap | xargs)" '750 750 640'
}

run_tests
