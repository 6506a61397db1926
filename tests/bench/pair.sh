#!/bin/bash
# tests/bench/pair.sh - what one malloc and its free cost: nanoseconds in four ways, instructions added by callgrind.
#
# usage: tests/bench/pair.sh [BUILD]     The instructions are those of 20000 pairs less those of 10000, divided: start
# and end of the program drop out.  They are exact; the library has no collector in that run, so nothing is sampled.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$PWD/${1:-build}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

echo 'malloc(48) and free, least of many rounds: bare; libheaptap.so alone; sampled; exact'
"$build/tests/bench/malloc_pair"
LD_PRELOAD=$build/libheaptap.so HEAPTAP_SOCKET=$dir/none "$build/tests/bench/malloc_pair"
"$build/heaptap" run -q -i 0 -- "$build/tests/bench/malloc_pair"
"$build/heaptap" run -q -i 0 -r 1 -- "$build/tests/bench/malloc_pair"

instructions() { # PAIRS [PRELOAD]
	LD_PRELOAD=${2:-} HEAPTAP_SOCKET=$dir/none valgrind --tool=callgrind --callgrind-out-file=/dev/null \
		"$build/tests/victims/work_pairs" 1 "$1" 2>&1 | sed -n 's/.*Collected : \([0-9]*\).*/\1/p'
}

command -v valgrind >/dev/null || { echo 'no valgrind: instructions not counted' && exit 0; }
bare=$(($(instructions 20000) - $(instructions 10000)))
shim=$(($(instructions 20000 "$build/libheaptap.so") - $(instructions 10000 "$build/libheaptap.so")))
awk -v b=$bare -v s=$shim 'BEGIN {
	printf "instructions of a pair of 16 to 4096 bytes: %.2f bare, %.2f with the library, %.2f added\n",
	       b / 10000, s / 10000, (s - b) / 10000 }'
