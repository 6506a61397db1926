#!/bin/bash
# tests/hazards/paused_collector.sh - the collector stands still while eight threads fill the ring many times over:
# the totals per stack are exact all the same, only the moments are lost, and the snapshot says of how many events.

. "$(dirname "$0")/../lib.sh"

PAIRS=250000

# Oracle: the victim's source.  Thread's i-th block comes from function i % 7; every 1000th stays.
cat >"$top/oracle.py" <<'P'
import sys
sys.path.insert(0, sys.argv[1])
import snapshot
snap, pairs = snapshot.read(sys.argv[2]), int(sys.argv[3])
want = sorted((8 * len(range(k, pairs, 7)), 8 * sum(i % 1000 != 0 for i in range(k, pairs, 7))) for k in range(7))
got = []
for frames, v in snap["stacks"]:
    count, bytes = v["alloc_count"] / 65536, v["alloc_bytes"] / 256
    if count >= 1000 and bytes == 100 * count:
        got.append((count, v["free_count"] / 65536))
        assert v["free_bytes"] / 256 == 100 * v["free_count"] / 65536, "bytes freed"
assert sorted(got) == want, "%r is not %r" % (sorted(got), want)
assert snap["audit"]["spilled"] > 0, "nothing was spilled: the ring never filled up"
assert snap["audit"]["untracked"] == snap["audit"]["corrupt"] == snap["audit"]["spill_full"] == 0
P

paused() { # OPTIONS...
	local pid
	mkfifo in
	"$heaptap" run -i 0 -r 1 -o . "$@" -- "$victims/eight_threads" $PAIRS <in >out 2>err &
	pid=$!
	exec 7>in
	wait_for 60 grep -q ready out
	kill -STOP $pid
	echo go >&7
	wait_for 300 grep -q 'done' out
	kill -CONT $pid
	exec 7>&-
	wait $pid || fail "exit status $?: $(cat err)"
	python3 -B "$top/oracle.py" "$e2e" "$(last_snapshot "$(run_dir .)")" $PAIRS
	has err 'events? w(as|ere) counted without the moment'
}

test_a_full_ring_costs_time_resolution_and_no_total() {
	paused
}

test_waiting_for_a_dead_collector_ends_and_costs_no_total() {
	paused --on-full=wait
}

test_on_full_takes_two_words() {
	refuses 2 "on-full is spill or wait, not 'drop'" "$heaptap" run --on-full=drop true
}

run_tests
