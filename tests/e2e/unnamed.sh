#!/bin/bash
# tests/e2e/unnamed.sh - profiles that other tools wrote without names: heaptap reads them from the files they name, as
# go tool pprof does; the snapshot of the same run is the oracle, as what objdump and pprof read depends on binutils.
. "$(dirname "$0")/../lib.sh"
need gcc go

setup() {
	cat >held.c <<-'C'
		#include <stdlib.h>
		static void *volatile p;
		__attribute__((noinline)) static void held(int n) { p = malloc(n); }
		static inline __attribute__((always_inline)) void through(int n) { held(n); }
		__attribute__((noinline)) static void outer(void) { for (int i = 0; i < 10; i++) through(1000 + i); }
		int main(void) { outer(); outer(); return 0; }
	C
	gcc -O1 -g -fno-builtin held.c -o held
	"$heaptap" run -q -r 1 -i 0 -o run -- "$top/held"
	"$heaptap" export --heapv2 held.txt run
	pprof -symbolize=none -proto -output=held.pb.gz held.txt 2>/dev/null
	"$heaptap" top -unit=B -nodefraction=0 run | rows >expected
	grep -q held expected
}

rows() { # of the program's own functions
	grep -E '^ .* (held|through|outer|main)( |$)' | sort
}

test_text_and_protobuf_get_the_names_of_the_snapshot() {
	local file
	for file in held.txt held.pb.gz; do
		"$heaptap" top -unit=B -nodefraction=0 "$top/$file" | rows >actual
		same_files actual "$top/expected"
		"$heaptap" pprof -symbolize=local -top -unit=B -nodefraction=0 "$top/$file" | rows >actual
		same_files actual "$top/expected"
		"$heaptap" traces -lines "$top/$file" >lines
		has lines "held $top/held.c:3$"
		"$heaptap" top -symbolize=none "$top/$file" | rows >none
		is "$(cat none)" '' "names of $file without symbols"
		"$heaptap" top -symbolize=remote "$top/$file" | rows >none
		is "$(cat none)" '' "names of $file from servers"
		pprof -symbolize=none -raw "$top/$file" 2>/dev/null >theirs
		"$heaptap" raw -symbolize=none "$top/$file" >ours
		same_files ours theirs
	done
}

test_a_file_that_is_gone_costs_the_names_and_a_line() {
	cp "$top/held" elsewhere
	sed "s#$top/held#$PWD/gone#" "$top/held.txt" >gone.txt
	"$heaptap" top gone.txt >out 2>err
	has err "^heaptap: 1 module could not be named: $PWD/gone .no longer there.$"
	has out ' \[gone\]$'
}

run_tests
