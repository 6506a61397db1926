#!/bin/bash
# tests/hazards/fork_exact.sh - forked children are processes of their own: what each counts for itself is its profile.
# Seen red: where threads of a child waited for its entry, or compared places only (storm); without sampler.writing
# (fork in a handler); with the nearest recorded ancestor for a parent; bare clones: tests/unit/shim_child.c.
. "$(dirname "$0")/../lib.sh"
need python3
processes=$HEAPTAP_SOURCE/tests/hazards/processes.py

# The program's own output goes to OUT.  At T = 1.
traced() { # OUT DIR COMMAND...
	local out=$1 dir=$2
	shift 2
	status_of "$out" err timeout -s KILL 300 "$heaptap" run -i 0 -r 1 -o "$dir" -- "$@"
	cat err
	is "$status" 0 "exit status"
}

test_storm_from_eight_threads_is_exact_in_every_process() {
	traced out storm "$victims/fork_exact"
	"$processes" check storm out 121
	is "$(lines out)" "$(find storm -name '*.heaptap' | wc -l)" "one snapshot a process"
	has err '^heaptap: [0-9]+ processes in all: '
	has err 'fork_exact \(pid [0-9]+, forked by [0-9]+\): peak '
}

test_children_name_their_parents() {
	traced out storm "$victims/fork_exact"
	"$processes" sums storm >sums
	main=$(sort -n <out | awk 'FNR == NR { known[$1] = $2; next } END { for (p in known) if (!(known[p] in known)) print p }' - /dev/null)
	awk -v main="$main" 'FNR == NR { parent[$1] = $2; next } $1 != main && parent[$1] != $2 { print "wrong:", $0 }' out sums >wrong
	same_files wrong /dev/null
}

test_handler_that_forks_anywhere_leaves_the_parent_exact() {
	traced out handler "$victims/fork_handler"
	"$processes" check handler out
}

# 256 of them: marks of generations begin again on the way.
test_long_line_of_silent_generations_knows_what_its_ancestors_left() {
	traced out chain "$victims/fork_chain"
	"$processes" check chain out
	is "$(find chain -name '*.heaptap' | wc -l)" 3 "processes that said anything"
}

test_bare_clone_is_passive_and_harmless() {
	traced out clone "$victims/raw_clone"
	"$processes" check clone out
	is "$(find clone -name '*.heaptap' | wc -l)" 1 "processes recorded"
}

test_children_in_their_parents_memory_count_as_the_parent() {
	traced out vfork "$victims/vfork_storm"
	"$processes" check vfork out
	find vfork -name '*.heaptap' -path '*vfork_storm.*/vfork_storm.*/*' >children
	same_files children /dev/null
}

run_tests
