#!/bin/bash
# tests/e2e/details.sh - sizes, lifetimes, ages, temporaries, time series and errors, from programs to JSON and reports.
. "$(dirname "$0")/../lib.sh"
need python3

setup() {
	"$heaptap" run -q -i 0 -r 1 -o ages -- "$victims/ages"
	"$heaptap" export --json ages.json ages
}

holds() { # FILE EXPRESSION...
	"$e2e/details.py" "$@"
}

test_sizes_are_those_the_program_asked_for() {
	holds "$top/ages.json" \
		'classes(one("old")["sizes"], "alloc_objects") == {64: 10}' \
		'classes(one("old")["sizes"], "inuse_objects") == {64: 6}' \
		'classes(one("brief")["sizes"], "alloc_objects") == {4096: 1000}' \
		'classes(one("brief")["sizes"], "inuse_objects") == {}' \
		'sorted(f for s in stacks("last") for f in classes(s["sizes"], "inuse_objects")) == [0, 1, 65536]'
}

# Sleeping takes at least as long as it says; clocks are a tick (10 ms) coarse.
test_lifetimes_and_ages_are_no_shorter_than_they_were() {
	holds "$top/ages.json" \
		'sum(classes(one("old")["lifetimes_ms"]).values()) == 4' \
		'min(classes(one("old")["lifetimes_ms"])) >= 256' \
		'one("old")["mean_age_ns"] >= 290e6' \
		'sum(classes(one("brief")["lifetimes_ms"]).values()) == 1000' \
		'one("brief")["mean_age_ns"] == 0'
}

test_temporary_is_what_was_freed_at_once() {
	holds "$top/ages.json" \
		'one("brief")["temporary"] == {"objects": 1000, "space": 5000000}' \
		'one("old")["temporary"] == {"objects": 0, "space": 0}'
}

test_exact_runs_have_no_error() {
	holds "$top/ages.json" \
		'set(j["total"]["error_95"].values()) == {0}' \
		'one("old")["values"]["inuse_space"] == 600' \
		'one("old")["events"] == {"allocs": 10, "frees": 4}' \
		'j["process"]["exit_code"] == 0' \
		'j["process"]["exe"].endswith("/ages")'
	"$heaptap" top -error -alloc_objects "$top/ages" >top
	awk '$8 ~ /^(old|brief|last)$/ && ($2 != 0 || $6 != 0) { bad = 1 } $8 == "brief" { n++ } END { exit bad || n != 1 }' top ||
		fail "$(cat top)"
}

test_sampled_runs_say_the_same_error_everywhere() {
	"$heaptap" run -i 0 -r 64K -o out -- "$victims/population" >/dev/null 2>summary
	"$heaptap" export --json j out
	"$heaptap" top -error -alloc_space out >top
	holds j 'j["total"]["error_95"]["alloc_space"] > 0' 'len(stacks("site_a")) > 0' \
		'said("summary", r"([0-9.]+) MB ± ([0-9.]+) MB allocated in", 0.051)' \
		'said("top", r"([0-9.]+)MB +([0-9.]+)MB +[0-9.]+% +__libc_start_call_main$", 0.0051)'
}

# A file name that is no text, by way of the program's own path.
test_any_bytes_in_names_make_valid_json() {
	local bad=$'b\xff\x01"\\\n\xc3(d'
	cp "$victims/ages" "$bad"
	"$heaptap" run -q -i 0 -r 1 -o out -- "./$bad" $'\xfe\xff'
	"$heaptap" export --json j out
	holds j 'j["process"]["exe"].endswith("b\\xff\x01\"\\\n\\xc3(d")' 'len(one("old")["frames"]) > 1'
}

test_older_snapshots_have_what_they_had() {
	"$heaptap" export --json - "$HEAPTAP_SOURCE/tests/data/snapshots/minor0.heaptap" >j
	python3 -c '
import json
j = json.load(open("j"))
assert j["total"]["values"]["alloc_space"] == round(1137358518 / 256)
assert j["series"]["inuse_space"] == [] and all(not s["sizes"] for s in j["stacks"])
assert j["total"]["error_95"]["alloc_space"] > 0'
	"$heaptap" top -error -alloc_space "$HEAPTAP_SOURCE/tests/data/snapshots/minor0.heaptap" >top
	has top '±'
}

test_wrong_use_is_refused() {
	refuses 2 'in which format' "$heaptap" export "$top/ages"
	refuses 2 'name two files' "$heaptap" export --json x --pprof x "$top/ages"
	refuses 1 'heaptap snapshot' "$heaptap" top -error "$HEAPTAP_SOURCE/tests/data/pprof/basic.pb.gz"
	refuses 1 'top report' "$heaptap" tree -error "$top/ages"
	refuses 1 'no/such' "$heaptap" export --json no/such/dir "$top/ages"
}

run_tests
