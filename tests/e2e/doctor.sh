#!/bin/bash
# tests/e2e/doctor.sh - heaptap doctor: each thing it looks at is broken once, and it says which and what to do.
. "$(dirname "$0")/../lib.sh"
need python3
daemon=$HEAPTAP_BUILD/heaptap-collectord

# The result of one check, its text and advice.
finds() { # CHECK RESULT REGEX COMMAND...
	local check=$1 result=$2 regex=$3
	shift 3
	status_of findings.json doctor.err timeout -s KILL 60 "$@" doctor --json "${doctored[@]}"
	is "$(<doctor.err)" '' "stderr"
	python3 - "$check" "$result" "$regex" "$status" <<'END'
import json, re, sys
check, result, regex, status = sys.argv[1:]
all = json.load(open("findings.json"))
one = next((f for f in all if f["check"] == check), None)
if not one:
    sys.exit(f"no finding about {check}: {all}")
if one["result"] != result or not re.search(regex, one["text"]):
    sys.exit(f"{one}, expected {result} and /{regex}/")
if (one["advice"] == "") != (result == "ok"):
    sys.exit(f"{one}: advice")
failed = [f for f in all if f["result"] == "fail"]
if (int(status) == 1) != bool(failed) or int(status) > 1:
    sys.exit(f"exit status {status} with {failed}")
END
}
doctored=()

number() { # SYSTEM-CALL...: their numbers here
	local name
	for name; do
		printf '#include <sys/syscall.h>\nSYS_%s\n' "$name" | gcc -E -P - | tail -n 1
	done | grep -E '^[0-9]+$' | paste -sd,
}

test_all_is_well_here() {
	"$heaptap" doctor >lines || fail "exit status $?: $(<lines)"
	has_not lines '^fail'
	has lines '^ok    kernel          Linux [0-9]'
	has lines '^ok    library         /.*libheaptap.so$'
	has lines '^ok    library loads '
	is "$(ls -A)" lines "what it left here"
}

test_system_calls_that_are_refused() {
	finds io_uring warn 'refuses an event loop \(uring\).*not permitted' "$victims/denied" "$(number io_uring_setup)" "$heaptap"
	is "$status" 0 "exit status without io_uring"
	finds memfd fail 'not permitted' "$victims/denied" "$(number memfd_create)" "$heaptap"
	finds pidfd fail 'not permitted' "$victims/denied" "$(number pidfd_open)" "$heaptap"
	finds container ok 'filtered \(seccomp\)' "$victims/denied" "$(number pidfd_open)" "$heaptap"
	finds 'socket place' fail '/tmp: .*not permitted' "$victims/denied" "$(number mkdir mkdirat)" "$heaptap"
}

test_limits() {
	(ulimit -n 100 && finds limits warn 'at most 100 open files' "$heaptap")
	(ulimit -f 1000 && finds limits warn 'files end at' "$heaptap")
	(ulimit -v 3000000 && finds limits warn 'address space ends' "$heaptap")
	finds pictures warn 'no .dot. in PATH' env PATH="$PWD" "$heaptap"
}

test_proc_that_is_not_there() {
	unshare -m true 2>/dev/null || skip "no mount namespaces here"
	finds proc fail '/proc/self/maps cannot be read' unshare -m sh -c 'mount -t tmpfs none /proc && exec "$@"' - "$heaptap"
}

test_library() {
	finds library fail 'HEAPTAP_LIB=/none: No such file' env HEAPTAP_LIB=/none "$heaptap"
	chmod 711 "$top" .
	mkdir lib
	cp "$shim" lib/
	finds 'library loads' "$([ "$(id -u)" -eq 0 ] && echo ok || echo warn)" . env HEAPTAP_LIB="$PWD/lib/libheaptap.so" "$heaptap"
	# Closed to others is no failure for who asks.
	chmod 700 lib
	finds 'library loads' warn 'your programs can load it, those of other users cannot: .*/lib is closed' env HEAPTAP_LIB="$PWD/lib/libheaptap.so" "$heaptap"
	is "$status" 0
	chmod 711 lib
	[ "$(id -u)" -eq 0 ] || skip "only root can be several users"
	chmod 700 lib
	status_of lines err setpriv --reuid 50001 --regid 50001 --clear-groups env HEAPTAP_LIB="$PWD/lib/libheaptap.so" "$heaptap" doctor
	is "$status" 1
	has lines '^fail  library '
}

