#!/bin/bash
# tests/e2e/run_summary.sh - the lines at the end of heaptap run: what they say, and that what they name leads somewhere.
. "$(dirname "$0")/../lib.sh"
need gcc

# Programs with known blocks: hold SIZE... keeps those, drop SIZE... frees them, "sleep" waits a second, "kill" dies.
setup() {
	cat >blocks.c <<-'C'
		#include <signal.h>
		#include <stdlib.h>
		#include <string.h>
		#include <unistd.h>
		static void *kept[100];
		__attribute__((noinline)) static void allocate(int i, size_t n) { kept[i] = malloc(n); }
		int main(int argc, char **argv)
		{
			for (int i = 1; i < argc; i++)
				if (!strcmp(argv[i], "sleep"))
					sleep(1);
				else if (!strcmp(argv[i], "drop"))
					for (int k = 0; k < i; k++) {
						free(kept[k]);
						kept[k] = 0;
					}
				else if (!strcmp(argv[i], "kill"))
					raise(SIGKILL);
				else if (!strcmp(argv[i], "fail"))
					exit(3);
				else
					allocate(i, strtoul(argv[i], 0, 10));
			return 0;
		}
	C
	gcc -O1 -g -fno-builtin blocks.c -o blocks
}

blocks() { # RATE WORD...: its summary in ./err
	local rate=$1
	shift
	status_of out err "$heaptap" run -r "$rate" -- "$top/blocks" "$@"
	cat err
}

further() { # runs the command that line LABEL names, into ./further
	sed -n "s/^heaptap: $1[^:]*: //p" err >further.sh
	is "$(lines further.sh)" 1 "lines of '$1'"
	bash further.sh >further 2>further.err
	has further 'of [1-9][^ ]* total'
}

test_how_the_program_ended() {
	blocks 1 1000 kill
	is "$status" 137
	has err '\(pid [0-9]+\) ran [^:]*, killed by SIGKILL: in use '
	blocks 1 1000 fail
	has err ' ran [^:]*, exit status 3: in use '
	blocks 1 1000
	has err ' ran [0-9.]+ m?s: in use '
}

test_exact_numbers_have_no_error_and_right_plurals() {
	blocks 1 1000
	has_not err '±'
	has err '1000 B allocated in 1 allocation$'
	has err '^heaptap: 1 allocation recorded, every one; 0 lost$'
	blocks 1 1000 24
	has err '1 kB allocated in 2 allocations$'
	has err '^heaptap: 2 allocations recorded'
}

test_peak_that_was_much_higher_than_the_end_is_pointed_at() {
	blocks 1 30000000 drop 10000000
	has err 'biggest in use at the end:'
	further 'at the peak'
	has further '28.61MB'
	further 'look further'
	has further '9.54MB'
	blocks 1 10000000
	has_not err 'at the peak'
}

test_one_big_block_needs_no_finer_rate() {
	blocks 512K 20000000
	has_not err 'few samples'
}

test_finer_rate_is_finer_than_the_one_used() {
	blocks 512K 600000
	if grep -q 'few samples' err; then
		has err 'use a smaller rate, -r 32K, or -r 1 '
	fi
	blocks 512 600 # may be sampled or not
	has_not err '-r 4K'
}

test_nothing_recorded_leads_nowhere() {
	blocks 512K
	has_not err 'look further'
	blocks 1
	has_not err 'look further'
}

test_programs_in_the_same_process_are_told_apart_by_file() {
	status_of out err "$heaptap" run -r 1 -- sh -c 'exec "$0" 3000000' "$top/blocks"
	cat err
	has err 'look further: .*/[0-9]+-exit\.heaptap$'
	further 'look further'
	has err '  (da)?sh \(pid [0-9]+\): .*, in heaptap\.sh\.[0-9]+/[0-9]+-exit\.heaptap$'
}

test_child_that_used_most_has_the_table() {
	status_of out err "$heaptap" run -r 1 -- sh -c '"$0" 3000000; exit 0' "$top/blocks"
	cat err
	has err '^heaptap: most was used by blocks \(pid [0-9]+\):$'
	has err ' allocate <- main( <- \[libc.so.6\].*)?$'
	further 'look further'
	has further 'File: blocks'
}

test_functions_of_a_stripped_object_are_called_by_their_begin() {
	strip -o bare "$top/blocks"
	status_of out err "$heaptap" run -r 1 -- ./bare 3000000
	cat err
	has err ' bare\+0x[0-9a-f]+ <- bare\+0x[0-9a-f]+'
	has err '^heaptap: bare: functions without names are called by where they begin; its debug symbols '
}

test_top_of_a_program_that_sampled_nothing_names_the_others() {
	local dir
	"$heaptap" run -q -o run -- sh -c '"$0" 30000000; exit 0' "$top/blocks"
	dir=$(run_dir run)
	"$heaptap" top "$dir" >out 2>err
	has err 'others of its run: run/heaptap\.sh\.[0-9]+/blocks\.[0-9]+ \(28\.[0-9] MB at its peak\)'
}

test_snapshots_that_were_removed_are_not_recommended() {
	# shellcheck disable=SC2016 # for the inner shell
	"$heaptap" run -i 0 -r 64K -o out -- sh -c '"$0"; until ls out/*/*/*.heaptap; do sleep 0.05; done; until rm -rf out; do sleep 0.05; done' \
		"$victims/population" >/dev/null 2>err
	has_not err 'look further'
	has err 'the snapshots are gone: somebody removed out/heaptap\.sh\.|writing snapshots failed'
}

test_top_hints_only_at_views_that_show_something() {
	blocks 1 30000000 drop
	"$heaptap" top "$(run_dir .)" >out 2>err
	has err 'nothing is in use in this snapshot; -peak'
	"$heaptap" top -peak "$(run_dir .)" >out 2>err
	is "$(lines err)" 1
	has err '^heaptap: at the peak, [0-9.]+ m?s after the start$'
	rm -r heaptap.*
	blocks 1
	"$heaptap" top "$(run_dir .)" >out 2>err
	has_not err '-peak|-alloc'
}

test_top_takes_options_as_pprof_does() {
	local dir
	blocks 1 30000000
	dir=$(run_dir .)
	"$heaptap" top -cum -alloc_objects "$dir" >expected
	"$heaptap" top -cum=true -text -top -sample_index=alloc_objects "$dir" >actual
	same_files actual expected
	refuses 1 'sample_index.*inuse_space' "$heaptap" top -sample_index=nothing "$dir"
	refuses 2 'peak' "$heaptap" top -peak -alloc_space "$dir"
	refuses 2 'peak' "$heaptap" top -peak -sample_index=alloc_objects "$dir"
}

run_tests
