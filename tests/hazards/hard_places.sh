#!/bin/bash
# tests/hazards/hard_places.sh - programs that do to descriptors, locks, stacks, signals and sandboxes what few do.
# Each victim judges itself; here it must judge the same at -r 1 and beside a daemon, and must have been recorded.
. "$(dirname "$0")/twice.bash"
need gcc g++ python3
ways='exact attached'

setup() {
	start_daemon
}

# Bare it is well, and traced it is the same.
well() { # COMMAND...
	normalise='s/Threads: [0-9]+/Threads: N/'
	unseen "$@"
	is "$(<bare.status)" 0 "exit status of $*"
}

recorded_allocs() { # DIR: of all processes
	local f sum=0
	while read -r f; do
		sum=$((sum + $(sum_of "$f" alloc_objects)))
	done < <(find "$1" -name '*.heaptap')
	echo $sum
}

test_every_descriptor_closed_and_taken() {
	well prlimit --nofile=1024 "$victims/descriptors"
	[ "$(recorded_allocs exact.heap)" -gt 200000 ] || fail "recording ended with the descriptors"
}

test_loader_lock_held_by_another_thread() {
	well timeout -s KILL 60 "$victims/loader_lock"
}

test_failing_lookups_in_threads() {
	well "$victims/lookups"
}

test_filter_that_kills_for_any_further_call() {
	well "$victims/filter_seccomp"
	[ "$(recorded_allocs exact.heap)" -gt 400000 ] || fail "recording ended with the sandbox"
}

test_strict_sandbox() {
	well "$victims/strict_seccomp"
}

test_thousands_of_threads_with_late_destructors() {
	well "$victims/many_threads"
}

test_coroutines() {
	well "$victims/coroutines"
}

test_smallest_stacks() {
	well "$victims/small_stacks"
}

test_write_barrier() {
	well "$victims/write_barrier"
}

test_pending_cancellation() {
	well "$victims/cancelled"
}

test_a_million_frames() {
	well "$victims/deep_recursion"
}

test_floating_point_state() {
	well "$victims/floating_state"
}

# A03: whose unwinder runs the destructors?  The plugin brings libgcc_s, the program has none.
test_exceptions_of_a_plugin_in_a_c_program() {
	cat >plugin.cc <<-'CC'
		#include <cstdio>
		#include <pthread.h>
		#include <stdexcept>
		#include <string>
		#include <unistd.h>
		struct Noisy { const char *what; ~Noisy() { std::printf("destroyed in %s\n", what); std::fflush(stdout); } };
		extern "C" void plugin(int how)
		{
			Noisy n{ how == 0 ? "exit" : how == 1 ? "throw" : "cancel" };
			std::string s(5000, 'x');
			if (how == 0) pthread_exit(nullptr);
			if (how == 1) try { throw std::runtime_error(s); } catch (const std::exception &e) { std::printf("caught %zu\n", std::string(e.what()).size()); }
			if (how == 2) for (;;) usleep(1000);
		}
	CC
	cat >host.c <<-'C'
		#include <dlfcn.h>
		#include <pthread.h>
		#include <stdint.h>
		static void (*plugin)(int);
		static void *thread(void *how) { plugin((int)(intptr_t)how); return how; }
		int main(int argc, char **argv)
		{
			pthread_t t;
			void *h = dlopen(argv[argc - 1], RTLD_NOW | RTLD_LOCAL);
			if (!h || !(plugin = (void (*)(int))dlsym(h, "plugin"))) return 1;
			for (intptr_t how = 0; how < 3; how++) {
				if (pthread_create(&t, 0, thread, (void *)how)) return 2;
				if (how == 2) pthread_cancel(t);
				pthread_join(t, 0);
			}
			return 0;
		}
	C
	g++ -O1 -shared -fPIC plugin.cc -o plugin.so
	gcc -O1 host.c -o host
	well "$PWD/host" "$PWD/plugin.so"
	is "$(grep -c destroyed bare.out)" 3
}

# A26: exhausted memory goes through the program's own new_handler and out of main's catch.
test_new_handlers_and_bad_alloc() {
	cat >new.cc <<-'CC'
		#include <cstdio>
		#include <cstdlib>
		#include <new>
		static void *reserve = std::malloc(100000);
		static int calls;
		static void handler() { calls++; std::free(reserve); reserve = nullptr; if (calls == 3) std::set_new_handler(nullptr); }
		volatile size_t huge = ~size_t(0) / 4;
		int main()
		{
			std::setvbuf(stdout, nullptr, _IONBF, 0);
			std::set_new_handler(handler);
			try { new char[huge]; } catch (const std::bad_alloc &e) { std::printf("bad_alloc after %d\n", calls); }
			std::printf("%d\n", new (std::nothrow) char[huge] == nullptr);
			struct alignas(256) Wide { char c[256]; };
			Wide *w = new Wide[10]; std::printf("%d\n", reinterpret_cast<size_t>(w) % 256 == 0); delete[] w;
			int *i = new int; operator delete(i, sizeof(int)); throw 7;
		}
	CC
	g++ -std=c++17 -O1 -fno-builtin new.cc -o new
	unseen "$PWD/new"
	is "$(<bare.status)" 134
	has bare.out 'after 3'
}

