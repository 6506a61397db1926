#!/bin/bash
# tests/e2e/constructors.sh - what runs before main(): libraries' constructors and preinit_array are seen, too, and
# find the world as they would without us (the shim's own constructor comes first of all, before libc's).
. "$(dirname "$0")/../lib.sh"
need gcc

setup() {
	cat >early.c <<-'C'
		#include <stdlib.h>
		extern char **environ;
		char *early_kept[100];
		int early_environment;
		__attribute__((constructor)) static void in_a_library(int argc, char **argv)
		{
			early_environment = environ != 0 && getenv("EARLY") != 0 && argc == 1 && argv[0] != 0;
			for (int i = 0; i < 100; i++)
				early_kept[i] = malloc(10000);
		}
	C
	cat >main.c <<-'C'
		#include <stdio.h>
		#include <stdlib.h>
		extern int early_environment;
		char *kept[11];
		static void before_all(void)
		{
			for (int i = 0; i < 10; i++)
				kept[i] = malloc(2000);
		}
		__attribute__((section(".preinit_array"), used)) static void (*const early)(void) = before_all;
		int main(void)
		{
			kept[10] = malloc(777);
			printf("environment %d\n", early_environment);
		}
	C
	gcc -O1 -g -fno-builtin -shared -fPIC early.c -o libearly.so
	gcc -O1 -g -fno-builtin main.c -o main -L. -learly -Wl,-rpath,"$PWD"
	EARLY=1 status_of out err "$heaptap" run -i 0 -r 1 -o "$top" -- ./main
	is $status 0 "exit status ($(cat err))"
}

test_constructors_find_arguments_and_environment() {
	has "$top/out" '^environment 1$'
}

test_every_allocation_before_main_is_recorded() {
	"$heaptap" top -alloc_space "$(run_dir "$top")" >report
	cat report
	is "$(awk '$6 == "in_a_library" { print $1 }' report)" 976.56kB "allocated by the library's constructor"
	is "$(awk '$6 == "before_all" { print $1 }' report)" 19.53kB "allocated by preinit_array"
}

run_tests
