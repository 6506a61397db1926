#!/bin/bash
# tests/e2e/gcc.sh - g++ compiling a file; what allocates is cc1plus, a child of the program we run.
. "$(dirname "$0")/../lib.sh"
need g++ go

setup() {
	cat >words.cc <<-'CC'
		#include <algorithm>
		#include <iostream>
		#include <map>
		#include <string>
		#include <vector>
		int main()
		{
			std::map<std::string, std::vector<int>> words;
			std::string w;
			for (int line = 0; std::cin >> w; line++)
				words[w].push_back(line);
			for (const auto &p : words)
				std::cout << p.first << ' ' << p.second.size() << '\n';
		}
	CC
	compile sampled 256K
	compile exact 1
}

compile() { # DIR RATE
	mkdir "$1"
	"$heaptap" run -i 0 -r "$2" -o "$1" -- g++ -O1 -c words.cc -o "$1.o" 2>"$1.err"
	last_snapshot "$(find "$(run_dir "$1")" -type d -name 'cc1plus.*')" >"$1.path"
}

test_object_file_and_status_are_the_same() {
	cd "$top"
	g++ -O1 -c words.cc -o plain.o
	cmp sampled.o plain.o
	echo 'int main() { return undefined; }' >bad.cc
	same_with_heaptap bad 512K g++ -c bad.cc -o bad.o
	same_files bad/traced.err bad/plain.err
}

test_each_program_has_its_own_snapshots() {
	local dir name
	dir=$(run_dir "$top/sampled")
	for name in cc1plus '*as'; do
		is "$(find "$dir" -mindepth 1 -maxdepth 1 -type d -name "$name.*" | wc -l)" 1 "directories of $name"
	done
	[ -s "$(last_snapshot "$dir")" ]
	has "$top/sampled.err" 'cc1plus'
}

test_estimates_agree_with_the_exact_run() {
	"$e2e/snapshot.py" compare "$(<"$top/sampled.path")" "$(<"$top/exact.path")" inuse_bytes alloc_bytes
}

test_top_names_who_allocates() {
	"$heaptap" top "$(<"$top/sampled.path")" >top
	cat top
	[[ $(first_row <top) =~ ^(xmalloc|xcalloc|xrealloc|_obstack_begin|_obstack_newchunk|operator\ new|_cpp_|bitmap_|hash_table) ]]
	"$heaptap" top -cum "$(<"$top/sampled.path")" >cum
	grep -qE ' toplev::main' cum
}

test_pprof_prints_the_same() {
	pprof_agrees "$(<"$top/sampled.path")"
}

run_tests
