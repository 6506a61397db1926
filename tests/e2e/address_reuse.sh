#!/bin/bash
# tests/e2e/address_reuse.sh - an object unloaded, another one loaded at its address: each stack is named after the
# object that was there when it was taken.
. "$(dirname "$0")/../lib.sh"

setup() {
	status_of out err "$heaptap" run -q -i 0 -r 1 -o "$top" -- "$victims/reuse" "$victims/reuse_a.so" "$victims/reuse_b.so"
	[ $status -ne 77 ] || skip "the loader put the second object elsewhere"
	is $status 0 "exit status ($(cat err))"
}

# In use below function NAME, by a report on stdin.
below() { # NAME
	awk -v name="$1" '$6 == name { print $4 }'
}

test_each_object_answers_for_its_own_allocations() {
	"$heaptap" top -cum "$(run_dir "$top")" >report
	cat report
	is "$(below reuse_a <report)" 4MB "below reuse_a"
	is "$(below reuse_b <report)" 5MB "below reuse_b"
}

test_pprof_sees_both_objects_at_one_address() {
	need go
	"$heaptap" export --pprof heap.pb.gz "$(run_dir "$top")"
	pprof -raw heap.pb.gz >raw 2>/dev/null
	grep -E '/reuse_[ab]\.so' raw
	is "$(grep -oE '0x[0-9a-f]+/0x[0-9a-f]+/0x[0-9a-f]+ .*/reuse_a\.so' raw | cut -d/ -f1 | sort -u)" \
		"$(grep -oE '0x[0-9a-f]+/0x[0-9a-f]+/0x[0-9a-f]+ .*/reuse_b\.so' raw | cut -d/ -f1 | sort -u)" "start of the mappings"
}

run_tests
