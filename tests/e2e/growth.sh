#!/bin/bash
# tests/e2e/growth.sh - `heaptap growth` over the snapshots of a program whose stacks grow in known ways.
. "$(dirname "$0")/../lib.sh"

steps=6

# A snapshot after each step, in $top/grown.
setup() {
	local pid i
	mkdir grown
	mkfifo stdin
	"$heaptap" run -i 0 -r 1 -o "$PWD/grown" -- "$victims/grows" <stdin >grown/stdout 2>grown/stderr &
	pid=$!
	exec 7>stdin
	for ((i = 1; i <= steps; i++)); do
		echo >&7
		wait_for 60 grep -q "^step $i$" grown/stdout
		snapshot_now $pid grown >/dev/null
	done
	exec 7>&-
	wait $pid
	cp -r "$(run_dir grown)" run
}

# Label and in-use values of the stack whose leaf is FUNCTION.
row_of() { # FUNCTION FILE
	awk -v name="$1" 'index($1, name) == 1 && NF == 2 { print before; exit } { before = $0 }' "$2"
}

test_stacks_are_called_what_they_are() {
	"$heaptap" growth "$top/run" -all -unit=B >out
	has <(sed -n 1p out) "^grows \(pid [0-9]+\): $steps snapshots over "
	has <(row_of leaks out) '^leak +1.95kB -> 123.05kB, \+[0-9.]+[kMG]?B/s, 126 objects of mean age '
	has <(row_of fills_cache out) '^plateau +0 -> 48.83kB, .* 1 object of'
	has <(row_of spikes out) '^spike +0 -> 0, at most 2.86MB, '
	has <(row_of is_steady out) '^steady +68.36kB -> 68.36kB, 0/s, 1 object of'
	has out '^Stacks: 1 leak, 1 plateau, 1 spike'
	# Leaks first.
	is "$(grep -oE '^(leak|plateau|spike|steady)' out | uniq | head -n 3 | tr '\n' ' ')" 'leak plateau spike '
	# Whole stacks, with lines.
	has out '^          main .*grows.c:[0-9]+$'
}

test_values_are_those_of_the_snapshots() {
	local first last
	first=$("$heaptap" top -unit=B "$top/run@1" | awk '$NF == "leaks" { print $1 }')
	last=$("$heaptap" top -unit=B "$top/run@$steps" | awk '$NF == "leaks" { print $1 }')
	is "$first $last" '2000B 126000B'
}

test_what_does_not_grow_is_not_shown_unless_asked_for() {
	"$heaptap" growth "$top/run" >out
	is "$(row_of is_steady out)" ''
	"$heaptap" growth -nodecount=1 "$top/run" >out
	has out '^leak '
	has_not out '^plateau '
	has out '^[0-9]+ more; -nodecount=0 shows all$'
	"$heaptap" growth -ignore=leaks "$top/run" >out
	has out '^Stacks: 0 leak, 1 plateau, 1 spike'
	"$heaptap" growth -sample_index=inuse_objects -focus=leaks "$top/run" >out
	has out '^leak +2 -> 126, '
}

test_suppressions_of_leak_sanitizer() {
	cat >supp <<-'END'
		# a comment

		leak:^leaks$
		leak:nosuch
		leak:^cache
		leak:*cache$
		leak:spik*s
	END
	"$heaptap" growth -all --suppressions=supp "$top/run" >out
	has out '^Stacks: 0 leak, .* 3 suppressed$'
	has out '^Suppressions used:$'
	has out '^    126     126000 \^leaks\$$'
	has out '^      1      50000 \*cache\$$'
	has out '^      0          0 spik\*s$'
	has_not out 'nosuch|\^cache'
	echo 'leak:grows.c' >supp
	"$heaptap" growth --suppressions=supp "$top/run" >out
	has out '^Stacks: 0 leak'
	echo 'leak:/grows$' >supp
	"$heaptap" growth --suppressions=supp "$top/run" >out
	has out '^Stacks: 0 leak'
	printf 'leak:x\nrace:y\n' >supp
	refuses 1 'supp:2: race:y: write leak:TEMPLATE' "$heaptap" growth --suppressions=supp "$top/run"
	refuses 1 'nosuch: No such file' "$heaptap" growth --suppressions=nosuch "$top/run"
}

test_too_few_and_damaged_snapshots() {
	mkdir few
	cp "$top"/run/000[12]-* few
	refuses 1 'few: 2 snapshots; a trend takes 3' "$heaptap" growth few
	cp "$top"/run/000[3-6]-* few
	truncate -s 100 few/0002-*
	"$heaptap" growth few >out 2>err
	is "$(lines err)" 1
	has err '^heaptap: few/0002-.*; left out$'
	has out ': 5 snapshots over '
	mkdir none
	refuses 1 'none: no snapshot' "$heaptap" growth none
	refuses 2 'which SOURCE' "$heaptap" growth
	refuses 2 'leave out -base' "$heaptap" growth -base=few few
}

# What the process was before exec is another program.
test_only_the_last_program_of_a_process_counts() {
	mkdir both
	"$heaptap" run -q -i 0 -r 1 -o shell -- sh -c 'exec true'
	local file n=0
	for file in shell/heaptap.*/*; do
		n=$((n + 1))
		cp "$file" "both/000$n-timer.heaptap"
	done
	[ $n -ge 1 ] || skip "true allocates nothing"
	for file in "$top"/run/*.heaptap; do
		cp "$file" "both/1$(basename "$file")"
	done
	"$heaptap" growth both >out 2>err
	has out "^grows \(pid [0-9]+\): $steps snapshots over "
	has out '^Stacks: 1 leak, 1 plateau, 1 spike'
	has err "^heaptap: both: $n snapshots? of what the process was before it executed grows"
}

# The end of the program counts if there is little else.
test_exit_is_no_moment_of_its_life() {
	mkdir ended
	cp "$top"/run/000[1-2]-* "$top"/run/*-exit.heaptap ended
	"$heaptap" growth ended >out
	has out ': 3 snapshots over '
	has out '^[a-z]+ +1.95kB -> 123.05kB, '
}

run_tests
