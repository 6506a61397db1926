#!/bin/bash
# tests/e2e/run_kinds.sh - programs of other kinds: threads, forks, static, their own malloc, no collector at all.
. "$(dirname "$0")/../lib.sh"
need python3 gcc

test_threads() {
	cat >threads.c <<-'C'
		#include <pthread.h>
		#include <stdio.h>
		#include <stdlib.h>
		void *kept[4][1000];
		static void *work(void *arg)
		{
			void **mine = arg;
			for (int i = 0; i < 100000; i++) {
				free(mine[i % 1000]);
				mine[i % 1000] = malloc(1000);
			}
			return 0;
		}
		int main(void)
		{
			pthread_t t[4];
			for (int i = 0; i < 4; i++)
				pthread_create(&t[i], 0, work, kept[i]);
			for (int i = 0; i < 4; i++)
				pthread_join(t[i], 0);
			puts("done");
		}
	C
	gcc -O1 -g -fno-builtin threads.c -o threads -lpthread
	same_with_heaptap exact 1 ./threads
	"$e2e/snapshot.py" sums "$(last_snapshot "$(run_dir exact)")" >sums
	cat sums
	has sums '^lost 0$'
	close_to "$(sed -n 's/^inuse_bytes //p' sums)" 4000000 100000
	close_to "$(sed -n 's/^alloc_objects //p' sums)" 400000 500
	"$heaptap" top "$(run_dir exact)" >top
	is "$(first_row <top)" work
}

test_forked_child_leaves_its_parents_books_alone() {
	cat >forks.c <<-'C'
		#include <stdio.h>
		#include <stdlib.h>
		#include <sys/wait.h>
		#include <unistd.h>
		void *kept[300];
		static void allocate(int from, int n)
		{
			for (int i = from; i < from + n; i++)
				kept[i] = malloc(10000);
		}
		int main(void)
		{
			int status;
			allocate(0, 100);
			if (fork() == 0) {
				for (int i = 0; i < 100; i++)
					free(kept[i]);
				allocate(100, 50);
				_exit(7);
			}
			wait(&status);
			allocate(150, 20);
			printf("%d\n", WEXITSTATUS(status));
			return 0;
		}
	C
	gcc -O1 -g -fno-builtin forks.c -o forks
	same_with_heaptap exact 1 ./forks
	is "$(<exact/traced.out)" 7
	close_to "$(sum_of "$(last_snapshot "$(run_dir exact)")" inuse_bytes)" 1220000 20000
}

test_child_that_outlives_the_program() {
	status_of out err timeout -s KILL 60 "$heaptap" run -- sh -c '(sleep 3; echo late >late) >/dev/null 2>&1 & exit 4'
	is "$status" 4
	wait_for 20 [ -s late ]
}

test_script_without_an_interpreter_line_runs_as_by_execvp() {
	echo 'echo "$0 $1"; exit 5' >script
	chmod +x script
	same_with_heaptap run 512K ./script word
	is "$(<run/traced.out)" './script word'
}

test_shell_pipeline() {
	same_with_heaptap pipe 1 sh -c 'seq 20000 | sort -rn | awk "{ s += \$1 } END { print s }" | tee copy'
	is "$(<pipe/traced.out)" 200010000
}

test_static_program_runs_and_the_reason_is_told() {
	echo 'int puts(const char *); int main(void) { puts("static"); return 3; }' >static.c
	gcc -static static.c -o static
	status_of out err "$heaptap" run -- ./static
	is "$status" 3
	is "$(<out)" static
	cat err
	has err 'static'
}

test_program_with_its_own_malloc_runs_and_the_reason_is_told() {
	cat >own.c <<-'C'
		#include <stddef.h>
		#include <unistd.h>
		static char arena[1 << 20];
		static size_t used;
		void *malloc(size_t n)
		{
			void *p = arena + used;
			used += (n + 15) / 16 * 16;
			return p;
		}
		void free(void *p) { (void)p; }
		void *calloc(size_t a, size_t b) { return malloc(a * b); }
		void *realloc(void *p, size_t n) { (void)p; return malloc(n); }
		int main(void) { return malloc(100) == NULL || write(1, "own\n", 4) != 4; }
	C
	gcc -fno-builtin own.c -o own
	status_of out err "$heaptap" run -- ./own
	is "$status" 0
	is "$(<out)" own
	cat err
	has err 'own malloc|its own|defines malloc'
	status_of out err "$heaptap" run -- sh -c './own; exec ./own'
	is "$status" 0
	cat err
	is "$(grep -c 'not recorded: own .*its own malloc' err)" 2 "programs of the run that are named as not recorded"
}

# The preload alone, without heaptap run: a pass-through that nobody notices.
test_preload_without_a_collector() {
	PYTHONMALLOC=malloc LD_PRELOAD=$shim python3 -c 'print(sum(len(str(i)) for i in range(100000)))' >out 2>err
	is "$(<out)" 488890
	is "$(<err)" ''
	HEAPTAP_SOCKET=/nowhere/sock LD_PRELOAD=$shim python3 -c 'print(1)' >out 2>err
	is "$(<out)$(<err)" 1
}

test_allocation_failures_are_the_program_s_own() {
	local command='import sys
try:
    x = bytearray(1 << 60)
except MemoryError:
    print("MemoryError")
    sys.exit(6)'
	same_with_heaptap huge 1 python3 -c "$command"
	is "$(<huge/traced.out)" MemoryError
}

run_tests
