#!/bin/bash
# tests/e2e/counted.sh - the count of allocated bytes that sampled profiles carry, against a preload that counts.
#
# tests/tools/requests.so stands behind heaptap and is the allocator; its sums lie in a mapped file and so survive
# every kind of end.  What heaptap counts must not exceed them, nor lack more than it says; where all threads ended
# it must be equal.  Nothing here depends on which allocations chance samples.
. "$(dirname "$0")/../lib.sh"
need python3
oracle=$HEAPTAP_BUILD/tests/tools/requests.so

# Snapshots (or JSON of a live process) and the oracle's sums, process by process.
cat >"$top/check.py" <<'P'
import json, os, struct, sys
sys.path.insert(0, sys.argv[1])
import snapshot
exact, at_least = sys.argv[2] == "exact", int(sys.argv[3])
seen = 0
for path in sys.argv[4:]:
    if path.endswith(".json"):
        snap = json.load(open(path))
        snap["pid"] = snap["process"]["pid"]
    else:
        snap = snapshot.read(path)
    a = snap["audit"]
    asked, doubtful = struct.unpack("QQ", open("requests/%d" % snap["pid"], "rb").read())
    counted, most = a["counted"], a["counted"] + a["uncounted"]
    print("pid %d asked for %d (%d of 0 bytes or failed); counted %d to %d" % (snap["pid"], asked, doubtful, counted, most))
    assert counted <= asked + doubtful and asked <= most, "outside"
    assert not exact or (a["uncounted"] == 0 and asked > 0), "not exact"
    assert a["uncounted"] % (1 << 20) == 0
    seen += 1
assert seen >= at_least, "%d processes" % seen
P

check() { # exact|within PROCESSES
	# shellcheck disable=SC2046 # paths without blanks
	python3 -B "$top/check.py" "$e2e" "$1" "$2" $(find . -name '*.heaptap')
}

# A run with so many rounds.
traced() { # RATE ROUNDS ARGUMENT...
	local rate=$1 rounds=$2
	shift 2
	mkdir -p requests
	status=0
	seq "$rounds" | REQUESTS=$PWD/requests LD_PRELOAD=$oracle "$heaptap" run -q -i 0 -r "$rate" -o "$PWD" -- "$victims/random_sizes" "$@" >answers || status=$?
	is "$(grep -c 'done' answers)" "$rounds" 'rounds'
}

test_exact_when_all_threads_have_ended() {
	traced 512K 5 1 8 0 exit
	check exact 1
}

test_exact_at_other_rates() {
	local rate
	for rate in 1 4K 64M; do
		mkdir "$rate"
		(cd "$rate" && traced "$rate" 3 2 4 0 exit && check exact 1)
	done
}

test_forked_children_count_their_own() {
	traced 4K 2 3 2 5 exit
	check exact 11
}

test_what_is_missing_after_an_abrupt_end_is_within_the_bound() {
	local kind
	for kind in _exit kill running; do
		mkdir "$kind"
		(cd "$kind" && traced 512K 3 4 4 0 "$kind" && check within 1)
	done
}

test_children_that_end_abruptly() {
	traced 4K 2 5 2 5 _exit
	check within 11
}

one_more_done() {
	[ "$(grep -c 'done' answers)" -gt "$1" ]
}

test_live_and_with_changing_rates() {
	local n=0 rate pid collector
	mkdir requests
	mkfifo in
	REQUESTS=$PWD/requests LD_PRELOAD=$oracle "$heaptap" run -q -i 0 -o "$PWD" -- "$victims/random_sizes" 6 4 0 exit <in >answers &
	collector=$!
	exec 7>in
	for rate in 512K 1 off 64M 4K 1 512K off; do
		echo >&7
		wait_for 60 one_more_done $n
		n=$((n + 1))
		pid=$(run_dir .)
		pid=${pid##*.}
		"$heaptap" export --json live.json "$pid"
		python3 -B "$top/check.py" "$e2e" within 1 live.json
		"$heaptap" set "$pid" rate=$rate >set.out
	done
	exec 7>&-
	wait "$collector"
	check exact 1
}

test_real_programs() {
	local name
	need perl
	for name in python3 perl; do
		mkdir -p "$name/requests"
	done
	(
		cd python3
		REQUESTS=$PWD/requests LD_PRELOAD=$oracle "$heaptap" run -q -i 0 -o "$PWD" -- python3 -S -c '
import threading
def work():
    for i in range(200): bytearray(i * 1000)
threads = [threading.Thread(target=work) for _ in range(4)]
for t in threads: t.start()
for t in threads: t.join()'
		check within 1 # join() does not wait for the end of the thread itself
	)
	(
		cd perl
		REQUESTS=$PWD/requests LD_PRELOAD=$oracle "$heaptap" run -q -i 0 -o "$PWD" -- perl -e 'push @a, "x" x $_ for 1..3000; @a = sort @a;'
		check exact 1
	)
}

run_tests
