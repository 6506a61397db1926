#!/bin/bash
# tests/lib.sh - what the shell tests share; sourced by tests/*/*.sh, never run.
#
# A script defines functions test_what_must_hold and ends with run_tests.  Each runs under set -e in a subshell, in an
# empty directory of its own; the first failing command fails it.  A function setup, if defined, runs once before
# them in the script's directory $top.  Skips: skip "reason" in a test, or before run_tests for the whole script.
# tests/run gives TMPDIR, TEST_RESULTS, TEST_NAME and HEAPTAP_BUILD; a script also runs by hand, then into stdout.
# shellcheck disable=SC2034 # its variables are for the scripts
set -u
shopt -s inherit_errexit

: "${HEAPTAP_SOURCE:=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}"
: "${HEAPTAP_BUILD:=$HEAPTAP_SOURCE/build}"
: "${TEST_NAME:=$(basename "$0" .sh)}"
if [ -n "${TEST_RESULTS-}" ]; then
	exec 8>>"$TEST_RESULTS"
else
	exec 8>&1
fi
export LC_ALL=C.UTF-8
# Debian's programs, whatever else this machine has.
export PATH=/usr/bin:/bin:/usr/sbin:/sbin
script=$(realpath "$0")
heaptap=$HEAPTAP_BUILD/heaptap
shim=$HEAPTAP_BUILD/libheaptap.so
victims=$HEAPTAP_BUILD/tests/victims
e2e=$HEAPTAP_SOURCE/tests/e2e
top=$(mktemp -d)
trap 'rm -rf "$top"' EXIT
cd "$top" || exit 1

skip() { # REASON
	echo "$*"
	exit 77
}

need() { # PROGRAM...
	local p
	for p; do
		command -v "$p" >/dev/null || skip "no $p on this machine"
	done
}

fail() { # REASON: ends the test
	echo "FAILED: $*" >&2
	exit 1
}

# The same text, or a diff and failure.
is() { # ACTUAL EXPECTED [WHAT]
	[ "$1" = "$2" ] || fail "${3:-value}: got '$1', expected '$2'"
}

same_files() { # ACTUAL EXPECTED
	cmp -s "$1" "$2" && return
	diff -a "$2" "$1" | head -n 20 >&2
	fail "$1 differs from $2"
}

has() { # FILE REGEX
	grep -qE -e "$2" "$1" && return
	cat "$1" >&2
	fail "no line of $1 matches /$2/"
}

has_not() { # FILE REGEX
	if grep -E -e "$2" "$1" >&2; then
		fail "$1 matches /$2/"
	fi
}

lines() { # FILE
	wc -l <"$1"
}

# Wait until a command succeeds; polls, because what is awaited is a file's content.
wait_for() { # SECONDS COMMAND...
	local end=$((SECONDS + $1))
	shift
	until "$@" 2>/dev/null; do
		[ $SECONDS -lt $end ] || fail "not within the time: $*"
		sleep 0.05
	done
}

# Exit status of a command under set -e, in $status; its output in files.
status_of() { # STDOUT STDERR COMMAND...
	local out=$1 err=$2
	shift 2
	status=0
	"$@" >"$out" 2>"$err" || status=$?
}

# One line on stderr that names what is wrong, nothing on stdout, and an exit status that matches.
refuses() { # STATUS-REGEX REGEX COMMAND...
	local expected=$1 regex=$2
	shift 2
	status_of refuse.out refuse.err "$@" </dev/null
	[[ $status =~ ^$expected$ ]] || fail "exit status of $*: $status, expected $expected: $(cat refuse.err)"
	is "$(lines refuse.err)" 1 "lines on stderr of $* ($(cat refuse.err))"
	has refuse.err '^heaptap: '
	has refuse.err "$regex"
	is "$(cat refuse.out)" '' "stdout of $*"
}

# The newest snapshot of a directory (by the collector's numbering).
last_snapshot() { # DIR
	find "$(realpath "$1")" -maxdepth 1 -name '*.heaptap' | sort | tail -n 1
}

# The only run directory below DIR.
run_dir() { # DIR
	local found
	found=$(find "$1" -maxdepth 1 -type d -name 'heaptap.*')
	[ "$(grep -c . <<<"$found")" -eq 1 ] || fail "not one heaptap.* in $1: $found"
	echo "$found"
}

# Run a program plainly and under heaptap; stdout and exit status must be equal.  The profile is in DIR/heaptap.*
same_with_heaptap() { # DIR RATE COMMAND...  (stdin: file DIR.stdin if it exists)
	local dir=$1 rate=$2 plain=0 traced=0 input=/dev/null
	shift 2
	mkdir -p "$dir"
	[ ! -e "$dir.stdin" ] || input=$dir.stdin
	"$@" <"$input" >"$dir/plain.out" 2>"$dir/plain.err" || plain=$?
	"$heaptap" run -q -i 0 -r "$rate" -o "$dir" -- "$@" <"$input" >"$dir/traced.out" 2>"$dir/traced.err" || traced=$?
	is "$traced" "$plain" "exit status"
	same_files "$dir/traced.out" "$dir/plain.out"
}

# A program that creates the file $READY at the known point, then waits for the end of stdin; its books at that
# moment, by SIGUSR1.  Leaves DIR/stdout and DIR/stderr; prints the snapshot's path.
snapshot_when_ready() { # DIR RATE INPUT COMMAND...
	local dir=$1 rate=$2 input=$3 pid file
	shift 3
	mkdir -p "$dir"
	mkfifo "$dir/stdin"
	READY=$PWD/$dir/ready "$heaptap" run -i 0 -r "$rate" -o "$PWD/$dir" -- "$@" <"$dir/stdin" >"$dir/stdout" 2>"$dir/stderr" &
	pid=$!
	exec 7>"$dir/stdin"
	cat "$input" >&7
	wait_for 120 [ -e "$dir/ready" ]
	file=$(snapshot_now $pid "$dir")
	exec 7>&-
	wait $pid || fail "$*: exit status $?: $(tail -n 5 "$dir/stderr")"
	echo "$file"
}

