#!/bin/bash
# tests/e2e/run_ends.sh - the end of heaptap run: what it leaves and says for programs that execute others, whose
# terminal goes away, or whose snapshots cannot be written.
. "$(dirname "$0")/../lib.sh"
need python3

hold='import os; kept = [bytes(100000) for _ in range(50)]; os._exit(0)'

test_reader_of_stderr_that_went_away_changes_no_status() {
	local status=0
	mkfifo pipe
	exec 7<>pipe
	exec 6>pipe
	exec 7<&-
	"$heaptap" run -r 1 -- sh -c 'exit 7' 2>&6 || status=$?
	is $status 7
}

test_programs_executed_in_place_are_numbered_through() {
	local dir
	"$heaptap" run -r 1 -i 0 -- sh -c 'exec env A=1 python3 -c "$1"' sh "$hold" 2>err
	dir=$(run_dir .)
	is "$(find "$dir" -name '*.heaptap' | wc -l)" 3 'snapshots (sh, env, python3)'
	"$heaptap" top "$dir" >top
	has top '^File: python3'
	has err 'heaptap: python3.* \(pid [0-9]+\) ran '
}

test_command_to_look_further_works_as_printed() {
	mkdir "with blank'quote"
	"$heaptap" run -r 1 -o "with blank'quote" -- python3 -c "$hold" 2>err
	sed -n 's/^heaptap: look further: //p' err >further.sh
	[ -s further.sh ]
	bash further.sh >out
	has out '^File: python3'
	has out '^Showing nodes accounting for [1-9].* total$'
}

test_peak_is_shown_when_all_was_freed() {
	local dir
	"$heaptap" run -r 1 -- python3 -c 'kept = [bytes(100000) for _ in range(50)]; del kept' 2>err
	has err 'at the peak'
	has err 'look further: .* top -peak '
	dir=$(run_dir .)
	"$heaptap" top -unit=kb -peak "$dir" >peak
	"$heaptap" top -unit=kb "$dir" >now
	has peak ' [5-9][0-9]{3}\.[0-9]+kB total'
	has now ' [0-9]{3}\.[0-9]+kB total'
}

test_program_in_a_child_gets_a_directory_and_a_row() {
	local dir
	"$heaptap" run -r 1 -- sh -c 'python3 -c "$1"; exit 4' sh "$hold" 2>err || is $? 4
	dir=$(run_dir .)
	has err '  python3[^ ]* \(pid [0-9]+\): peak [0-9.]+ MB, allocated [0-9.]+ MB, in heaptap\.sh'
	"$heaptap" top "$dir"/python3*.* >top
	has top '^File: python3'
}

test_snapshots_that_cannot_be_written_are_told() {
	local status=0
	"$heaptap" run -r 1 -o gone -- sh -c 'rm -r gone; exit 3' 2>err || status=$?
	is $status 3
	has err 'writing snapshots failed'
	has_not err 'look further'
}

test_short_program_is_told_to_use_a_smaller_rate() {
	"$heaptap" run -- true 2>err
	has err 'too little for one sample.*-r 1'
}

test_ignored_sigchld_is_inherited_and_harmless() {
	local status=0
	cat >ignoring.py <<-'PY'
		import os, signal, sys
		signal.signal(signal.SIGCHLD, signal.SIG_IGN)
		os.execv(sys.argv[1], sys.argv[1:])
	PY
	python3 ignoring.py /bin/grep SigIgn /proc/self/status >plain
	python3 ignoring.py "$heaptap" run -q -- /bin/grep SigIgn /proc/self/status >traced
	same_files traced plain
	python3 ignoring.py "$heaptap" run -q -- sh -c 'exit 9' || status=$?
	is $status 9
}

# The collector tries a failed write again for a while: after the program's end, that need not be waited for.
test_signal_after_the_program_s_end_ends_the_wait() {
	local status=0
	"$heaptap" run -r 1 -o gone -- sh -c 'trap "" TERM; rm -r gone; touch ended; exit 6' 2>err &
	run=$!
	wait_for 30 [ -e ended ]
	while kill -TERM $run 2>/dev/null; do
		sleep 0.05
	done
	wait $run || status=$?
	is $status 6
	has err 'interrupted before all snapshots were written'
}

run_tests
