#!/bin/bash
# tests/e2e/relative_paths.sh - libraries that were loaded by relative paths have their functions named, wherever the
# report is asked for.  Seen red when the shim published the loader's own words for them.
. "$(dirname "$0")/../lib.sh"
need gcc

setup() {
	mkdir work && cd work || exit 1
	cat >part.c <<-'C'
		#include <stdlib.h>
		void *volatile kept;
		__attribute__((noinline)) void NAME(void) { kept = malloc(1000); kept = malloc(24); }
	C
	cat >program.c <<-'C'
		#include <dlfcn.h>
		void needed(void), searched(void);
		int main(void)
		{
			void *h = dlopen("./opened.so", RTLD_NOW);
			void (*opened)(void);
			if (!h)
				return 1;
			*(void **)&opened = dlsym(h, "opened");
			opened();
			needed();
			searched();
			return 0;
		}
	C
	gcc -g -O1 -shared -fPIC -DNAME=opened part.c -o opened.so
	gcc -g -O1 -shared -fPIC -DNAME=needed part.c -o needed.so # no soname: needed by the path it was linked by
	gcc -g -O1 -shared -fPIC -DNAME=searched -Wl,-soname,searched.so part.c -o searched.so
	gcc -O1 program.c ./needed.so searched.so -o program
	LD_LIBRARY_PATH=. "$heaptap" run -q -i 0 -r 1 -o "$top" -- ./program
	cd / || exit 1
}

named() { # FUNCTION
	"$heaptap" top -alloc_space -nodecount=100 "$(run_dir "$top")" >"$top/report"
	cat "$top/report"
	is "$(awk -v name="$1" '$6 == name { print $4 }' "$top/report")" 1kB "allocated below $1"
}

test_opened_by_a_relative_path() { named opened; }
test_needed_by_a_relative_path() { named needed; }
test_found_in_a_relative_directory() { named searched; }

run_tests
