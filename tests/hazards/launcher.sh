#!/bin/bash
# tests/hazards/launcher.sh - programs that cannot be recorded are known before they start: they run as without heaptap,
# their exit status is heaptap's, and one line says why nothing is recorded.
#
# The victim prints what it finds in its environment: so the bare run shows that it was left alone.
. "$(dirname "$0")/../lib.sh"
need gcc python3

setup() {
	cat >victim.c <<-'C'
		#include <stdio.h>
		#include <stdlib.h>
		static void show(const char *name) { printf("%s=%s\n", name, getenv(name) ? getenv(name) : "(none)"); }
		int main(int argc, char **argv)
		{
			show("LD_PRELOAD");
			show("HEAPTAP_SOCKET");
			show("HEAPTAP_WAIT_MS");
			printf("%d %s\n", argc, argv[argc - 1]);
			free(malloc(10000));
			return 3;
		}
	C
	# Other users go in, to programs that are theirs or root's.
	chmod 755 "$top"
}

# DIR: as without heaptap, and one line with the reason; nothing else of heaptap's.
is_left_alone() { # REGEX COMMAND...
	local regex=$1 bare=0 traced=0
	shift
	"$@" last >bare.out 2>bare.err </dev/null || bare=$?
	"$heaptap" run -o out -- "$@" last >out.txt 2>err.txt </dev/null || traced=$?
	cat err.txt
	is "$traced" "$bare" "exit status"
	same_files out.txt bare.out
	grep -v '^heaptap: ' err.txt >own.err || true
	same_files <(sed -E 's/==[0-9]+==/==/' own.err) <(sed -E 's/==[0-9]+==/==/' bare.err)
	is "$(grep -c '^heaptap: ' err.txt)" 1 "lines of heaptap"
	has err.txt "^heaptap: .*nothing was recorded: .*$regex"
	is "$(find out -name '*.heaptap' 2>/dev/null)" '' "snapshots"
}

# The other way round: it was preloaded, and recorded.
is_recorded() { # COMMAND...
	status_of out.txt err.txt "$heaptap" run -r 1 -o out -- "$@" last
	cat out.txt err.txt
	is "$status" 3
	has out.txt '^LD_PRELOAD=.*libheaptap.so'
	has_not err.txt 'nothing was recorded'
}

test_ordinary_program_is_recorded() {
	gcc "$top/victim.c" -o victim
	is_recorded ./victim
}

test_static() {
	gcc -static "$top/victim.c" -o victim
	is_left_alone 'statically linked' ./victim
}

test_static_pie() {
	gcc -static-pie "$top/victim.c" -o victim
	is_left_alone 'statically linked' ./victim
}

test_go() {
	need go
	cat >main.go <<-'GO'
		package main
		import ("fmt"; "os")
		func main() {
			fmt.Println(os.Getenv("LD_PRELOAD"), os.Getenv("HEAPTAP_SOCKET"), os.Args[len(os.Args)-1])
			os.Exit(3)
		}
	GO
	GO111MODULE=off CGO_ENABLED=0 GOCACHE=$PWD/cache GOFLAGS='' go build -o victim main.go
	is_left_alone 'statically linked' ./victim
}

# No 32-bit libc is needed to be a 32-bit program.
test_32_bit() {
	[ "$(uname -m)" = x86_64 ] || skip "no 32-bit programs on this machine"
	printf '.globl _start\n_start: mov $1, %%eax\n mov $7, %%ebx\n int $0x80\n' >victim.s
	as --32 victim.s -o victim.o
	ld -m elf_i386 victim.o -o victim
	./victim || [ $? -eq 7 ] || skip "this kernel runs no 32-bit programs"
	is_left_alone '32-bit' ./victim
}

test_musl() {
	need musl-gcc
	musl-gcc "$top/victim.c" -o victim
	readelf -lW victim | grep -q 'ld-musl' || fail "not a musl program"
	is_left_alone 'musl' ./victim
}

test_another_architecture() {
	need aarch64-linux-gnu-gcc qemu-aarch64
	aarch64-linux-gnu-gcc -static "$top/victim.c" -o victim
	is_left_alone 'qemu' qemu-aarch64 ./victim
	if ./victim last >/dev/null 2>&1 || [ $? -eq 3 ]; then
		is_left_alone 'another architecture' ./victim # binfmt_misc runs it here
	else
		refuses 126 'no program for this machine' "$heaptap" run -- ./victim
	fi
}

# --- privileges ----------------------------------------------------------------------------------------------------

as_nobody() {
	setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all "$@"
}

need_users() {
	need setpriv
	[ "$(id -u)" -eq 0 ] || skip "only root can make such programs"
	gcc "$top/victim.c" -o victim
	chmod 755 . victim
	as_nobody ./victim x >/dev/null || [ $? -eq 3 ] || skip "another user does not get here"
	mkdir -m 777 work
	if findmnt -nT . -o OPTIONS | grep -q nosuid; then skip "this file system is mounted nosuid"; fi
}

# is_left_alone as another user; heaptap itself has to be reachable for it.
left_alone_as_nobody() { # REGEX
	as_nobody test -x "$heaptap" -a -r "$shim" || skip "the build is out of another user's reach"
	local inner
	inner=$(declare -f is_left_alone same_files fail is has)
	(cd work && as_nobody env HOME="$PWD" TMPDIR="$PWD" bash -c "set -eu; heaptap=$heaptap; $inner; is_left_alone '$1' ../victim")
}

