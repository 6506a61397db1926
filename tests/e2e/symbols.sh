#!/bin/bash
# tests/e2e/symbols.sh - names, lines and inlined frames of real binaries against addr2line and llvm-symbolizer.
. "$(dirname "$0")/../lib.sh"
need addr2line llvm-symbolizer g++ clang++ /usr/bin/python3

oracle=$HEAPTAP_SOURCE/tests/e2e/symbols_oracle.py

test_compiled_programs() {
	local compiler source=$HEAPTAP_SOURCE/tests/data/symbols
	for compiler in g++ clang++; do
		$compiler -O2 -gdwarf-5 -o "$compiler-inlines" "$source/inlines.cc"
		$compiler -O2 -gdwarf-4 -o "$compiler-scopes" "$source/scopes.cc"
	done
	/usr/bin/python3 "$oracle" "$heaptap" 1500 ./*-inlines ./*-scopes
}

# libc's debug file is apart, compressed and shares strings; python3-dbg and a Rust program where they are.
test_installed_programs() {
	local files=("$(gcc -print-file-name=libc.so.6)") python
	[ -e /usr/lib/debug/.build-id ] || skip "libc6-dbg is not installed"
	python=$(readlink -f /usr/bin/python3-dbg) && [ -e "$python" ] && files+=("$python")
	if command -v rustc >/dev/null; then
		echo 'fn main() { let mut v: Vec<String> = (0..9u64).map(|i| format!("{:?}", i)).collect(); v.sort(); println!("{:?}", v); }' >prog.rs
		rustc -g -O -o prog prog.rs && files+=(prog)
	fi
	/usr/bin/python3 "$oracle" "$heaptap" 1500 "${files[@]}"
}

run_tests
