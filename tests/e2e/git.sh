#!/bin/bash
# tests/e2e/git.sh - git reading the history of a repository made here.  Debian's git carries no symbols: what is
# held against the program is the call site itself.
. "$(dirname "$0")/../lib.sh"
need git go objdump
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_PAGER=cat

setup() {
	mkdir sampled exact
	git init -q repo
	awk 'BEGIN {
		for (c = 1; c <= 300; c++) {
			printf "commit refs/heads/main\ncommitter A <a@example.org> %d +0000\ndata 9\nnumber %02d\n", 1e9 + c, c % 100
			for (f = 0; f < 4; f++) {
				printf "M 100644 inline dir%d/file%d\ndata <<END\n", (c + f) % 17, (c * 7 + f) % 41
				for (l = 0; l < 60; l++)
					printf "line %d of %d in %d\n", l, c * (l % 5), f
				print "END\n"
			}
		}
	}' | git -C repo fast-import --quiet
	"$heaptap" run -q -i 0 -r 8K -o sampled -- git -C repo log --stat main >/dev/null
	"$heaptap" run -q -i 0 -r 1 -o exact -- git -C repo log --stat main >/dev/null
	last_snapshot "$(run_dir sampled)" >sampled.path
	last_snapshot "$(run_dir exact)" >exact.path
}

test_output_and_status_are_the_same() {
	cd "$top"
	same_with_heaptap log 64K git -C repo log -p --stat main
	[ "$(grep -c '^commit ' log/traced.out)" -eq 300 ]
	same_with_heaptap bad 64K git -C repo log no-such-branch
	same_files bad/traced.err bad/plain.err
}

test_packing_with_threads_is_the_same() {
	mkdir out
	cp -r "$top/repo" plain
	cp -r "$top/repo" traced
	git -C plain repack -adfq --threads=2
	"$heaptap" run -q -i 0 -o out -- git -C traced repack -adfq --threads=2
	git -C traced fsck --strict --no-progress
	is "$(git -C traced rev-list --all --objects | sort)" "$(git -C plain rev-list --all --objects | sort)"
}

test_estimates_agree_with_the_exact_run() {
	"$e2e/snapshot.py" compare "$(<"$top/sampled.path")" "$(<"$top/exact.path")" inuse_bytes alloc_bytes
}

test_top_entry_is_a_call_of_the_allocator() {
	"$heaptap" top "$(<"$top/sampled.path")"
	calls_allocator "$(<"$top/sampled.path")"
}

test_pprof_prints_the_same() {
	pprof_agrees "$(<"$top/sampled.path")"
}

run_tests
