#!/bin/bash
# tests/hazards/invisible_system_calls.sh - after the constructor, a traced program makes the system calls of the bare one.
# Seen red with a sched_getcpu()-like raw call in record_malloc() (README, "red").
. "$(dirname "$0")/twice.bash"
need strace python3 perl git

export PERL_HASH_SEED=0 PYTHONHASHSEED=0 PYTHONMALLOC=malloc

setup() {
	strace true 2>/dev/null || skip "strace may not trace here"
	start_daemon
}

same_calls() { # ordered|counted|kinds COMMAND...
	local how=$1
	shift
	rm -rf logs w && mkdir logs w
	(cd w && strace -ff -o ../logs/bare "$@" </dev/null >../bare.out 2>../bare.err) || true
	rm -rf w && mkdir w
	(cd w && strace -ff -o ../logs/traced -E HEAPTAP_WAIT_MS=10000 -E HEAPTAP_SOCKET="$top/sock" -E LD_PRELOAD="$shim" \
		"$@" </dev/null >../traced.out 2>../traced.err) || true
	grep -qs recvmsg logs/traced.* || fail "it did not attach"
	"$HEAPTAP_SOURCE/tests/hazards/syscalls.py" compare logs/bare logs/traced "$how" || fail "$*"
}

test_small_tools() {
	seq 20000 >input
	same_calls ordered sort -rn "$PWD/input"
	same_calls ordered ls -l /usr/share
	same_calls ordered sha256sum "$PWD/input"
	same_calls ordered cp "$PWD/input" copied
	same_calls ordered find /usr/share/doc -name 'copy*'
}

test_bash_with_children() {
	same_calls counted bash -c 'exec 3>f; x=$(echo a; echo b); (echo $x >&3); for i in 1 2 3; do ls >/dev/null; done; cat f; exit 3'
}

test_perl_with_children() {
	same_calls ordered perl -e 'my @x = map { "x" x $_ } 1..3000; my $p = fork; if (!$p) { my @y = (1) x 100000; exit 3 } wait; print `echo a`; exec "true"'
}

test_python() {
	same_calls ordered /usr/bin/python3 -S -c 'x = [bytes(i) for i in range(5000)]; import os, subprocess; print(subprocess.run(["true"]).returncode); p = os.fork() or (bytes(100000), os._exit(3)); os.wait()'
}

test_git() {
	same_calls ordered git --version
	same_calls ordered git -C "$HEAPTAP_SOURCE" ls-files
}

# Threads race: the order differs between two bare runs too, the kinds of calls do not.
test_threads() {
	need node
	same_calls kinds node -e 'console.log(require("zlib").gzipSync("x".repeat(1e5)).length)'
	same_calls kinds "$victims/threads_and_children"
}

run_tests