# What to do about a collector that is not there depends on who would start it.
test_absent_collector() {
	unshare -m true 2>/dev/null || skip "no mount namespaces here"
	local units='/etc/systemd /usr/local/lib/systemd /usr/lib/systemd'
	# shellcheck disable=SC2016 # the inner shell's
	local inside='mount -t tmpfs none /run && for d in $0; do [ ! -d $d ] || mount -t tmpfs none $d; done && eval "$1" && exec "${@:2}"'
	finds collector warn 'collector.sock: not there, and systemd, .*does not run here$' unshare -m bash -c "$inside" "$units" true "$heaptap"
	finds collector warn 'not there: the service is not installed$' unshare -m bash -c "$inside" "$units" 'mkdir -p /run/systemd/system' "$heaptap"
	finds collector warn 'heaptap-collectord.socket is not started$' unshare -m bash -c "$inside" "$units" \
		'mkdir -p /run/systemd/system && touch /run/systemd/system/heaptap-collectord.socket' "$heaptap"
	is "$status" 0
	# As somebody who has no part in what other tests do.
	[ "$(id -u)" -eq 0 ] || skip "only root can be several users"
	chmod 711 "$top" .
	local nobody=(setpriv --reuid 50017 --regid 50017 --clear-groups)
	"${nobody[@]}" "$heaptap" --version || skip "other users do not get to the build"
	status_of out err unshare -m bash -c "$inside" "$units" true "${nobody[@]}" "$heaptap" ps
	is "$status" 1
	has err '^heaptap: no collector is running: not at /run/heaptap/collector.sock, and no `heaptap run` of yours; '
	status_of out err unshare -m bash -c "$inside" "$units" true "${nobody[@]}" env HEAPTAP_SOCKET=/none "$heaptap" ps
	is "$status" 1
	has err 'not at /none, not at /run/heaptap/collector.sock, and'
	status_of out err unshare -m bash -c "$inside" "$units" true "${nobody[@]}" "$heaptap" snapshot nosuch
	is "$status" 1
	has err '^heaptap: nosuch: no program is recorded: no collector is running; see `heaptap doctor`'
}

test_collector() {
	doctored=(--socket "$PWD/none")
	finds collector fail 'none: No such file' "$heaptap"
	: >file
	doctored=(--socket "$PWD/file")
	finds collector fail 'not a socket' "$heaptap"
	doctored=(--socket "$top/s")
	"$daemon" --socket "$top/s" --state state --rate 1 --interval 0 --max-sessions 1 2>daemon.log &
	local pid=$! program
	wait_for 60 grep -q listening daemon.log
	finds collector ok 'answers, 0 programs' "$heaptap"
	mkfifo in
	HEAPTAP_WAIT_MS=10000 HEAPTAP_SOCKET=$top/s LD_PRELOAD=$shim "$victims/steady" 1 <in &
	program=$!
	exec 7>in
	wait_for 60 grep -q "session 1: pid $program" daemon.log
	doctored=(--socket "$top/s" "$program")
	finds recorded ok "process $program is known" "$heaptap"
	finds program ok 'steady can be recorded' "$heaptap"
	HEAPTAP_WAIT_MS=10000 HEAPTAP_SOCKET=$top/s LD_PRELOAD=$shim "$victims/steady" 1 </dev/null
	finds collector warn '1 programs met a limit' "$heaptap"
	kill -STOP $pid
	finds collector fail 'does not answer' "$heaptap"
	kill -CONT $pid
	kill -TERM $pid
	wait $pid
	finds collector fail 'No such file' "$heaptap"
	finds recorded fail 'has libheaptap.so, but no collector' "$heaptap"
}

# As nginx's master is: nothing of it was sampled since it was forked.
test_child_that_waits_for_its_first_sample() {
	local child
	"$daemon" --socket "$top/s" --state state --interval 0 2>daemon.log &
	local pid=$!
	wait_for 60 grep -q listening daemon.log
	GO=$top/go HEAPTAP_WAIT_MS=10000 HEAPTAP_SOCKET=$top/s LD_PRELOAD=$shim "$victims/daemonize" "$top/counts"
	child=$(pgrep -f -- "daemonize $top/counts")
	doctored=(--socket "$top/s" "$child")
	finds recorded warn "process $child has attached, but no collector knows it, perhaps not yet" "$heaptap"
	touch "$top/go"
	wait_for 60 grep -q . "$top/counts"
	kill -TERM $pid
	wait $pid
}

test_programs() {
	doctored=(/sbin/ldconfig)
	finds program fail 'statically linked' "$heaptap"
	doctored=(nosuchprogram)
	finds program fail 'not found in PATH' "$heaptap"
	doctored=(4194305)
	finds process fail 'no process 4194305' "$heaptap"
	sleep 1000 &
	doctored=($!)
	finds recorded fail 'runs without libheaptap.so' "$heaptap"
	kill %%
	doctored=("$victims/steady")
	finds symbols ok 'lines' "$heaptap"
	strip -o stripped "$victims/steady"
	doctored=(./stripped)
	finds symbols warn '1 exported names only, like .*stripped' "$heaptap"
	strip -g -o without_lines "$victims/steady"
	doctored=(./without_lines)
	finds symbols warn '1 names only' "$heaptap"
}

test_another_user() {
	[ "$(id -u)" -eq 0 ] || skip "only root can be several users"
	chmod 711 "$top" .
	setpriv --reuid 50001 --regid 50001 --clear-groups "$heaptap" --version || skip "other users do not get to the build"
	chmod 777 .
	finds group ok 'your own programs' setpriv --reuid 50001 --regid 50001 --clear-groups "$heaptap"
	chmod 755 .
	finds 'this directory' warn 'denied' setpriv --reuid 50001 --regid 50001 --clear-groups "$heaptap"
	finds 'library loads' ok . setpriv --reuid 50001 --regid 50001 --clear-groups "$heaptap"
}

test_bad_options() {
	refuses 2 'doctor: b: one PROGRAM or PID at a time' "$heaptap" doctor a b
	refuses 2 'unknown option' "$heaptap" doctor --frobnicate
}

run_tests
