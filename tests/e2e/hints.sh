#!/bin/bash
# tests/e2e/hints.sh - what reports say on stderr about themselves: one that shows nothing names the one that does.
. "$(dirname "$0")/../lib.sh"
need gcc

# gone() frees what it allocated; stays() does not.
setup() {
	cat >gone.c <<-'C'
		#include <stdlib.h>
		static void *volatile p;
		__attribute__((noinline)) static void gone(void) { p = malloc(30000); free(p); p = NULL; }
		__attribute__((noinline)) static void stays(void) { p = malloc(1000); }
		int main(int argc, char **argv) { (void)argv; gone(); if (argc > 1) stays(); return 0; }
	C
	gcc -O1 -g -fno-builtin gone.c -o gone
	"$heaptap" run -q -r 1 -i 0 -o empty -- "$top/gone"
	"$heaptap" run -q -r 1 -i 0 --by-thread -o threads -- "$top/gone"
	"$heaptap" run -q -r 1 -i 0 -o some -- "$top/gone" x
}

hints() { # TIMES REGEX WORD...
	local times=$1 regex=$2
	shift 2
	"$heaptap" "$@" >out 2>err || true
	is "$(grep -cE "^heaptap: $regex" err)" "$times" "hints of $* ($(cat err))"
}

nothing='nothing is in use in this snapshot; -peak shows the moment when most was, -alloc_space all allocations$'
such='such functions hold nothing in this snapshot; -alloc_space shows what they allocated, -peak what they held when most was in use$'

test_every_report_of_an_empty_snapshot_says_where_there_is_something() {
	local report
	for report in top 'top -cum' tree traces dot folded 'peek gone' 'list gone' 'peek nosuch' 'pprof -top' 'pprof -traces' \
		'pprof -peek=gone' 'pprof -list=gone' 'pprof -dot'; do
		# shellcheck disable=SC2086 # words
		hints 1 "$nothing" $report "$top/empty"
		# shellcheck disable=SC2086
		hints 0 'nothing is|such functions' $report -alloc_space "$top/empty"
		# shellcheck disable=SC2086
		hints 0 'nothing is|such functions' $report -peak "$top/empty"
	done
	hints 1 "$nothing" tags "$top/threads"
	hints 1 "$nothing" pprof -tags "$top/threads"
	hints 1 'samples have no labels; `heaptap run --by-thread`' tags "$top/empty"
}

test_a_function_that_holds_nothing_is_told_from_one_that_is_not_there() {
	local report
	for report in 'peek' 'list' 'pprof -peek' 'pprof -list'; do
		# shellcheck disable=SC2086
		hints 1 "$such" $report gone "$top/some"
		# shellcheck disable=SC2086
		hints 0 '.*-alloc_space' $report nosuch "$top/some"
		# shellcheck disable=SC2086
		hints 0 '.*-alloc_space' $report stays "$top/some"
	done
}

# Of a profile nobody knows the peak.
test_profiles_of_other_tools() {
	"$heaptap" export --pprof empty.pb.gz "$top/empty"
	"$heaptap" export --pprof some.pb.gz "$top/some"
	hints 1 'nothing is in use in this profile; -alloc_space shows all allocations$' top empty.pb.gz
	hints 1 'such functions hold nothing in this profile; -alloc_space shows what they allocated$' peek gone some.pb.gz
	hints 0 'nothing is' top -base=empty.pb.gz empty.pb.gz
}

# Of the errors of a difference: of a peak nobody knows what it shares with another moment of the run.
test_where_an_error_is_a_bound_it_says_so() {
	hints 1 '. is an upper bound' top -error -peak -base="$top/some" "$top/some"
	hints 1 '. is an upper bound' top -error -base="$top/some" "$top/some@peak"
	hints 0 '. is an upper bound' top -error -base="$top/some" "$top/some"
	hints 0 '. is an upper bound' top -error -peak -base="$top/empty" "$top/some"
	hints 0 '. is an upper bound' top -peak -base="$top/some" "$top/some"
}

run_tests