# SIGUSR1 to a heaptap run, and the path of the snapshot it announces on DIR/stderr.
snapshot_now() { # PID DIR
	local before
	before=$(grep -c '\.heaptap' "$2/stderr") || true
	kill -USR1 "$1"
	wait_for 30 more_than "$before" '\.heaptap' "$2/stderr"
	grep -oE '[^ ]+\.heaptap' "$2/stderr" | tail -n 1
}

more_than() { # COUNT REGEX FILE
	[ "$(grep -cE "$2" "$3")" -gt "$1" ]
}

# End a heaptap-collectord that this shell started, as a service manager does.
stop_collectord() { # PID
	local status=0
	kill -TERM "$1"
	wait "$1" || status=$?
	is $status 0 "exit status of the daemon"
}

pprof() { # ARG...: Debian's go tool pprof, kept from the network and from the user's files
	env -u DEBUGINFOD_URLS HOME="$top" PPROF_TMPDIR="$top" PPROF_BINARY_PATH="$top" go tool pprof "$@"
}

# A Python oracle that compares with `go tool pprof`, as ORACLE HEAPTAP SEED COUNT in two halves at a time: the tool
# costs more than what it judges.
oracle_agrees() { # ORACLE SEED COUNT
	local half pids=() pid status=0
	for half in a b; do
		mkdir -p "$half"
		(cd "$half" && python3 "$1" "$heaptap" "$2-$half" $(($3 / 2))) >"$half.out" 2>&1 &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || status=1
	done
	cat a.out b.out
	return $status
}

# The same with a seed nobody chose, or the one in the variable NAME; it is printed as NAME=SEED.
oracle_agrees_by_chance() { # ORACLE NAME COUNT
	# pprof itself is at random among equals; whether ours is one of its answers is a matter of how often one asks.
	[ -z "${CI-}" ] || skip "a fresh seed is for people: CI does not depend on chance"
	local seed=${!2:-$RANDOM$RANDOM}
	echo "$2=$seed"
	oracle_agrees "$1" "$seed" "$3"
}

# Function of the first row of a report on stdin (flat flat% sum% cum cum% NAME).
first_row() {
	awk 'found { $1 = $2 = $3 = $4 = $5 = ""; sub(/^ +/, ""); print; exit } $1 == "flat" { found = 1 }'
}

# What `heaptap top` prints is what go tool pprof prints for the export, for every sample type and order, and the
# export's totals are the snapshot's, to the byte.
pprof_agrees() { # SNAPSHOT
	local type flags total
	"$heaptap" export --pprof profile.pb.gz "$1"
	for type in inuse_space inuse_objects alloc_space alloc_objects; do
		for flags in "" -cum -nodecount=5; do
			# shellcheck disable=SC2086 # no flag is no word
			pprof -top -$type $flags profile.pb.gz >expected 2>/dev/null
			# shellcheck disable=SC2086
			"$heaptap" top -$type $flags "$1" >actual
			same_files actual expected
		done
	done
	for type in inuse alloc; do
		total=$(pprof -top -unit=B -sample_index=${type}_space profile.pb.gz 2>/dev/null | sed -nE 's/.* of ([0-9]+)B total.*/\1/p')
		close_to "$total" "$(sum_of "$1" ${type}_bytes)" "$(sum_of "$1" stacks)"
	done
}

# Values of each stack are rounded to whole bytes in a profile: sums may differ by half a byte a stack.
close_to() { # ACTUAL EXPECTED MARGIN
	if [ $(($1 - $2)) -gt "$3" ] || [ $(($2 - $1)) -gt "$3" ]; then
		fail "$1 is not $2 +- $3"
	fi
}

sum_of() { # SNAPSHOT KEY
	"$e2e/snapshot.py" sums "$1" | sed -n "s/^$2 //p"
}

# The frame that most in-use bytes come from is a call, and of the allocator where the target can be read off.
calls_allocator() { # SNAPSHOT
	local path address code
	read -r path address < <("$e2e/snapshot.py" leaf "$1")
	code=$(objdump -d --no-show-raw-insn --start-address=$((address - 12)) --stop-address=$((address)) "$path" | tail -n 1)
	echo "$path $address: $code"
	[[ $code =~ call.*(malloc|calloc|realloc|memalign)@ || $code =~ call.*\* ]] || fail "no call of an allocator"
}

run_one_test() { # FUNCTION
	mkdir -p "$top/$1" && cd "$top/$1" && "$1"
}

run_tests() {
	local test log rc verdict failed=0
	if declare -F setup >/dev/null; then
		(set -e && setup)
		rc=$?
		[ $rc -eq 0 ] || exit $rc
	fi
	while read -r test; do
		log=$top/$test.log
		(set -e && run_one_test "$test") >"$log" 2>&1 </dev/null 8>&-
		rc=$?
		case $rc in
		0) verdict=ok ;;
		77) verdict=skip ;;
		*) verdict=FAIL failed=1 ;;
		esac
		printf '%s %s::%s\t%s\n' $verdict "$TEST_NAME" "${test#test_}" "$([ $rc -ne 77 ] || tail -n 1 "$log")" >&8
		[ $verdict = ok ] || { echo "-- $test: exit status $rc" && cat "$log"; }
	done < <(sed -nE 's/^(test_[a-z0-9_]+)\(\).*/\1/p' "$script")
	exit $failed
}
