#!/bin/bash
# tests/e2e/aarch64.sh - the aarch64 unwinder under qemu-user: our stacks against libgcc's, in a victim compiled in
# several ways.  qemu has no vdso, so the code that ends a signal handler has no CFI there.
. "$(dirname "$0")/../lib.sh"
need aarch64-linux-gnu-gcc qemu-aarch64
sysroot=/usr/aarch64-linux-gnu
trap 'sort "$top/table"; rm -rf "$top"' EXIT

setup() {
	local f sources=()
	for f in "$HEAPTAP_SOURCE"/{common,preload}/*.c; do
		[[ $f == */hooks.c ]] || sources+=("$f")
	done
	aarch64-linux-gnu-gcc -std=gnu11 -O1 -I"$HEAPTAP_SOURCE" -D_GNU_SOURCE -fPIC -shared -fvisibility=hidden -fno-builtin \
		-fexceptions "$HEAPTAP_SOURCE/tests/tools/oracle.so.c" "${sources[@]}" -lgcc_s -o "$top/oracle.so"
}

walks_agree() { # FLAG...
	aarch64-linux-gnu-gcc -w -fno-builtin "$@" "$HEAPTAP_SOURCE/tests/victims/shapes.c" -o victim
	ORACLE_OUT=$PWD/all ORACLE_EVERY=1 qemu-aarch64 -L $sysroot -E LD_PRELOAD="$top/oracle.so" ./victim
	cat all
	awk -v flags="$*" '!/^ / { n += $2; equal += $3 }
		END { printf "%-40s %6d stacks, %d equal\n", flags, n, equal; exit !(n > 10000 && equal == n) }' all >>"$top/table" ||
		fail "disagrees with libgcc"
}

test_frames_at_o0() { walks_agree -O0; }
test_frames_at_o2() { walks_agree -O2; }
test_frames_without_frame_pointers() { walks_agree -O3 -fomit-frame-pointer; }
test_frames_with_signed_return_addresses() { walks_agree -O2 -mbranch-protection=standard; }

run_tests