# A15, A31: RUNPATH of the caller, RTLD_DEEPBIND, blocks that cross between namespaces of symbols.
test_plugins_found_by_runpath_and_bound_deeply() {
	mkdir plugins
	cat >p.c <<-'C'
		#include <stdlib.h>
		#include <string.h>
		char *give(void) { return strdup("from the plugin, a string long enough for the heap"); }
		void take(char *s) { free(realloc(s, 5000)); }
	C
	cat >host.c <<-'C'
		#define _GNU_SOURCE
		#include <dlfcn.h>
		#include <stdio.h>
		#include <stdlib.h>
		#include <string.h>
		int main(void)
		{
			for (int deep = 0; deep < 2; deep++) for (int i = 0; i < 300; i++) {
				void *h = dlopen("libp.so", RTLD_NOW | (deep ? RTLD_DEEPBIND : 0));
				if (!h) return puts(dlerror()), 1;
				char *(*give)(void) = (char *(*)(void))dlsym(h, "give");
				void (*take)(char *) = (void (*)(char *))dlsym(h, "take");
				char *s = give(); s = realloc(s, strlen(s) + 100); free(s); take(malloc(300)); dlclose(h);
			}
			void *other = dlmopen(LM_ID_NEWLM, "libp.so", RTLD_NOW);
			if (!other) return puts(dlerror()), 2;
			void (*take)(char *) = (void (*)(char *))dlsym(other, "take");
			char *(*give)(void) = (char *(*)(void))dlsym(other, "give");
			for (int i = 0; i < 300; i++) take(give());
			return 0;
		}
	C
	gcc -O1 -fno-builtin -shared -fPIC p.c -o plugins/libp.so
	gcc -O1 -fno-builtin host.c -o host -Wl,-rpath,"\$ORIGIN/plugins"
	well "$PWD/host"
}

# A45: threads that a library's constructor starts, before main.
test_threads_started_by_a_constructor() {
	cat >early.c <<-'C'
		#include <pthread.h>
		#include <stdlib.h>
		static void *thread(void *a) { for (int i = 0; i < 20000; i++) free(malloc((size_t)i % 700)); return a; }
		__attribute__((constructor(101))) static void start(void)
		{
			static pthread_t t[8];
			for (int i = 0; i < 8; i++) if (pthread_create(&t[i], 0, thread, 0)) abort();
			for (int i = 0; i < 8; i++) pthread_join(t[i], 0);
		}
	C
	echo 'int main(void) { return 0; }' >main.c
	gcc -O1 -fno-builtin -shared -fPIC early.c -o libearly.so
	gcc main.c -Wl,--no-as-needed -o main -L. -learly -Wl,-rpath,"$PWD"
	well "$PWD/main"
	[ "$(recorded_allocs exact.heap)" -ge 160000 ] || fail "threads before main were not recorded"
}

test_audit_library() {
	echo 'unsigned la_version(unsigned v) { return v; }' >audit.c
	gcc -shared -fPIC audit.c -o audit.so
	well env LD_AUDIT="$PWD/audit.so" "$victims/coroutines"
}

# A50, A54: neither in core dumps, nor in huge pages; no descriptor's mapping is executable.
test_mappings_stay_out_of_core_dumps_and_huge_pages() {
	mkdir -p "$top/maps"
	"$heaptap" run -q -i 0 -r 1 -o "$top/maps" -- /usr/bin/python3 -S -c '
import re
junk = [bytes(i) for i in range(20000)]
found = 0
for m in re.split(r"(?m)^(?=[0-9a-f]+-[0-9a-f]+ )", open("/proc/self/smaps").read())[1:]:
    size = int(re.search(r"Size: +(\d+)", m)[1])
    if "memfd:" in m or size > 500000:
        found += 1
        assert " dd" in m, m
        assert int(re.search(r"AnonHugePages: +(\d+)", m)[1]) == 0, m
        assert "x" not in m.split()[1], m
assert found >= 2, found'
}

# A47, A48, B08: what a program may do to itself before its first sample.
test_chroot_lesser_rights_and_namespaces() {
	[ "$(id -u)" -eq 0 ] || skip "chroot takes root"
	local program='import os, sys
os.makedirs("jail", exist_ok=True); os.chroot("jail"); os.chdir("/"); os.setgroups([]); os.setgid(65534); os.setuid(65534)
x = [bytes(i) for i in range(9000)]; print(len(x), os.getuid())'
	well /usr/bin/python3 -S -c "$program"
	[ "$(recorded_allocs exact.heap)" -gt 9000 ] || fail "recording ended with the rights"
	if unshare -Upf --mount-proc true 2>/dev/null; then
		well unshare -Urpf --mount-proc bash -c 'x=$(seq 2000); echo ${#x} $$'
	fi
	if unshare -T --monotonic 100000 true 2>/dev/null; then
		well unshare -T --monotonic 100000 -f bash -c 'x=$(seq 2000); echo ${#x}'
	fi
}

# A52: under a debugger, whose breakpoints and signals are the user's.
test_under_gdb() {
	need gdb
	normalise='s/0x[0-9a-f]+/A/g; s/(LWP|process|Thread A \(LWP) [0-9]+/\1 N/g; s/[0-9]{3,}/N/g; /^warning|debuginfod/d'
	unlike=files
	unseen env HOME="$PWD" gdb -nx -batch -ex 'break allocate' -ex run -ex 'backtrace 1' -ex 'print 6 * 7' -ex delete -ex continue \
		--args "$victims/known_blocks"
	has bare.out '^Breakpoint 1[.0-9]*, allocate'
}

run_tests
