#!/bin/bash
# tests/hazards/allocators.sh - other allocators, wherever they come from: the program sees no difference, and at rate
# 1 the profile has each block of every entry point exactly once, or heaptap says why not.
#
# The victim lists its blocks; the oracle for everything else is the same run without heaptap.
. "$(dirname "$0")/../lib.sh"
need g++ gcc python3

# name, library, what the victim must leave out because the allocator cannot do it bare: libc's pvalloc() blocks kill
# jemalloc and mimalloc; mimalloc made with a C compiler aborts where operator new should throw.
declare -A library=(
	[jemalloc]=libjemalloc.so.2
	[tcmalloc]=libtcmalloc_minimal.so.4
	[tcmalloc_full]=libtcmalloc.so.4
	[mimalloc]=libmimalloc.so.2
)
declare -A leave_out=([jemalloc]=nopvalloc [tcmalloc]='' [tcmalloc_full]='' [mimalloc]='nopvalloc nofail')

setup() {
	g++ -std=c++17 -O1 -g -fno-builtin "$HEAPTAP_SOURCE/tests/victims/every_entry.cc" -o every
	g++ -std=c++17 -O1 -g -fno-builtin -no-pie "$HEAPTAP_SOURCE/tests/victims/every_entry.cc" -o every_no_pie
	g++ -std=c++17 -O1 -g -fno-builtin -fPIC -shared "$HEAPTAP_SOURCE/tests/victims/every_entry.cc" -o every.so
	gcc -O1 -g "$HEAPTAP_SOURCE/tests/victims/plugin_host.c" -o host
	g++ -x c++ -fpermissive -w -O1 -g "$HEAPTAP_SOURCE/tests/victims/plugin_host.c" -Wl,--no-as-needed -o host_cxx
}

installed() { # LIBRARY
	[ -e "/usr/lib/$(gcc -print-multiarch)/$1" ] || skip "$1 is not installed"
}

# Run bare and under heaptap at rate 1, LD_PRELOAD as given in both: no difference.  The snapshot is in $last.
same_both_ways() { # DIR PRELOAD COMMAND...
	local dir=$1 preload=$2 bare=0 traced=0
	shift 2
	mkdir "$dir"
	LD_PRELOAD=$preload "$@" >"$dir/bare.out" 2>"$dir/bare.err" </dev/null || bare=$?
	LD_PRELOAD=$preload "$heaptap" run -i 0 -r 1 -o "$dir" -- "$@" >"$dir/out" 2>"$dir/err" </dev/null || traced=$?
	cat "$dir/err"
	is "$traced" "$bare" "exit status"
	same_files "$dir/out" "$dir/bare.out"
	grep -v '^heaptap: ' "$dir/err" >"$dir/own.err" || true
	same_files "$dir/own.err" "$dir/bare.err"
	last=$(find "$dir" -name '*.heaptap' | sort | tail -n 1)
}