test_set_user_id() {
	need_users
	chmod u+s victim
	left_alone_as_nobody 'set-user-ID'
}

test_set_group_id() {
	need_users
	chmod g+s victim
	left_alone_as_nobody 'set-group-ID'
}

test_file_capabilities() {
	need_users
	python3 - <<-'PY' || skip "no file capabilities here"
		import os, struct
		os.setxattr("victim", "security.capability", struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0))
	PY
	left_alone_as_nobody 'file capabilities'
}

# The kernel adds nothing to root, so root's own set-user-ID programs are recorded.
test_set_user_id_of_root_run_by_root() {
	need_users
	chmod u+s victim
	is_recorded ./victim
}

test_set_user_id_where_new_privileges_are_given_up() {
	need_users
	chmod u+s victim
	status_of out.txt err.txt setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs \
		"$heaptap" run -r 1 -o work -- ./victim last
	cat err.txt
	if [ "$status" -eq 126 ] || [ "$status" -eq 127 ]; then skip "the build is out of another user's reach"; fi
	is "$status" 3
	has out.txt '^LD_PRELOAD=.*libheaptap.so'
}

# --- programs with their own idea of malloc ----------------------------------------------------------------------------

sanitized() { # COMPILER OPTION...
	"$@" -x c "$top/victim.c" -o victim 2>/dev/null || skip "$* is not installed"
	is_left_alone 'sanitizer' ./victim
}

test_address_sanitizer() { sanitized gcc -fsanitize=address; }
test_static_address_sanitizer() { sanitized gcc -fsanitize=address -static-libasan; }
test_leak_sanitizer() { sanitized gcc -fsanitize=leak; }
test_undefined_sanitizer() { sanitized gcc -fsanitize=undefined; }
test_address_sanitizer_of_clang() { need clang; sanitized clang -fsanitize=address; }
test_leak_sanitizer_of_clang() { need clang; sanitized clang -fsanitize=leak; }
test_stripped_address_sanitizer_of_clang() { need clang; sanitized clang -fsanitize=address -s; }

# ThreadSanitizer's map does not fit under every kernel's address randomisation: it need not run, only be known.
test_thread_sanitizer() {
	local compiler
	for compiler in gcc clang; do
		"$compiler" -fsanitize=thread "$top/victim.c" -o victim 2>/dev/null || skip "$compiler -fsanitize=thread is not installed"
		status_of out.txt err.txt "$heaptap" run -- ./victim
		has err.txt 'nothing was recorded: .*sanitizer'
	done
}

# As `LD_PRELOAD=libasan.so.8 heaptap run PROGRAM`.
test_preloaded_sanitizer() {
	local asan
	asan=$(gcc -print-file-name=libasan.so)
	[ -e "$asan" ] || skip "libasan is not installed"
	gcc "$top/victim.c" -o victim
	export ASAN_OPTIONS=detect_leaks=0
	LD_PRELOAD=$(realpath "$asan")
	export LD_PRELOAD
	is_left_alone 'sanitizer, is preloaded' ./victim
}

test_valgrind() {
	need valgrind
	gcc "$top/victim.c" -o victim
	is_left_alone 'valgrind' valgrind -q ./victim
	ln -s "$(command -v valgrind)" vg
	is_left_alone 'valgrind' ./vg -q ./victim
}

# --- scripts -----------------------------------------------------------------------------------------------------------

script() { # NAME FIRST-LINE
	printf '%s\n' "$2" >"$1"
	chmod +x "$1"
}

test_scripts_are_judged_by_their_interpreter() {
	gcc -static "$top/victim.c" -o still
	gcc "$top/victim.c" -o moving
	script a "#!$PWD/still"
	is_left_alone 'statically linked' ./a
	script b "#! $PWD/still -x"
	is_left_alone 'statically linked' ./b
	script c "#!$PWD/a"
	is_left_alone 'statically linked' ./c
	script d "#!/usr/bin/env still"
	PATH=$PWD:$PATH is_left_alone 'statically linked' ./d
	script e "#!/usr/bin/env -S VAR=1 $PWD/still -x"
	is_left_alone 'statically linked' ./e
	script f "#!$PWD/moving"
	is_recorded ./f
	script g "#!/usr/bin/env moving"
	PATH=$PWD:$PATH is_recorded ./g
}

# What is no program at all is refused as before, with the shell's exit status.
test_what_is_no_program() {
	mkdir dir
	refuses 126 'directory' "$heaptap" run -- ./dir
	refuses 127 'no such program' "$heaptap" run -- ./none
	: >plain
	refuses 126 'not executable' "$heaptap" run -- ./plain
	[ "$(id -u)" -eq 0 ] && unshare -m true 2>/dev/null || skip "no mounts of our own"
	mkdir mnt
	gcc "$top/victim.c" -o victim
	unshare -m bash -c "mount -t tmpfs -o noexec none mnt && cp victim mnt && '$heaptap' run -- mnt/victim" >o 2>e || status=$?
	[ -s e ] || skip "no mounts of our own"
	is "$status" 126
	has e 'mounted noexec'
}

run_tests
