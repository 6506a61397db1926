#!/bin/bash
# tests/e2e/pprof_shell.sh - `heaptap pprof`: its shell against `go tool pprof` by random scripts, on a terminal, and its
# command line.  SHELL_SEED=... repeats the fresh seed that is printed.
. "$(dirname "$0")/../lib.sh"
need go python3

oracle=$HEAPTAP_SOURCE/tests/e2e/pprof_shell_oracle.py
basic=$HEAPTAP_SOURCE/tests/data/pprof/basic.pb.gz

test_scripts_of_a_fixed_seed() {
	oracle_agrees "$oracle" fixed 200
}

test_scripts_of_a_fresh_seed() {
	oracle_agrees_by_chance "$oracle" SHELL_SEED 60
}

# The commands that the oracle does not reach.
test_commands_have_help_and_what_is_not_there_says_so() {
	printf '%s\n' help 'help top' 'help focus' 'help lines' 'help nosuch' lines 'top 1' flat 'disasm main' folded 'weblist main' kcachegrind |
		"$heaptap" pprof "$basic" >out 2>err
	has err '^    traces +Every stack'
	has err '^    focus +only stacks'
	has err '^usage: top \[N\] \[FOCUS...\] \[-IGNORE...\] \[-cum\] \[>FILE\]'
	has err '^focus: only stacks'
	has err '^lines: a row per source line'
	has err '^Unknown command: nosuch'
	has out 'walk|vec_grow.*/parse.c:[0-9]+|[.]c:[0-9]+$'
	for word in disasm weblist; do
		has err "^$word: Not in heaptap: "
	done
	has err '^kcachegrind: no such program here; `callgrind >heap.grind`'
	has out '^(.pprof. )?__libc_start_main;main .*;run .* [0-9]+$'
}

test_filtered_profiles_are_written_for_other_tools() {
	need cmp
	printf 'focus=walk\ndivide_by=2\nproto >%s\nproto\n' ours.pb.gz | "$heaptap" pprof "$basic" >/dev/null 2>err
	printf 'focus=walk\ndivide_by=2\nproto >%s\n' theirs.pb.gz | pprof "$basic" >/dev/null 2>&1
	has err '^Generating report in ours.pb.gz$'
	has err '^Generating report in profile001.pb.gz$'
	pprof -traces -symbolize=none ours.pb.gz >ours
	pprof -traces -symbolize=none theirs.pb.gz >theirs
	same_files ours theirs
	cmp ours.pb.gz profile001.pb.gz
}

test_pictures_in_every_format() {
	need dot
	printf 'svg\npng\npdf >x.pdf\nps >x.ps\ngif >x.gif\nsvg\n' | "$heaptap" pprof "$basic" >out 2>err
	is "$(cat out)" '(pprof) (pprof) (pprof) (pprof) (pprof) (pprof) (pprof) '
	has profile001.svg '<g id="viewport"'
	has profile002.svg '<g id="viewport"'
	is "$(head -c 4 profile001.png | tail -c 3)" PNG
	is "$(head -c 4 x.pdf)" %PDF
	is "$(head -c 4 x.ps)" %!PS
	is "$(head -c 3 x.gif)" GIF
	is "$(LC_ALL=C grep -c PNG <("$heaptap" pprof -png "$basic"))" 1
}

test_web_shows_a_file_that_goes_afterwards() {
	need dot
	mkdir tmp
	printf '#!/bin/sh\ncp "$1" %q/shown.svg\necho "$1" >%q/shown.name\n' "$PWD" "$PWD" >browser
	chmod +x browser
	TMPDIR=$PWD/tmp BROWSER=$PWD/browser "$heaptap" pprof -web "$basic" 2>err
	has shown.svg '<g id="viewport"'
	is "$(ls tmp)" ''
	rm shown.*
	printf 'web focus\nweb\nweb walk\n' | TMPDIR=$PWD/tmp BROWSER=$PWD/browser "$heaptap" pprof "$basic" >out 2>err
	has shown.svg '<g id="viewport"'
	is "$(ls tmp)" ''
	unset DISPLAY WAYLAND_DISPLAY BROWSER
	refuses 1 'web: no desktop and no browser here; `svg >heap.svg`' "$heaptap" pprof -web "$basic"
	refuses 1 'evince: no such program here; `pdf >heap.pdf`' env PATH="$(only dot)" "$heaptap" pprof -evince "$basic"
	refuses 1 'Is Graphviz installed' env PATH=/nowhere "$heaptap" pprof -svg "$basic"
}

