#!/bin/bash
# tests/e2e/nspawn_operation.sh - a day of an administrator in a booted Debian: a service of Debian's, watchdog, upgrade under
# load, stop and start, journal, purge with obstacles; and the package where no systemd runs.
. "$(dirname "$0")/nspawn_boot.bash"
inside=nspawn_operation_inside.bash

setup() {
	boot_and_test
}

test_all_of_it_ran() {
	all_of_it_ran
}

# As in the image of a container: installed, used, removed, and nothing is left.
test_package_where_no_systemd_runs() {
	mkdir layers
	# shellcheck disable=SC2016 # the inner shell's
	unshare -m bash -ec 'mount -t tmpfs none layers && mkdir layers/{up,work,root}
		mount -t overlay overlay -o "lowerdir=$1,upperdir=layers/up,workdir=layers/work" layers/root
		mkdir layers/root/heaptap && cp "$2" layers/root/heaptap.deb && cp "$3" layers/root/heaptap/inside
		mount -t proc none layers/root/proc
		exec chroot layers/root /bin/bash /heaptap/inside' - "$(<"$top/tree")" "$top"/deb/heaptap_*.deb "$e2e/nspawn_no_systemd.bash" >log 2>&1 ||
		fail "$(cat log)"
	is "$(tail -n 1 log)" 'all is well'
}

test_nothing_is_left() {
	nothing_is_left
}

run_tests
