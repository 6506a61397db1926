#!/bin/bash
# tests/e2e/run_snapshots.sh - when snapshots are written: by interval, on SIGUSR1, at the end, after kill -9.
. "$(dirname "$0")/../lib.sh"
need python3

# Holds 64 blocks of 100000 bytes, says so, waits for a file, then does what it is told.
hold='
import os, sys, time
kept = [bytes(100000) for _ in range(64)]
dropped = [bytes(100000) for _ in range(32)]; del dropped
open("up", "w").close()
while not os.path.exists("go"): time.sleep(0.02)
exec(sys.argv[1])'

start() { # OPTIONS...: runs the holder at rate 1 in the background, $run is heaptap's pid
	"$heaptap" run -r 1 -o . "$@" -- python3 -c "$hold" "$then_do" >stdout 2>stderr &
	run=$!
	wait_for 30 [ -e up ]
}

holds_64_blocks() { # SNAPSHOT: 6.4 MB of ours, and python's own
	local bytes
	bytes=$(sum_of "$1" inuse_bytes)
	if [ "$bytes" -lt 6400000 ] || [ "$bytes" -gt 9000000 ]; then
		fail "$bytes bytes in use in $1"
	fi
}

test_kill_9_of_the_program_leaves_a_right_snapshot() {
	local dir status=0 then_do='os.kill(os.getpid(), 9)'
	start -i 0
	touch go
	wait $run || status=$?
	is $status 137
	dir=$(run_dir .)
	holds_64_blocks "$(last_snapshot "$dir")"
	is "$(sum_of "$(last_snapshot "$dir")" reason)" 3 "reason (exit)"
	has stderr 'heaptap top '
}

test_crash_leaves_a_right_snapshot() {
	local status=0 then_do='os.kill(os.getpid(), 11)'
	start -i 0
	touch go
	wait $run || status=$?
	is $status 139
	holds_64_blocks "$(last_snapshot "$(run_dir .)")"
}

test_sigusr1_takes_one_and_says_where() {
	local file then_do='del kept'
	start -i 0
	file=$(snapshot_now $run .)
	holds_64_blocks "$file"
	is "$(sum_of "$file" reason)" 1 "reason (signal)"
	file=$(snapshot_now $run .)
	is "$(sum_of "$file" seq)" 2
	touch go
	wait $run
	[ "$(sum_of "$(last_snapshot "$(run_dir .)")" inuse_bytes)" -lt 3000000 ]
}

test_interval_writes_them_while_it_runs() {
	local dir then_do='pass'
	start -i 1
	dir=$(run_dir .)
	wait_for 30 at_least 2 "$dir"
	holds_64_blocks "$(last_snapshot "$dir")"
	touch go
	wait $run
}

at_least() { # COUNT DIR
	[ "$(find "$2" -name '*.heaptap' | wc -l)" -ge "$1" ]
}

test_summary_tells_the_numbers() {
	local then_do='del kept'
	start -i 0
	touch go
	wait $run
	cat stderr
	has_not stderr $'\r|\033'
	is "$(grep -vc '^heaptap: ' stderr)" 0 'lines without "heaptap: "'
	has stderr 'python3[0-9.]* \(pid [0-9]+\) ran .* in use .* at the end, .* at peak'
	has stderr '[0-9.]+ MB allocated in [0-9.]+ k allocations'
	has stderr '[0-9]+ (samples at|allocations recorded).*[,;] 0 lost'
	has stderr 'heaptap top .*heaptap\.python3\.[0-9]+'
}

test_quiet_says_nothing() {
	"$heaptap" run -q -- true 2>stderr
	is "$(<stderr)" ''
}

test_snapshots_are_private_to_the_user() {
	(umask 022 && "$heaptap" run -q -- true)
	is "$(find . -name '*.heaptap' -perm /007)" '' 'world-accessible'
}

test_nothing_is_left_in_the_temporary_directory() {
	mkdir tmp
	TMPDIR=$PWD/tmp XDG_RUNTIME_DIR=$PWD/tmp "$heaptap" run -q -- true
	is "$(ls -A tmp)" ''
}

run_tests
