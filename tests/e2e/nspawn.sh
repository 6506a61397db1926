#!/bin/bash
# tests/e2e/nspawn.sh - the package in a booted Debian: systemd, its sandbox, several users, upgrade and purge.
. "$(dirname "$0")/nspawn_boot.bash"
inside=nspawn_inside.bash

setup() {
	boot_and_test
}

test_all_of_it_ran() {
	all_of_it_ran
}

test_nothing_is_left() {
	nothing_is_left
}

run_tests
