#!/bin/bash
# tests/hazards/collector_identity.sh - whose numbers they are: pids used again, namespaces of the program's own, kernels
# that restrict memfds.  In pid and mount namespaces of the test's own, as root.
. "$(dirname "$0")/../lib.sh"
need python3 setpriv unshare
daemon=$HEAPTAP_BUILD/heaptap-collectord
[ "$(id -u)" -eq 0 ] && unshare -mpf --mount-proc true 2>/dev/null || skip "no namespaces for us here"
# Functions that run as the first process of a pid namespace.
inside() { # FUNCTION
	# shellcheck disable=SC2163 # the function of that name
	export -f "$1" start_daemon stop_daemon wait_for fail has is in_use last_snapshot
	export daemon top shim victims heaptap
	unshare -mpf --mount-proc --kill-child bash -euc "$1"
}

start_daemon() { # WRAPPER...: its pid in $daemon_pid
	: "${sock:=$top/s$RANDOM}"
	mkdir -p state
	"$@" "$daemon" --socket "$sock" --state "$PWD/state" --rate 1 --interval 0 2>daemon.log &
	daemon_pid=$!
	wait_for 60 [ -S "$sock" ]
	export HEAPTAP_SOCKET=$sock HEAPTAP_WAIT_MS=10000
}

stop_daemon() {
	local status=0
	kill -TERM $daemon_pid
	wait $daemon_pid || status=$?
	is $status 0 "exit status of the daemon ($(tail -n 3 daemon.log))"
}

in_use() { # SNAPSHOT
	"$heaptap" top -inuse_space -unit=B "$1" | sed -nE 's/.* of ([0-9]+)B total.*/\1/p'
}

# The kernel's next pid is told, so all programs have the same one.
one_pid() {
	start_daemon
	for mb in 1 2 3 4 5 6 7 8; do
		echo 299 >/proc/sys/kernel/ns_last_pid
		LD_PRELOAD=$shim "$victims/steady" $mb </dev/null &
		is $! 300 "pid (a race with nobody: this namespace is ours)"
		wait $!
		wait_for 60 [ "$(grep -c 'pid 300 of uid 0' daemon.log)" -ge $mb ]
	done
	stop_daemon
	for mb in 1 2 3 4 5 6 7 8; do
		in_use "$(last_snapshot "state/u0-s$mb.300")" >total
		is "$(<total)" $((mb << 20)) "in use in session $mb"
	done
}

test_programs_that_had_one_pid_stay_apart() {
	[ -w /proc/sys/kernel/ns_last_pid ] || skip "this kernel does not tell the next pid"
	inside one_pid
}

# The program believes to be root with pid 1; what counts is who connected, in the daemon's eyes.  (A daemon of another
# user has no name in there, so the program does not trust it: hostile_collector.sh.)
test_programs_in_namespaces_of_their_own() {
	local user=(setpriv --reuid 50001 --regid 50001 --clear-groups) outer file
	chmod 711 "$top" .
	"${user[@]}" unshare -Urpf true 2>/dev/null || skip "users may have no namespaces here"
	"${user[@]}" "$victims/steady" </dev/null || skip "other users do not get to the build"
	mkdir state "$top/s"
	chown 50001 state "$top/s"
	sock=$top/s/s
	start_daemon "${user[@]}"
	mkfifo in
	"${user[@]}" unshare -Urpf --kill-child env LD_PRELOAD="$shim" "$victims/steady" 7 <in >out &
	exec {pipe}>in
	wait_for 60 grep -q ' of uid 50001' daemon.log
	"$heaptap" ps --json --socket "$sock" >list
	outer=$(python3 -c 'import json; p, = json.load(open("list")); assert p["uid"] == 50001; print(p["pid"])')
	is "$(readlink "/proc/$outer/exe")" "$(realpath "$victims/steady")" "whose pid it is"
	has <(grep NSpid: "/proc/$outer/status") '[[:space:]]1$'
	# Another one that is pid 1 in there, and one in the daemon's own.
	"${user[@]}" unshare -Urpf --kill-child env LD_PRELOAD="$shim" "$victims/steady" 5 </dev/null
	"${user[@]}" env LD_PRELOAD="$shim" "$victims/steady" 3 </dev/null
	exec {pipe}>&-
	wait_for 60 compgen -G "state/u50001-s1.$outer/*-exit.heaptap"
	stop_daemon
	is "$(in_use "$(last_snapshot "state/u50001-s1.$outer")")" $((7 << 20)) "in use in the first"
	for file in state/u50001-s*/*-exit.heaptap; do
		in_use "$file"
	done | sort -n | xargs >all
	is "$(<all)" "$((3 << 20)) $((5 << 20)) $((7 << 20))" "in use in all"
}

# vm.memfd_noexec is of a pid namespace: with 1 unmarked memfds are not executable, 2 refuses others (kernels 6.3 to 6.5
# also unmarked ones).
restricted() {
	mount -t proc proc /proc
	echo "$level" >/proc/sys/vm/memfd_noexec
	umount /dev/shm 2>/dev/null || true
	python3 -c 'import os; os.memfd_create("x", 0x10)' 2>/dev/null && refused=0 || refused=1 # MFD_EXEC
	is $refused $((level == 2)) "an executable memfd at level $level"
	"$heaptap" run -q -r 1 -i 0 -o "run$level" -- "$victims/steady" 3 </dev/null
	"$heaptap" top "run$level" >report
	has report ' keep$'
	"$heaptap" svg -output=picture.svg "run$level"
	has picture.svg '<svg'
	start_daemon
	mkfifo "in$level"
	LD_PRELOAD=$shim "$victims/steady" 3 <"in$level" >out &
	exec 7>"in$level"
	wait_for 60 grep -q 'pid .* of uid' daemon.log
	curl -sS --unix-socket "$sock-http.sock" 'http://localhost/debug/pprof/heap?debug=1' >page
	has page 'keep\+0x'
	"$heaptap" top $! >report
	has report ' keep$'
	exec 7>&-
	stop_daemon
}

test_kernels_that_restrict_memfds() {
	need curl dot
	[ -e /proc/sys/vm/memfd_noexec ] || skip "this kernel has no vm.memfd_noexec"
	for level in 1 2; do
		export level
		inside restricted
	done
}

run_tests
