#!/bin/bash
# tests/e2e/run_refuses.sh - bad input to heaptap run and the rest of the command line: one clear line, the right
# status, no program started, nothing left behind.
. "$(dirname "$0")/../lib.sh"

nothing_left() {
	is "$(find . -name 'heaptap.*')" '' 'left behind'
	[ ! -e started ] || fail "the program was started"
}

test_program_not_found() {
	refuses 127 'no-such-program.*not found' "$heaptap" run no-such-program
	refuses 127 '/nowhere/prog' "$heaptap" run -- /nowhere/prog
	nothing_left
}

test_program_not_executable() {
	echo 'echo hi' >script
	refuses 126 'script.*(not executable|[Pp]ermission denied)' "$heaptap" run ./script
	mkdir dir
	refuses 126 'dir' "$heaptap" run ./dir
	nothing_left
}

test_usage_errors() {
	refuses 2 'PROG|program' "$heaptap" run
	refuses 2 'PROG|program' "$heaptap" run --
	refuses 2 '\-\-no-such' "$heaptap" run --no-such touch started
	refuses 2 'rate' "$heaptap" run --raet 1M touch started
	refuses 2 'frobnicate' "$heaptap" frobnicate
	refuses 2 'top' "$heaptap" tpo x
	refuses 2 '\-\-rate|-r' "$heaptap" run -r
	refuses 2 'SOURCE|snapshot' "$heaptap" top
	refuses 2 'no-such' "$heaptap" top -no-such x
	refuses 2 'pprof' "$heaptap" export x
	nothing_left
	status_of out err "$heaptap"
	is "$status" 2
	is "$(<out)" ''
	has err 'heaptap run'
}

test_bad_rates() {
	local rate
	for rate in '' 0 -1 12Q 1.5.2 abc 5T '1 M' 99999999999999999999 0x10; do
		refuses '(1|2)' 'rate|RATE|size' "$heaptap" run -r "$rate" touch started
	done
	nothing_left
}

test_bad_intervals_and_depths() {
	refuses '(1|2)' 'interval' "$heaptap" run -i soon touch started
	refuses '(1|2)' 'interval' "$heaptap" run -i -3 touch started
	refuses '(1|2)' 'depth' "$heaptap" run --depth 0 touch started
	refuses '(1|2)' 'depth' "$heaptap" run --depth 100000 touch started
	nothing_left
}

test_unwritable_output_directory() {
	touch file
	refuses 1 'file/below' "$heaptap" run -o "$PWD/file/below/it" touch started
	refuses 1 'file' "$heaptap" run -o file touch started
	if [ "$(id -u)" -ne 0 ]; then
		mkdir -m 555 sealed
		refuses 1 'sealed' "$heaptap" run -o sealed touch started
	else
		refuses 1 '/proc' "$heaptap" run -o /proc touch started
	fi
	nothing_left
}

test_missing_shim() {
	cp "$heaptap" alone
	refuses 1 'libheaptap\.so' ./alone run touch started
	refuses 1 'nowhere\.so' env HEAPTAP_LIB=/nowhere.so "$heaptap" run touch started
	nothing_left
}

test_help_and_version() {
	local command
	for command in "" run top export; do
		# shellcheck disable=SC2086 # none is no word
		"$heaptap" $command --help >help
		has help 'heaptap '"$command"
		# shellcheck disable=SC2086
		"$heaptap" help $command >help2
		same_files help2 help
	done
	"$heaptap" --version >version
	has version '^heaptap [0-9]+\.[0-9]+'
}

test_output_on_a_full_disk_is_an_error() {
	status_of out err sh -c '"$0" --help >/dev/full' "$heaptap"
	[ "$status" -ne 0 ]
	has err '^heaptap: '
}

run_tests
