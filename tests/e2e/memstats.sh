#!/bin/bash
# tests/e2e/memstats.sh - the lines of runtime.MemStats for a running native program, against /proc.
. "$(dirname "$0")/../lib.sh"

# "steady" under heaptap run, keeping 64 MB in blocks of 1 MB; its pid in $pid.
start() { # RATE
	mkfifo in
	"$heaptap" run -q -i 0 -r "$1" -o "$PWD" -- "$victims/steady" 64 <in >answers &
	collector=$!
	exec 7>in
	echo 10 >&7
	wait_for 60 [ -s answers ]
	pid=$(run_dir .)
	pid=${pid##*.}
}

stop() {
	exec 7>&-
	wait "$collector"
}

stat_of() { # NAME [FILE]
	sed -n "s/^# $1 = //p" "${2-text}"
}

field() { # NAME: of /proc/PID/status, in bytes
	echo $(($(sed -nE "s/^$1:\s+([0-9]+) kB/\1/p" "/proc/$pid/status") * 1024))
}

test_of_a_running_program() {
	start 1
	"$heaptap" export --gotext text "$pid"
	is "$(stat_of Alloc)" $((64 << 20)) Alloc
	is "$(stat_of TotalAlloc)" $((74 << 20)) TotalAlloc
	is "$(stat_of Mallocs)" $((64 + 10240)) Mallocs
	is "$(stat_of HeapInuse)" "$(stat_of Alloc)" HeapInuse
	is $(($(stat_of HeapSys) + $(stat_of OtherSys))) "$(field VmData)" VmData
	is "$(stat_of Stack)" "$(field VmStk) / $(field VmStk)" Stack
	is "$(stat_of Sys)" $(($(field VmData) + $(field VmStk))) Sys
	is $(($(stat_of HeapIdle) + $(stat_of HeapInuse))) "$(stat_of HeapSys)" HeapSys
	# Blocks of 1 MB were never touched but for their headers: they are no memory.
	[ "$(stat_of HeapSys)" -ge $((64 << 20)) ] || fail "HeapSys $(stat_of HeapSys)"
	[ "$(stat_of HeapSys)" -le $((80 << 20)) ] || fail "HeapSys $(stat_of HeapSys): heaptap's own tables are in it"
	[ "$(stat_of HeapReleased)" -le "$(stat_of HeapIdle)" ] || fail 'more released than idle'
	[ $(($(stat_of MaxRSS) + (1 << 20))) -ge "$(field VmRSS)" ] || fail "MaxRSS $(stat_of MaxRSS), VmRSS $(field VmRSS)"
	has text '^# heaptap: .* are exact counts$'
	has text '^# heaptap: resident memory: [0-9]+ bytes of the process alone'
	has text '^# heaptap: anonymous memory: [0-9]+ bytes, [0-9]+ of them swapped; objects in use are more: what was never touched'
	stop
}

test_total_is_counted_when_sampled() {
	start 512K
	"$heaptap" export --gotext text "$pid"
	[ "$(stat_of TotalAlloc)" -le $((74 << 20)) ] || fail "TotalAlloc $(stat_of TotalAlloc)"
	[ "$(stat_of TotalAlloc)" -ge $((73 << 20)) ] || fail "TotalAlloc $(stat_of TotalAlloc)"
	has text '^# heaptap: TotalAlloc is a count; running threads may have allocated 1048576 bytes more$'
	has text '^# heaptap: Alloc \(\+- [0-9]+\), Mallocs, Frees, HeapObjects are estimates'
	stop
	"$heaptap" export --gotext text "$(run_dir .)"
	is "$(stat_of TotalAlloc)" $((74 << 20)) 'TotalAlloc at the end'
	has text '^# heaptap: TotalAlloc is an exact count$'
	is "$(stat_of Sys)" 0
	is "$(stat_of MaxRSS)" 0
	has text '^# heaptap: Sys, .* MaxRSS are not known: only a running process'
}

test_an_old_snapshot_of_a_running_program_says_nothing_of_now() {
	start 1
	"$heaptap" snapshot "$pid" >saved
	"$heaptap" export --gotext text "$(tail -n 1 saved)"
	is "$(stat_of Alloc)" $((64 << 20)) Alloc
	is "$(stat_of Sys)" 0
	has text 'not known: only a running process'
	stop
}

run_tests