# Each block once; "C" or "C++" keeps to those, the others must be absent.
blocks_are_there() { # DIR [WHO]
	[ -n "$last" ] || fail "nothing was recorded"
	grep '^block' "$1/out" | if [ $# -gt 1 ]; then grep -F " $2" | grep -w -- "$2\$"; else cat; fi |
		"$HEAPTAP_SOURCE/tests/hazards/blocks.py" "$last"
}

says_why_not() { # DIR REGEX
	is "$(find "$1" -name '*.heaptap')" '' "snapshots"
	has "$1/err" "nothing was recorded: .*$2"
}

# --- in every place ------------------------------------------------------------------------------------------------

test_glibc() {
	same_both_ways run '' "$top/every"
	blocks_are_there run
}

test_glibc_and_a_program_that_is_not_position_independent() {
	same_both_ways run '' "$top/every_no_pie"
	blocks_are_there run
}

behind() { # ALLOCATOR [PROGRAM]
	installed "${library[$1]}"
	same_both_ways run "${library[$1]}" "$top/${2-every}" "${leave_out[$1]}"
	blocks_are_there run
}

test_jemalloc_preloaded_behind_us() { behind jemalloc; }
test_tcmalloc_preloaded_behind_us() { behind tcmalloc; }
test_tcmalloc_full_preloaded_behind_us() { behind tcmalloc_full; }
test_mimalloc_preloaded_behind_us() { behind mimalloc; }
test_jemalloc_behind_us_in_a_program_that_is_not_position_independent() { behind jemalloc every_no_pie; }

# The program is bound to the other one: nothing can be seen, and the reason is told.
in_front() { # ALLOCATOR PROGRAM
	installed "${library[$1]}"
	cat >front <<-SH
		#!/bin/sh
		LD_PRELOAD="${library[$1]} \$LD_PRELOAD" exec $top/$2 "${leave_out[$1]}"
	SH
	chmod +x front
	same_both_ways run '' ./front
	is "$(find run -path '*every*.heaptap')" '' "snapshots"
	cat run/err
	has run/err "${library[$1]}.* in front of heaptap"
}

test_jemalloc_in_front_of_us() { in_front jemalloc every; }
test_tcmalloc_in_front_of_us() { in_front tcmalloc every; }
test_mimalloc_in_front_of_us() { in_front mimalloc every; }
test_jemalloc_in_front_of_us_and_of_a_program_that_is_not_position_independent() { in_front jemalloc every_no_pie; }

linked() { # ALLOCATOR
	installed "${library[$1]}"
	g++ -std=c++17 -O1 -g -fno-builtin "$HEAPTAP_SOURCE/tests/victims/every_entry.cc" -o linked \
		-Wl,--no-as-needed "/usr/lib/$(gcc -print-multiarch)/${library[$1]}"
	same_both_ways run '' ./linked "${leave_out[$1]}"
	blocks_are_there run
}

test_jemalloc_linked() { linked jemalloc; }
test_tcmalloc_linked() { linked tcmalloc; }
test_tcmalloc_full_linked() { linked tcmalloc_full; }
test_mimalloc_linked() { linked mimalloc; }

# Objects with the hash table of old, and with both: symbols are found all the same.
test_allocator_with_an_old_hash_table() {
	local style
	cat >old.c <<-'C'
		#define _GNU_SOURCE
		#include <errno.h>
		#include <stddef.h>
		#include <string.h>
		#include <unistd.h>
		extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
		extern void *__libc_memalign(size_t, size_t), __libc_free(void *);
		static unsigned calls;
		void *malloc(size_t n) { calls++; return __libc_malloc(n); }
		void *calloc(size_t n, size_t m) { return __libc_calloc(n, m); }
		void *realloc(void *p, size_t n) { return __libc_realloc(p, n); }
		void *memalign(size_t a, size_t n) { return __libc_memalign(a, n); }
		void *aligned_alloc(size_t a, size_t n) { return __libc_memalign(a, n); }
		void free(void *p) { __libc_free(p); }
		static __attribute__((destructor)) void end(void)
		{
			if (calls > 10 && !strcmp(program_invocation_short_name, "every") && write(1, "it was asked\n", 13) < 0)
				calls = 0;
		}
	C
	for style in sysv gnu both; do
		gcc -w -O1 -fno-builtin -fPIC -shared -Wl,--hash-style=$style old.c -o libold.so
		same_both_ways "run-$style" "$PWD/libold.so" "$top/every"
		blocks_are_there "run-$style"
		has "run-$style/out" '^it was asked$'
		status_of out err "$heaptap" run -- env LD_PRELOAD="$PWD/libold.so $shim" "$top/every"
		has err 'libold.so is in front of heaptap'
	done
}

# --- static in the program -------------------------------------------------------------------------------------------

# libc's reallocarray() would mix two allocators, with or without heaptap.
in_the_program() { # ALLOCATOR ARCHIVE LINK-OPTION...
	local archive
	archive=/usr/lib/$(gcc -print-multiarch)/$2
	[ -e "$archive" ] || skip "$2 is not installed"
	g++ -std=c++17 -O1 -g -fno-builtin "$HEAPTAP_SOURCE/tests/victims/every_entry.cc" -o inside "${@:3}" \
		-Wl,--whole-archive "$archive" -Wl,--no-whole-archive -lpthread -ldl -lm
	same_both_ways run '' ./inside "${leave_out[$1]},noreallocarray"
}

test_jemalloc_static_in_the_program() {
	in_the_program jemalloc libjemalloc_pic.a
	says_why_not run 'brings its own malloc'
}

test_tcmalloc_static_in_the_program() {
	in_the_program tcmalloc libtcmalloc_minimal.a
	says_why_not run 'brings its own malloc'
}

# Nobody else can be bound to it: what libraries allocate is seen, what the program does itself is not.
test_jemalloc_hidden_in_the_program() {
	in_the_program jemalloc libjemalloc_pic.a -Wl,--exclude-libs=ALL
	has run/err 'malloc of its own inside'
}

# --- in libraries that are opened later --------------------------------------------------------------------------------

test_plugin_of_a_c_program() {
	same_both_ways run '' "$top/host" "$top/every.so" ''
	blocks_are_there run
	has run/out '^before: no _Znwm$'
	has run/out '^inside: _Znwm of libstdc\+\+'
}

test_plugin_bound_deeply() {
	same_both_ways run '' "$top/host" "$top/every.so" deepbind
}

test_plugin_with_its_own_runtime() {
	g++ -std=c++17 -O1 -g -fno-builtin -fPIC -shared -static-libstdc++ -static-libgcc \
		"$HEAPTAP_SOURCE/tests/victims/every_entry.cc" -o own_runtime.so
	same_both_ways run '' "$top/host" "$PWD/own_runtime.so" ''
	blocks_are_there run
	has run/out '^inside: _Znwm of own_runtime'
}

# Everything is the library's own affair, bound within itself: its blocks are not seen, and stay its own.  Debian has
# no other allocator's archive that can be put into a library.
plugin_with_its_own() { # ARCHIVE HOST
	local archive
	archive=/usr/lib/$(gcc -print-multiarch)/$1
	[ -e "$archive" ] || skip "$1 is not installed"
	g++ -std=c++17 -O1 -g -fno-builtin -fPIC -shared "$HEAPTAP_SOURCE/tests/victims/every_entry.cc" -o own.so \
		-Wl,-Bsymbolic -Wl,--whole-archive "$archive" -Wl,--no-whole-archive -lpthread -ldl -lm
	export GLIBC_TUNABLES=glibc.rtld.optional_static_tls=16384
	same_both_ways run '' "$top/$2" "$PWD/own.so" nopvalloc,noreallocarray
	has run/out '^inside: _Znwm of own.so'
}

test_jemalloc_static_in_a_plugin() { plugin_with_its_own libjemalloc_pic.a host; }
test_jemalloc_static_in_a_plugin_of_a_cxx_program() { plugin_with_its_own libjemalloc_pic.a host_cxx; }

# Only its operators are its own, and visible: new, delete and a helper that hands out the same memory must stay one
# family, also where the compiler turns the call into a jump and the caller cannot be told.
test_plugin_with_operators_of_its_own() {
	cat >pool.cc <<-'C'
		#include <cstdio>
		#include <cstdlib>
		#include <cstring>
		#include <new>
		static char pool[1 << 20];
		static size_t used, freed;
		void *take(size_t size) { void *p = pool + used; used += (size + 15) / 16 * 16; return p; }
		static void give(void *p) { if ((char *)p < pool || (char *)p >= pool + sizeof(pool)) abort(); freed++; }
		void *operator new(size_t size) { return take(size); }
		void operator delete(void *p) noexcept { give(p); }
		void operator delete(void *p, size_t) noexcept { give(p); }
		extern "C" void *tail_new(size_t size) { return ::operator new(size); }
		extern "C" void tail_delete(void *p) { ::operator delete(p); }
		extern "C" void tail_sized(void *p) { ::operator delete(p, 8); }
		extern "C" unsigned every_entry(const char *)
		{
			::operator delete(take(8));
			tail_delete(take(8));
			tail_sized(tail_new(8));
			give(::operator new(100));
			char *s = strdup("of libc");
			free(s);
			printf("%zu used, %zu freed\n", used, freed);
			fflush(stdout);
			return 0;
		}
	C
	g++ -O2 -fno-builtin -fPIC -shared pool.cc -o pool.so
	same_both_ways run '' "$top/host" "$PWD/pool.so" ''
	has run/out '^160 used, 4 freed$'
}

# --- programs with operators of their own ----------------------------------------------------------------------------

test_program_that_defines_its_own_operators() {
	cat >own_new.cc <<-'C'
		#include <cstdio>
		#include <cstdlib>
		#include <new>
		static unsigned news, deletes;
		void *operator new(size_t size) { news++; return malloc(size); }
		void operator delete(void *p) noexcept { deletes++; free(p); }
		int main()
		{
			for (int i = 0; i < 30; i++) {
				char *p = new char[2000000 + i];
				printf("block %d %d\n", 2000000 + i, i % 2);
				if (i % 2)
					delete[] p;
			}
			printf("%u %u\n", news, deletes);
		}
	C
	g++ -O1 -g -fno-builtin own_new.cc -o own_new
	same_both_ways run '' ./own_new
	has run/out '^30 15$'
}

run_tests
