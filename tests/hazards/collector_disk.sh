#!/bin/bash
# tests/hazards/collector_disk.sh - disks that are full, read-only, gone or break, and a collector killed at each step of
# a snapshot: what was written stays whole, errors are counted and told, and the next snapshot is tried.
. "$(dirname "$0")/../lib.sh"
need python3
daemon=$HEAPTAP_BUILD/heaptap-collectord

# One program that lives; its pid in $program, the daemon's in $daemon_pid.
start() {
	sock=$top/s$BASHPID
	rm -f "$sock" in
	mkdir -p state
	HEAPTAP_IO=$io "$daemon" --socket "$sock" --state "$PWD/state" --rate 1 --interval 0 2>daemon.log &
	daemon_pid=$!
	wait_for 60 grep -q 'listening on' daemon.log
	mkfifo in
	HEAPTAP_WAIT_MS=10000 HEAPTAP_SOCKET=$sock LD_PRELOAD=$shim "$victims/steady" 3 <in >out &
	program=$!
	exec 7>in
	wait_for 60 grep -q "pid $program of uid" daemon.log
}

stop() {
	exec 7>&-
	wait "$program" || true
	kill -TERM "$daemon_pid" 2>/dev/null || true
	wait "$daemon_pid" || true
}

snapshot() {
	timeout -s KILL 60 "$heaptap" snapshot --socket "$sock" "$program"
}

# Every snapshot there is can be read; at least COUNT.
all_are_whole() { # COUNT
	local file n=0
	while read -r file; do
		"$heaptap" top "$file" >/dev/null 2>whole.err || fail "$file: $(<whole.err)"
		n=$((n + 1))
	done < <(find state -name '*.heaptap' | sort)
	[ $n -ge "$1" ] || fail "$n snapshots, at least $1 expected"
}

# With each backend of the loop.
each_backend() { # FUNCTION ARG...
	for io in epoll uring; do
		mkdir "$io"
		(cd "$io" && "$@") || fail "with $io"
	done
}

private_mounts() {
	[ "$(id -u)" -eq 0 ] && unshare -m true 2>/dev/null || skip "no mount namespaces here"
}

# The rest of the test in a mount namespace of its own: SCRIPT function, with ./state a tmpfs of 64 KiB.
in_namespace() { # FUNCTION
	# shellcheck disable=SC2163 # the function of that name
	export -f "$1" start stop snapshot all_are_whole wait_for fail has errors_are told_in_ps is
	export io daemon top shim victims heaptap
	unshare -m bash -euc "mkdir state && mount -t tmpfs -o size=64k none state && $1"
}

errors_are() { # COUNT: told by ps
	"$heaptap" ps --socket "$sock" >ps.out 2>ps.err || true
	grep -qE "$1 snapshots? could not be written" ps.err
}

told_in_ps() { # COUNT REGEX
	wait_for 60 errors_are "$1"
	has ps.err "$2"
	has daemon.log "cannot write .*$2.*errors so far"
}

full_disk() {
	start
	snapshot >first
	head -c 1000000 /dev/zero >state/ballast 2>/dev/null || true
	snapshot >second 2>second.err && fail "written onto a full disk"
	has second.err 'No space left'
	told_in_ps 1 'No space left'
	all_are_whole 1
	is "$(find state -name '.*.tmp')" '' "what was begun is removed"
	rm state/ballast
	snapshot >third
	[ -s "$(<third)" ] || fail "no snapshot when there was room again"
	all_are_whole 2
	stop
}

test_full_disk() {
	private_mounts
	each_backend in_namespace full_disk
}

read_only_disk() {
	start
	snapshot >first
	mount -o remount,ro state
	snapshot >second 2>second.err && fail "written onto a read-only disk"
	told_in_ps 1 'Read-only file system'
	all_are_whole 1
	mount -o remount,rw state
	snapshot >third
	all_are_whole 2
	stop
}

test_read_only_disk() {
	private_mounts
	each_backend in_namespace read_only_disk
}

directories_removed() {
	start
	snapshot >first
	rm -r state/u*
	snapshot >second 2>&1 || snapshot >second # the first one finds out
	[ -s "$(<second)" ] || fail "its directory was not made again"
	rm -r state
	snapshot >third 2>third.err && fail "written into nothing"
	has daemon.log 'No such file'
	mkdir state
	snapshot >fourth
	[ -s "$(<fourth)" ] || fail "the state directory was not found again"
	all_are_whole 1
	stop
}

test_directories_removed_meanwhile() {
	each_backend directories_removed
}

# What is there before the collector comes to it: nothing is followed, nothing else written.
prepared() {
	local dir
	echo precious >precious
	start
	dir=state/u$(id -u)-s1.$program
	mkdir "$dir"
	ln -s "$PWD/precious" "$dir/0001-asked.heaptap"
	ln "$PWD/precious" "$dir/0002-asked.heaptap"
	mkfifo "$dir/0003-asked.heaptap"
	mkdir "$dir/0004-asked.heaptap"
	snapshot >first
	is "$(basename "$(<first)")" 0005-asked.heaptap
	is "$(<precious)" precious
	ln -s "$PWD/precious" "$dir/0006-asked.heaptap" # a name still to come
	snapshot >second
	is "$(<precious)" precious
	[ -f "$(<second)" ] && [ ! -L "$(<second)" ] || fail "it went through a link"
	mkfifo "$dir/0007-asked.heaptap"
	snapshot >third
	[ -f "$(<third)" ] || fail "no file in place of a FIFO"
	stop
}

test_links_and_pipes_in_the_state_directory() {
	each_backend prepared
}

# tests/tools/disk_faults.so inside the daemon: see write_faults.py.
faults() { # errors|kills|loop
	python3 "$HEAPTAP_SOURCE/tests/hazards/write_faults.py" "$HEAPTAP_BUILD" "$top/s$BASHPID" "$io" "$1"
}

test_steps_that_fail() {
	each_backend faults errors
}

test_killed_at_each_step_of_a_write() {
	each_backend faults kills
}

test_ring_that_refuses_for_a_while() {
	local io=uring
	faults loop
}

test_killed_at_any_moment() {
	local io n
	for io in epoll uring; do
		for n in 1 2 3 4 5; do
			mkdir "$io.$n"
			(
				cd "$io.$n"
				start
				for _ in {1..20}; do
					kill -USR1 "$daemon_pid"
				done
				sleep "0.0$n" # any moment will do
				kill -KILL "$daemon_pid"
				wait "$daemon_pid" || true
				exec 7>&-
				wait "$program" || true
				all_are_whole 0
			) || fail "$io"
		done
	done
}

run_tests
