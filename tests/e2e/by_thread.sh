#!/bin/bash
# tests/e2e/by_thread.sh - whose memory it is: by the thread that allocated it, by process.
. "$(dirname "$0")/../lib.sh"
need go

# A run of tests/victims/handing until all its threads stand still; $run is heaptap's pid, fd 7 the program's stdin.
start() { # OPTION...
	mkfifo input
	READY=$PWD/ready "$heaptap" run -i 0 -r 1 -o . "$@" -- "$victims/handing" more <input >stdout 2>stderr &
	run=$!
	exec 7>input
	wait_for 60 [ -e ready ]
}

finish() {
	exec 7>&-
	wait $run || fail "exit status $?: $(cat stderr)"
}

# "ALLOC INUSE NAME" of each row, in bytes; with -alloc_space "OBJECTS-IN-USE ALLOC NAME".
rows() { # SOURCE OPTION...
	"$heaptap" top -by=thread -unit=B -nodecount=0 -focus='^allocate$' "${@:2}" "$1" |
		sed -nE 's/^ *([0-9]+)B? +[0-9.]+% +[0-9]+ +([0-9]+)B? +[0-9]+B?  (.*)$/\2 \1 \3/p'
}

# The two nameless threads ran one after the other on one stack: the same frames at the same places.
test_in_use_belongs_to_who_allocated() {
	local file pid
	start --by-thread
	file=$(snapshot_now $run .)
	pid=$(basename "$(dirname "$file")" | sed 's/.*\.//')
	rows "$file" >all
	is "$(sed -nE 's/ \([0-9]+\)$//p' all | grep -E '(alpha|beta|gamma)$')" \
		"140000 140000 gamma
150000 120000 beta
100000 60000 alpha" "threads that live"
	is "$(grep -c '^55000 55000 ' all)" 2 "threads that are gone ($(cat all))"
	is "$(head -n 1 all)" "500000 430000 total"
	is "$(lines all)" 6 "rows"
	"$heaptap" top -unit=B -tagfocus=thread=beta -focus='^allocate$' "$file" >top
	has top '^ *120000B .* allocate$'
	"$heaptap" tree -unit=B -tagroot=thread "$file" >tree
	has tree '^ +0 +0% .* 60000B .*\| alpha$'
	rows "$pid" >live
	same_files live all
	finish
}

# What is exported is what other tools show, and without the option nothing of it is there.
test_labels_are_those_of_pprof() {
	local file flags
	start --by-thread
	file=$(snapshot_now $run .)
	"$heaptap" export --pprof profile.pb.gz "$file"
	for flags in -tags "-tree -tagroot=thread" "-top -tagleaf=tid" "-traces -tagfocus=thread=alpha" \
		"-top -tagignore=tid=1:" "-dot -tagshow=thread"; do
		# shellcheck disable=SC2086 # words
		pprof $flags profile.pb.gz >expected 2>/dev/null
		# shellcheck disable=SC2086
		"$heaptap" pprof $flags "$file" >actual 2>/dev/null
		same_files actual expected
	done
	finish
}

test_switched_on_and_off_while_it_runs() {
	local pid
	start
	wait_for 60 run_dir .
	pid=$(run_dir . | sed 's/.*\.//')
	"$heaptap" tags "$pid" >tags
	is "$(cat tags)" '' "labels without being asked"
	refuses 1 'not recorded by thread.* threads=on' "$heaptap" top -by=thread "$pid"
	refuses 2 'choose on or off' "$heaptap" set "$pid" threads=yes
	"$heaptap" set "$pid" threads=on >said
	has said 'threads on, were off$'
	echo >&7
	wait_for 60 [ -e ready.again ]
	"$heaptap" set "$pid" depth=50 threads=off >said
	has said '; threads off, were on$'
	rows "$pid" -alloc_space >all
	has all ' 10000 alpha \([0-9]+\)$'
	has all ' 500000 \[no thread\]$'
	has all ' 510000 total$'
	is "$(lines all)" 3 "rows ($(cat all))"
	finish
}

test_by_process() {
	"$heaptap" run -q -i 0 -r 1 -o a -- "$victims/ages"
	"$heaptap" run -q -i 0 -r 1 -o b -- "$victims/ages"
	"$heaptap" top -by=process -unit=B -focus='^(old|brief|last)$' a b >out
	is "$(grep -cE '^ +66137B +[0-9.]+% +1013 +5066537B +9  ages \([0-9]+\)$' out)" 2 "processes ($(cat out))"
	has out '^ +132274B .*  total$'
	"$heaptap" tags a >tags
	is "$(cat tags)" '' "labels without being asked"
	"$heaptap" top -unit=B -by_process -tagfocus=process=ages -tagleaf=pid a b >out
	is "$(grep -cE '^ +66[0-9]+B .* [0-9]+$' out)" 2 "processes ($(cat out))"
	refuses 2 'choose thread or process' "$heaptap" top -by=function a
	refuses 2 'use top' "$heaptap" tree -by=thread a
	refuses 2 'choose one' "$heaptap" top -by=thread -sizes a
}

# redis-server is a link to redis-check-rdb: people know it by the one they typed.
test_programs_are_called_as_they_were_started() {
	cp "$victims/ages" real
	ln -s real called
	"$heaptap" run -q -i 0 -r 1 -o a -- ./called
	"$heaptap" run -q -i 0 -r 1 -o b -- bash -c 'exec -a other ./real'
	"$heaptap" top -by=process a b >out
	has out '  called \([0-9]+\)$'
	has out '  real \([0-9]+\)$'
	has out '^File: real$'
}

run_tests
