#!/bin/bash
# tests/hazards/fork_quiet.sh - a forked child makes the system calls it makes without heaptap, and no others.
# Seen red: with a getpid() by system call in the child's claim.
. "$(dirname "$0")/../lib.sh"
need strace gcc

setup() {
	cat >quiet.c <<-'C'
		#include <stdlib.h>
		#include <sys/wait.h>
		#include <unistd.h>
		void *kept[100];
		int main(void)
		{
			int status;
			for (int i = 0; i < 100; i++)
				kept[i] = malloc(1000);
			for (int i = 50; i < 100; i++) {
				free(kept[i]);
				kept[i] = 0;
			}
			if (fork() == 0) {
				for (int i = 0; i < 50; i++)
					free(kept[i]);
				for (int i = 0; i < 50; i++)
					kept[i] = malloc(900);
				_exit(7);
			}
			wait(&status);
			return WEXITSTATUS(status) != 7;
		}
	C
	gcc -O1 -fno-builtin quiet.c -o quiet
}

# The system calls of the process that ended with status 7, addresses and numbers of processes left out.
calls_of_child() { # TRACES-PREFIX
	local child
	child=$(grep -l 'exit_group(7)' "$1".*)
	sed -E -e 's/0x[0-9a-f]+/ADDRESS/g' -e 's/[0-9]{3,}/NUMBER/g' "$child"
}

test_fork_adds_no_system_call() {
	strace -ff -o bare "$top/quiet"
	strace -ff -o traced "$heaptap" run -q -i 0 -r 1 -o run -- "$top/quiet"
	calls_of_child bare >bare.calls
	calls_of_child traced >traced.calls
	cat bare.calls
	[ -s bare.calls ]
	same_files traced.calls bare.calls
	is "$(find run -name '*.heaptap' | wc -l)" 2 "processes recorded"
}

run_tests
