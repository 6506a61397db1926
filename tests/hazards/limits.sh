#!/bin/bash
# tests/hazards/limits.sh - programs with little address space, and programs that lock all of theirs: what heaptap takes
# is small beside what they have, or nothing, and the user is told.
. "$(dirname "$0")/../lib.sh"
need gcc

setup() {
	cat >grow.c <<-'C'
		/* Takes as many blocks of a megabyte as the limit allows, at most argv[1]; prints whether it got them. */
		#include <stdio.h>
		#include <stdlib.h>
		int main(int argc, char **argv)
		{
			int want = atoi(argv[argc - 1]), got = 0;
			while (got < want && malloc(1 << 20))
				got++;
			printf("%d of %d\n", got, want);
			return 0;
		}
	C
	gcc -O1 -fno-builtin grow.c -o grow
	cat >locked.c <<-'C'
		/* Prints by how many megabytes it grew when it locked its memory; 0 is all it has by itself. */
		#include <stdio.h>
		#include <stdlib.h>
		#include <sys/mman.h>
		#include <unistd.h>
		static long resident(void)
		{
			long size, pages = 0;
			FILE *f = fopen("/proc/self/statm", "r");
			if (!f || fscanf(f, "%ld %ld", &size, &pages) != 2)
				abort();
			fclose(f);
			return pages * sysconf(_SC_PAGESIZE) >> 20;
		}
		int main(void)
		{
			if (mlockall(MCL_CURRENT | MCL_FUTURE))
				return 77;
			free(malloc(100000));
			printf("%ld\n", resident());
			return 0;
		}
	C
	gcc -O1 -fno-builtin locked.c -o locked
}

# Seven eighths of what the limit leaves are the program's own, at any rate.
grows_within() { # LETTER of ulimit
	local limit rate
	for limit in 60 200 400 1000 3000; do
		for rate in 1 4K 512K; do
			(
				ulimit "$1" $((limit * 1024))
				"$heaptap" run -q -i 0 -r $rate -o out -- "$top/grow" $((limit * 3 / 4 - 20)) >got
			)
			is "$(<got)" "$((limit * 3 / 4 - 20)) of $((limit * 3 / 4 - 20))" "$limit MB, -r $rate"
		done
	done
}

test_address_space() {
	grows_within -v
}

test_data_size() {
	grows_within -d
}

test_the_user_is_told() {
	(
		ulimit -v 400000
		"$heaptap" run -i 0 -r 1 -o out -- "$top/grow" 10 2>err >out.txt
	)
	is "$(<out.txt)" '10 of 10'
	has err 'address space is limited \(ulimit -v\)'
}

test_with_room_enough_it_is_recorded() {
	(
		ulimit -v 8000000
		"$heaptap" run -i 0 -r 1 -o out -- "$top/grow" 10 2>err
	)
	has err '[0-9]+ allocations recorded, every one'
	has_not err 'ulimit'
}

# The shared region, as large as the collector made it, and 32 MB of our own are the most that is locked with the rest.
test_locked_memory() {
	"$top/locked" >bare || skip "no memory can be locked here"
	"$heaptap" run -q -i 0 -o out -- "$top/locked" >sampled
	"$heaptap" run -q -i 0 -r 1 -o out -- "$top/locked" >exact
	echo "resident: $(<bare) MB bare, $(<sampled) MB sampled, $(<exact) MB exact"
	[ $(($(<sampled) - $(<bare))) -le 64 ] || fail "too much at the default rate"
	[ $(($(<exact) - $(<bare))) -le 448 ] || fail "too much at -r 1"
}

# mlockall() counts all that is mapped: where a user's limit is small heaptap maps nothing but its library.
test_memory_that_a_user_may_lock() {
	local user=(setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all) rate form
	need setpriv
	[ "$(id -u)" -eq 0 ] || user=(env)
	chmod 755 "$top" . && mkdir -m 777 work
	"${user[@]}" test -x "$heaptap" -a -r "$shim" || skip "the build is out of another user's reach"
	cat >mapped.c <<-'C'
		/* Prints how many megabytes are mapped; would lock them if asked to. */
		#include <stdio.h>
		#include <sys/mman.h>
		int main(int argc, char **argv)
		{
			long pages;
			FILE *f = fopen("/proc/self/statm", "r");
			if (!f || fscanf(f, "%ld", &pages) != 1 || (argc > 1 && mlockall(MCL_CURRENT)))
				return 1;
			printf("%ld\n", pages >> 8);
			return 0;
		}
	C
	ulimit -l 8192
	for form in -pie -no-pie; do # this one exports nothing: its hash table does not tell of the imports
		gcc -O1 $form mapped.c -o mapped
		./mapped >bare
		for rate in 1 512K; do
			"${user[@]}" env TMPDIR="$PWD/work" "$heaptap" run -q -i 0 -r $rate -o work -- ./mapped >traced
			[ $(($(<traced) - $(<bare))) -le 12 ] ||
				fail "$(<traced) MB mapped at -r $rate, $(<bare) MB bare ($form)"
		done
	done
}

run_tests
