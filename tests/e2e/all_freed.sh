#!/bin/bash
# tests/e2e/all_freed.sh - what is freed is gone from the books, to the last object and byte, at every rate;
# and all that is live is in them, up to a stated number (what happens beyond: tests/unit/shim_record.c).
. "$(dirname "$0")/../lib.sh"
need python3

# Stacks that begin in the program itself: libc's own blocks are not all freed at exit.
cat >"$top/in_use.py" <<'P'
import sys
sys.path.insert(0, sys.argv[1])
import snapshot
snap = snapshot.read(sys.argv[2])
exe = [(m[0], m[1]) for m in snap["modules"] if m[4] == snap["exe"]]
sums = dict.fromkeys(("alloc_count", "alloc_bytes", "free_count", "free_bytes"), 0)
for frames, v in snap["stacks"]:
    if any(lo <= frames[0] & (snapshot.MASK >> 1) < hi for lo, hi in exe):
        for k in sums:
            sums[k] += v[k]
a = snap["audit"]
print(sums["alloc_count"], sums["alloc_count"] - sums["free_count"], sums["alloc_bytes"] - sums["free_bytes"],
      a["untracked"], a["corrupt"])
P

books() { # RATE COMMAND...: allocations, in-use objects and bytes in fixed point, untracked, corrupt
	local dir=rate$1
	mkdir "$dir"
	"$heaptap" run -q -i 0 -r "$1" -o "$dir" -- "${@:2}"
	python3 -B "$top/in_use.py" "$e2e" "$(last_snapshot "$(run_dir "$dir")")"
}

test_a_program_that_frees_everything_ends_with_nothing_in_use_at_any_rate() {
	local rate allocs objects bytes untracked corrupt
	for rate in 1 2 7 100 4096 64K 512K; do
		read -r allocs objects bytes untracked corrupt <<<"$(books $rate "$victims/all_freed")"
		[ "$allocs" -gt 0 ] || fail "nothing recorded at $rate"
		is "$objects $bytes $untracked $corrupt" "0 0 0 0" "in use at rate $rate, untracked, corrupt"
	done
}

# 10 million is what preload/README.md promises.
test_ten_million_live_blocks_are_all_in_the_books() {
	local allocs objects bytes untracked corrupt kib
	kib=$(sed -nE 's/^MemAvailable: *([0-9]+) kB/\1/p' /proc/meminfo)
	[ "$kib" -gt 3000000 ] || skip "3 GB of memory are needed"
	read -r allocs objects bytes untracked corrupt <<<"$(books 1 "$victims/many_live" 10000000)"
	is "$((objects / 65536)) $((bytes / 256)) $untracked $corrupt" "10000000 160000000 0 0" "in use, untracked, corrupt"
}

run_tests
