#!/bin/bash
# tests/e2e/node.sh - JavaScript that makes node allocate natively: frames of V8's code are named after what
# --perf-basic-prof says, in the order of the calls, or not at all.
. "$(dirname "$0")/../lib.sh"
need node go

setup() {
	# What allocates is below leaf; decoy is compiled and hot, and never on the way there.
	cat >script.js <<-'JS'
		function decoy(x) { let s = 0; for (let i = 0; i < 50; i++) s += (x * i) % 7; return s; }
		function leaf(size) { return Buffer.allocUnsafeSlow(size); }
		function middle(i, keep) { const b = leaf(4096 + decoy(i) % 8); if (i % 64 === 0) keep.push(b); return b.length; }
		function outer(n) { let s = 0; const keep = []; for (let i = 0; i < n; i++) s += middle(i, keep); return s; }
		let sum = 0;
		for (let i = 0; i < 20; i++) sum += outer(5000);
		console.log(sum);
		process.exitCode = 3;
	JS
	status_of out err "$heaptap" run -q -i 0 -r 32K -o "$top" -- node --perf-basic-prof "$top/script.js"
	is $status 3 "exit status ($(cat err))"
	"$heaptap" export --pprof named.pb.gz "$(run_dir "$top")"
	pprof -traces -alloc_space -focus=BackingStore::Allocate named.pb.gz >traces 2>/dev/null
}
trap 'rm -f "$(map_of "$top")" "$(map_of "$top"/*/again)"; rm -rf "$top"' EXIT

# Where node wrote down its code.
map_of() { # DIR
	local dir
	dir=$(echo "$1"/heaptap.node.*)
	echo "/tmp/perf-${dir##*.}.map"
}

# Functions of the script in each stack of `traces`, a line per stack, leaf first; tiers and places left out.
script_functions() {
	sed -nE 's/^-----.*/-/p; s/^.* (JS|LazyCompile|Function|Script|Eval):[~^+*]?([^ ]*) [^ ]*\/script\.js:.*/\2, /p' "$top/traces" |
		tr -d '\n' | tr - '\n' | grep . | sort | uniq -c
}

# As pprof_agrees, but of what was allocated: by the end node has freed nearly all.
allocations_agree() { # DIR
	local flags
	"$heaptap" export --pprof profile.pb.gz "$1"
	for flags in -alloc_space "-alloc_space -cum -nodecount=100" "-alloc_objects -cum"; do
		# shellcheck disable=SC2086 # several flags
		pprof -top $flags profile.pb.gz >expected 2>/dev/null
		# shellcheck disable=SC2086
		"$heaptap" top $flags "$1" >actual
		same_files actual expected
	done
}

test_output_and_status_are_the_same() {
	same_with_heaptap run 64K node "$top/script.js"
	is "$(<"$top/out")" "$(<run/plain.out)" "stdout with --perf-basic-prof"
}

test_functions_on_the_way_are_named_in_the_order_of_calls() {
	has "$(map_of "$top")" '[ :][~^+*]?decoy '
	script_functions >functions
	cat functions
	has functions '(leaf|middle|outer),'
	has_not <(grep -vE '^ *[0-9]+ (leaf, )?(middle, )?(outer, )?(, )?$' functions) .
}

# Function f_K allocates 20000 + K bytes at a time, so the size tells the function, whatever the map says.
test_code_at_an_address_used_again_is_named_right_or_marked() {
	cat >churn.js <<-'JS'
		const make = (k) => new Function(`return function f_${k}(n) { while (n--) Buffer.allocUnsafeSlow(20000 + ${k}); }`)();
		const kept = [];
		for (let k = 0; k < 1000; k++) {
			const f = make(k);
			f(3);
			if (k % 2) kept.push(f);
			if (k % 100 === 0) gc();
		}
	JS
	mkdir again
	status_of out err "$heaptap" run -q -i 0 -r 1 -o again -- \
		node --perf-basic-prof --expose-gc --no-flush-bytecode --always-sparkplug churn.js
	has_not err 'bad option'
	is $status 0 "exit status ($(cat err))"
	"$heaptap" export --pprof churn.pb.gz "$(run_dir again)"
	pprof -raw churn.pb.gz >raw 2>/dev/null
	"$e2e/named_by_size.py" raw
}

test_pprof_prints_the_same() {
	allocations_agree "$(run_dir "$top")"
}

test_without_a_map_such_frames_have_no_name() {
	same_with_heaptap run 64K node "$top/script.js"
	"$heaptap" top -cum -alloc_space "$(run_dir run)" >report
	cat report
	has report ' <unknown>$'
	has_not report 'script\.js|\[jit\]'
	allocations_agree "$(run_dir run)"
}

run_tests
