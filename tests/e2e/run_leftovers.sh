#!/bin/bash
# tests/e2e/run_leftovers.sh - what a killed `heaptap run` left in the place of its socket goes with the next run, nothing else.
. "$(dirname "$0")/../lib.sh"

# In a directory of its own: other runs of this user go on beside.
start_run() { # its pid in $run
	mkfifo "in$1"
	XDG_RUNTIME_DIR=$top/x "$heaptap" run -q -i 0 -- "$victims/steady" <"in$1" >/dev/null 2>&1 &
	run=$!
	# shellcheck disable=SC2034
	exec {pipe}>"in$1"
	wait_for 60 count_is "$2"
}

count_is() { # SOCKETS
	[ "$(find "$top/x" -name socket | wc -l)" -eq "$1" ]
}

long_ago() {
	find "$top/x" -mindepth 1 -exec touch -h -d '10 minutes ago' {} +
}

test_only_the_dead_are_swept() {
	mkdir -m 700 "$top/x"
	start_run 1 1
	local dead=$run left
	left=$(find "$top/x" -name socket)
	kill -9 "$dead"
	wait "$dead" || true
	exec {pipe}>&-
	[ -S "$left" ] || fail "nothing was left behind"
	start_run 2 2 # fresh: it may be starting
	long_ago
	mkdir -m 700 "$top/x/heaptap.abcdef" "$top/x/heaptap.ghijkl" "$top/x/heaptap.mnopqr" "$top/x/heaptap.toolong"
	mkdir -m 755 "$top/x/heaptap.stuvwx"
	: >"$top/x/heaptap.abcdef/precious"
	: >"$top/x/heaptap.mnopqr/socket"
	ln -s "$top" "$top/x/heaptap.yzabcd"
	long_ago
	wait_for 60 swept "$(dirname "$left")"
	[ -S "$(find "$top/x" -type s)" ] || fail "the socket of a run that lives is gone"
	[ -e "$top/x/heaptap.abcdef/precious" ] || fail "somebody's file is gone"
	[ -f "$top/x/heaptap.mnopqr/socket" ] || fail "a file called socket is gone"
	[ -d "$top/x/heaptap.toolong" ] && [ -d "$top/x/heaptap.stuvwx" ] && [ -L "$top/x/heaptap.yzabcd" ] || fail "not ours"
	[ ! -e "$top/x/heaptap.ghijkl" ] || fail "an empty one stays"
	exec {pipe}>&-
	wait "$run"
}

# The kernel may let go of a killed collector's socket a little later.
swept() { # DIR
	long_ago
	XDG_RUNTIME_DIR=$top/x "$heaptap" run -q -i 0 -- true
	[ ! -e "$1" ]
}

run_tests