only() { # PROGRAM: a directory with nothing else
	mkdir -p only
	ln -sf "$(command -v "$1")" "only/$1"
	echo "$PWD/only"
}

same_report() { # ARG...
	"$heaptap" pprof "$@" >ours 2>ours.err || return
	pprof "$@" >theirs 2>/dev/null
	same_files ours theirs
}

test_command_lines_of_pprof() {
	export TZ=UTC
	same_report -top "$basic"
	same_report -top -cum -nodecount=3 -alloc_space "$basic"
	same_report --text --sample_index=0 "$basic"
	same_report -peek=walk "$basic"
	same_report -peek 'walk|grow' -lines "$basic"
	same_report -traces -focus walk "$basic" "$HEAPTAP_SOURCE/tests/data/pprof/basic2.pb.gz"
	same_report -tree -base="$basic" "$HEAPTAP_SOURCE/tests/data/pprof/basic2.pb.gz"
	same_report -raw "$basic"
	same_report -comments -add_comment='one more' "$basic"
	same_report -top -seconds=5 -timeout=3 -buildid=00 -tools=/x "$basic"
	same_report -top /bin/true "$basic"
	same_report -top aabbccddeeff0011 "$basic"
	same_report -top -output=f "$basic"
	has ours.err '^heaptap: Generating report in f$'
	refuses 2 '-http: there is no web page here; leave it out for the shell' "$heaptap" pprof -http=:8080 "$basic"
	refuses 2 '-no_browser only makes sense with -http' "$heaptap" pprof -no_browser "$basic"
	refuses 2 '-top, -tree: one report at a time' "$heaptap" pprof -top -tree "$basic"
	refuses 2 'which SOURCE' "$heaptap" pprof -top
	refuses 2 'did you mean --focus' "$heaptap" pprof -fokus=x "$basic"
	refuses 1 'nosuch.pb.gz' "$heaptap" pprof nosuch.pb.gz
	refuses 1 'no matches found for regexp: nosuch' "$heaptap" pprof -peek=nosuch "$basic"
	refuses 1 'Not in heaptap' "$heaptap" pprof -disasm=main "$basic"
}

# A terminal emulator types for us.
socket=heaptap-shell-$$
trap 'emulator kill-server 2>/dev/null; rm -rf "$top" "/tmp/tmux-$(id -u)/$socket"' EXIT

emulator() {
	env -u TMUX TMUX_TMPDIR=/tmp tmux -L "$socket" -f /dev/null "$@"
}

screen_has() { # REGEX
	emulator capture-pane -p | grep -qE "$1"
}

shell_on_a_terminal() { # stdin: arguments of `send-keys`, a line each
	local keys
	export XDG_STATE_HOME=$PWD/state
	emulator new-session -d -x 150 -y 50 "'$heaptap' pprof '$basic' 2>&1; echo ended; sleep 1000"
	wait_for 30 screen_has '^\(pprof\) *$'
	while read -r keys; do
		eval "emulator send-keys $keys" </dev/null
		sleep 0.2 # as people type: what is typed ahead of the prompt is echoed twice
	done
	wait_for 30 screen_has '^ended'
	emulator capture-pane -p -J >screen
	emulator kill-server
}

test_terminal_completes_edits_and_remembers() {
	need tmux
	shell_on_a_terminal <<-'END'
		'tre' Tab ' 1' Enter
		'peek vec_' Tab Enter
		'sample_i' Tab 'alloc_objects' Enter
		'nosuch' C-c
		'top3' Enter
		'quit' Enter
	END
	has screen '^\(pprof\) tree  ?1$'
	has screen '^\(pprof\) peek vec_grow'
	has screen '\| vec_grow$'
	has screen '^\(pprof\) sample_index=alloc_objects$'
	has screen ' strdup$'
	has_not screen 'unrecognized'
	is "$(tail -n 1 state/heaptap/history)" quit "last line of the history"
	is "$(grep -c nosuch state/heaptap/history)" 0 "cancelled lines in the history"
	is "$(stat -c %a state/heaptap/history)" 600
	shell_on_a_terminal <<-'END'
		Up Up Enter
		C-d
	END
	has screen '^\(pprof\) top3$'
	has screen 'Showing top 3 nodes'
}

run_tests
