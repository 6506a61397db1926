#!/bin/bash
# tests/hazards/twice.bash - runs any command bare and traced and compares all that can be seen; sourced, never run.
#
# unseen COMMAND... runs it in an empty directory ./w, the same path each time: bare, then under `heaptap run -r 1`, at
# the default rate, and preloaded beside a daemon at rate 1.  Compared: exit status, stdout, stderr, the files it
# leaves, and what tests/tools/witness.so.c writes down at start and end of every process: descriptors, threads, signal
# mask and handlers, alternate stack, environment, limits, errno, rights.  What differs between two bare runs
# (pids, times, temporary names) is not skipped but rewritten, by the sed -E script in $normalise.
# Knobs: prepare() fills ./w; a file ./stdin is the input; $ways picks the kinds; unlike=files leaves files out;
# order=-u compares the processes as a set, where the clock decides how many there are of a kind.
# shellcheck disable=SC2034,SC2154 # lib.sh's variables
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
daemon=$HEAPTAP_BUILD/heaptap-collectord
witness=$HEAPTAP_BUILD/tests/tools/witness.so
ways='exact sampled attached'
normalise=
# What bash says of a killed child: its pid; of a killed command itself: how we start it.
always='/twice\.bash: line [0-9]+: +[0-9]+ /d; s/(line [0-9]+:) +[0-9]+ /\1 PID /'
unlike=
order=

prepare() {
	:
}

# A daemon at rate 1 for the scripts that source this: its pid in $daemon_pid, its socket $top/sock.
start_daemon() {
	mkdir -p "$top/state"
	"$daemon" --socket "$top/sock" --state "$top/state" --rate 1 --interval 0 >"$top/daemon.log" 2>&1 8>&- &
	daemon_pid=$!
	echo $daemon_pid >"$top/daemon.pid"
	wait_for 20 [ -S "$top/sock" ]
}

stop_daemon() {
	[ ! -f "$top/daemon.pid" ] || kill "$(<"$top/daemon.pid")" 2>/dev/null || true
}
trap 'stop_daemon; rm -rf "$top"' EXIT

# How a command is started in each way; HEAPTAP_WAIT_MS, so that a slow machine is no reason to be passive.
start_bare() {
	env LD_PRELOAD="$witness" "$@"
}

start_exact() {
	env LD_PRELOAD="$witness" "$heaptap" run -q -i 0 -r 1 -o "$here/exact.heap" -- "$@"
}

start_sampled() {
	env LD_PRELOAD="$witness" "$heaptap" run -q -i 0 -o "$here/sampled.heap" -- "$@"
}

start_attached() {
	env HEAPTAP_WAIT_MS=10000 HEAPTAP_SOCKET="$top/sock" LD_PRELOAD="$shim:$witness" "$@"
}

# One run, kept as $way.status, .out, .err, .records, .files/
look() { # WAY COMMAND...
	local way=$1 here=$PWD input=/dev/null start=start_$1 status=0
	shift
	[ ! -e stdin ] || input=$here/stdin
	rm -rf w "$way".*
	local normalise="$always; $normalise"
	mkdir -p w "$way.heap"
	chmod 777 w "$way.heap"
	(cd w && prepare >/dev/null 2>&1)
	: >"$way.raw"
	chmod 666 "$way.raw"
	(cd w && exec 8>&- && WITNESS=$here/$way.raw "$start" "$@") <"$input" >out 2>err || status=$?
	echo $status >"$way.status"
	settle "$way.raw"
	mv w "$way.files"
	# shellcheck disable=SC2086 # no order is no word
	grep -avF "[$heaptap run " "$way.raw" | sed -E "s|$way\.raw|RECORDS|g; $normalise" | sort $order >"$way.records"
	sed -E "$normalise" out >"$way.out"
	sed -E "$normalise" err >"$way.err"
}

# Background processes of the command may still be ending.
settle() { # FILE: until nobody has it in their environment any more
	local n=0
	while pgrep_env "WITNESS=$PWD/$1" && [ $n -lt 100 ]; do
		n=$((n + 1))
		sleep 0.1
	done
}

pgrep_env() { # WORD
	grep -lazsF -e "$1" /proc/[0-9]*/environ >/dev/null
}

# "-word", "+word", each after the command line of the process it is about.
differing_words() { # FILE FILE
	diff -a -U 100000 <(tr ' ' '\n' <"$1") <(tr ' ' '\n' <"$2") |
		awk 'NR < 4 { next }
		     /^[ +-](start|exit|_exit)$/ { who = ""; n = 0 } n++ < 12 { who = who " " substr($0, 2) }
		     /^[+-]/ { print $0 "   in" who }'
}

compare() { # WAY
	local way=$1 part
	for part in status out err; do
		same_files "$way.$part" "bare.$part"
	done
	if ! cmp -s "$way.records" bare.records; then
		differing_words bare.records "$way.records" | head -n 40 >&2
		fail "$way: what its processes see of themselves differs (- bare, + traced)"
	fi
	[ "$unlike" = files ] || diff -r --no-dereference bare.files "$way.files" >files.diff 2>&1 || {
		head -n 20 files.diff >&2
		fail "$way: the files it leaves differ"
	}
}

# It was really watched, or the comparison says nothing.
was_traced() { # WAY
	[ "$1" = attached ] || find "$1.heap" -name '*.heaptap' | grep -q . || fail "$1: nothing was recorded: $(cat "$1.err")"
	[ "$1" != attached ] || wait_for 20 more_snapshots
}

more_snapshots() {
	[ "$(snapshots_of_daemon)" -gt "$seen_before" ]
}

snapshots_of_daemon() {
	find "$top/state" -name '*.heaptap' | wc -l
}

unseen() { # COMMAND...
	local way seen_before
	look bare "$@"
	for way in $ways; do
		seen_before=$(snapshots_of_daemon)
		look "$way" "$@"
		compare "$way"
		was_traced "$way"
	done
}
