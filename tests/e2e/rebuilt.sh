#!/bin/bash
# tests/e2e/rebuilt.sh - a program that was rebuilt or deleted after its run: `heaptap top` says why names are missing.
. "$(dirname "$0")/../lib.sh"

run_victim() {
	need gcc
	echo 'void *malloc(unsigned long); int main(void) { return !malloc(5000); }' >victim.c
	gcc -g -fno-builtin -Wl,--build-id victim.c -o victim
	status_of out err "$heaptap" run -q -i 0 -r 1 -o out.d -- ./victim
	is $status 0 "exit status ($(cat err))"
}

# What `heaptap top` says beside its report.
complaint() {
	status_of report err "$heaptap" top "$(run_dir out.d)"
	is $status 0 "exit status ($(cat err))"
	cat err
}

test_the_program_that_ran_is_named_in_silence() {
	run_victim
	is "$(complaint)" "" "said"
}

test_a_rebuilt_program_is_reported() {
	run_victim
	gcc -g -O2 -fno-builtin -Wl,--build-id victim.c -o victim
	is "$(complaint)" "heaptap: 1 module could not be named: $(realpath victim) (changed since the run)" "said"
	has report ' \[victim \(replaced\)\]$'
}

test_a_deleted_program_is_reported() {
	run_victim
	path=$(realpath victim)
	rm victim
	is "$(complaint)" "heaptap: 1 module could not be named: $path (no longer there)" "said"
	has report ' \[victim \(not found\)\]$'
}

# Its names were kept when it was read; they cannot become wrong.
test_a_deleted_program_that_was_read_before_keeps_its_names() {
	run_victim
	is "$(complaint)" "" "said"
	cp report before
	rm victim
	is "$(complaint)" "" "said"
	same_files report before
	status_of report err "$heaptap" top --no-cache "$(run_dir out.d)"
	has report ' \[victim \(not found\)\]$'
}

run_tests
