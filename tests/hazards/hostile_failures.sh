#!/bin/bash
# tests/hazards/hostile_failures.sh - each system call of the constructor fails, one at a time and one kind at a time.
# strace injects the failures; the program's output, status and descriptors must be those of the bare run.
. "$(dirname "$0")/twice.bash"
need strace
probe=$victims/probe
tools=$HEAPTAP_SOURCE/tests/hazards
export HEAPTAP_WAIT_MS=1000

setup() {
	strace true 2>/dev/null || skip "strace may not trace here"
	start_daemon
	cd "$top"
	strace -ff -o "$top/traced" -E HEAPTAP_SOCKET="$top/sock" -E LD_PRELOAD="$shim" "$probe" >out 2>err </dev/null || true
	"$tools/syscalls.py" constructor "$top/traced" >"$top/calls"
	[ "$(lines "$top/calls")" -ge 15 ] || fail "not the constructor's calls: $(cat "$top/calls")"
	has "$top/calls" '^recvmsg'
}

injected() { # NAME STRACE-OPTION...
	local name=$1
	shift
	status=0
	timeout -s KILL 60 strace -o log "$@" "$probe" >out 2>err </dev/null || status=$?
	mv out "$name.out"
	mv err "$name.err"
}

same_as_bare() { # WHAT
	is $status 3 "$1: exit status ($(head -n 3 traced.err))"
	same_files traced.out bare.out
	same_files traced.err bare.err
}

# close() never fails without closing: nothing to inject there.
each_call_fails_with() { # ERROR...
	local name n error
	injected bare
	for error; do
		while read -r name n; do
			[ "$name" != close ] || continue
			injected traced -E HEAPTAP_SOCKET="$top/sock" -E LD_PRELOAD="$shim" -e inject="$name:error=$error:when=$n"
			grep -q INJECTED log || fail "$name $n was not reached: $(grep -c . log) calls"
			same_as_bare "$name number $n fails with $error"
		done <"$top/calls"
	done
}

test_each_call_out_of_memory() {
	each_call_fails_with ENOMEM
}

test_each_call_forbidden() {
	each_call_fails_with EPERM
}

test_each_call_interrupted() {
	each_call_fails_with EINTR
}

test_each_call_unknown_to_the_kernel() {
	each_call_fails_with ENOSYS
}

# As under a seccomp filter that denies a kind of call for good; the probe itself can do without these.
test_kinds_of_calls_denied() {
	local kind
	for kind in socket connect getsockopt sendto recvmsg ppoll madvise clock_gettime getppid readlinkat,readlink \
		socket,connect,madvise prctl; do
		injected bare -e inject="$kind:error=EPERM"
		injected traced -E HEAPTAP_SOCKET="$top/sock" -E LD_PRELOAD="$shim" -e inject="$kind:error=EPERM"
		same_as_bare "$kind denied"
	done
}

run_tests
