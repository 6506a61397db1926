#!/bin/bash
# tests/e2e/comfort.sh - help, manual pages, completion, pager and colours: what is there, and when it keeps away.
. "$(dirname "$0")/../lib.sh"
need python3

basic=$HEAPTAP_SOURCE/tests/data/pprof/basic.pb.gz
completion=$HEAPTAP_SOURCE/scripts/completion

commands() {
	"$heaptap" help | sed -nE 's/^  ([a-z]+) .*/\1/p' | grep -vx help
}

options_of() { # COMMAND
	"$heaptap" help "$1" | sed -nE 's/^ .{5}(--[A-Za-z][A-Za-z0-9_-]*).*/\1/p'
}

test_every_command_has_help_with_examples() {
	local c n=0
	for c in $(commands); do
		"$heaptap" "$c" --help >out 2>err
		is "$(cat err)" '' "stderr of $c --help"
		has out "^usage: heaptap $c "
		has out '^ +-h, --help '
		has out "^  (echo .*)?heaptap $c "
		n=$((n + 1))
	done
	[ $n -ge 18 ] || fail "only $n commands"
}

# --- manual pages ---------------------------------------------------------------------------------------

test_manual_pages_read_without_warnings_and_know_every_option() {
	need man
	local page c o
	"$HEAPTAP_SOURCE/scripts/man/make" "$HEAPTAP_BUILD" "$PWD/man"
	is "$(cd man && echo *)" 'heaptap-collectord.8 heaptap-formats.5 heaptap-run.1 heaptap.1'
	for page in man/*; do
		MANWIDTH=200 man --warnings -l "./$page" >"$page.txt" 2>err
		is "$(cat err)" '' "warnings about $page"
		has_not "$page.txt" '@[A-Z]+'
	done
	for c in $(commands); do
		has man/heaptap.1.txt "^       $c( |\$)"
		page=man/heaptap.1.txt
		[ "$c" != run ] || page=man/heaptap-run.1.txt
		for o in $(options_of "$c"); do
			grep -qE -- "^ +(-., )?$o( |\[=|\$)" "$page" || fail "$page does not know $o of heaptap $c"
		done
	done
	for o in $("$HEAPTAP_BUILD/heaptap-collectord" --help | grep -oE '^  --[a-z-]+'); do
		grep -qE -- "^ +$o( |\$)" man/heaptap-collectord.8.txt || fail "no $o"
	done
	# All keys of the format, from the one table of its fields.
	for o in heaptap minor elapsed_ns audit series modules stacks crc32 heaptap_json inuse_objects; do
		grep -qw -- "$o" man/heaptap-formats.5.txt || fail "no $o in heaptap-formats(5)"
	done
	# Each option of reports once: what commands share is said once.
	is "$(grep -cE '^ +--nodecount N' man/heaptap.1.txt)" 1 "descriptions of --nodecount"
}

# --- completion -----------------------------------------------------------------------------------------

complete_in_bash() { # WORD...: the words of the line, the last one being typed
	bash -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); compopt() { :; }; _heaptap
		printf "%s\n" "${COMPREPLY[@]}"' bash "$completion/heaptap.bash" "$heaptap" "$@" | sort
}

test_bash_completes_commands_options_values_and_files() {
	is "$(complete_in_bash '' | grep -vx -e --version -e help | tr '\n' ' ')" "$(commands | sort | tr '\n' ' ')" commands
	is "$(complete_in_bash gr)" growth
	is "$(complete_in_bash top --nodec)" --nodecount
	is "$(complete_in_bash top -nodec)" -nodecount
	is "$(complete_in_bash diff --fail)" --fail-over
	is "$(complete_in_bash pprof -pee)" -peek
	is "$(complete_in_bash help gr)" growth
	is "$(complete_in_bash top -sample_index = inuse_s)" inuse_space
	is "$(complete_in_bash top -sample_index = | tr '\n' ' ')" 'alloc_objects alloc_space inuse_objects inuse_space '
	local c
	for c in $(commands); do
		is "$(complete_in_bash "$c" --)" "$( (options_of "$c") | sort -u)" "options of $c"
	done
	touch a.heaptap
	is "$(complete_in_bash top a.h)" a.heaptap
	is "$(complete_in_bash top -cum a.h)" a.heaptap
	is "$(complete_in_bash top -base = a.h)" a.heaptap
	is "$(complete_in_bash run --interv)" --interval
	complete_in_bash run -r 1 -- tru >out
	has out '^true$'
	complete_in_bash run -r 1 tru >out
	has out '^true$'
	is "$(complete_in_bash run -r 1 cat a.h)" a.heaptap
}

test_zsh_completion_is_zsh() {
	need zsh
	zsh -n "$completion/_heaptap"
	# The completion system finds it by its first line.
	zsh -fc 'fpath=("$1" $fpath); autoload -Uz compinit; compinit -u -D; print -r -- $_comps[heaptap]' zsh "$completion" >out
	is "$(cat out)" _heaptap
}

# --- pager and colours ----------------------------------------------------------------------------------

# Run a command on a terminal of its own; what it shows goes to FILE.
on_a_terminal() { # FILE COMMAND...
	python3 - "$@" <<-'END'
		import os, pty, sys
		out = open(sys.argv[1], "wb")
		def read(fd):
		    data = os.read(fd, 65536)
		    out.write(data)
		    return data
		status = pty.spawn(sys.argv[2:], read, lambda fd: b"")
		out.close()
		sys.exit(os.waitstatus_to_exitcode(status))
	END
}

# A program may be called anything; on paper its name is what it is, as in pprof.
test_names_do_not_steer_the_terminal() {
	local name=$'e\e[2Jvil' report
	cp "$victims/steady" "$name"
	"$heaptap" run -q -r 1 -i 0 -o run -- "./$name" 2 </dev/null
	for report in top tree raw 'pprof -top' 'pprof -raw'; do
		# shellcheck disable=SC2086 # words
		HEAPTAP_PAGER="" on_a_terminal screen "$heaptap" $report run >/dev/null
		has screen 'e\\x1b\[2Jvil'
		is "$(grep -c $'\e\\[2J' screen)" 0 "$report: escapes that reach the terminal"
		# shellcheck disable=SC2086
		"$heaptap" $report run >paper
		has paper $'e\e\\[2Jvil'
	done
}

test_reports_on_a_terminal_go_through_the_pager() {
	export TERM=xterm
	unset PAGER NO_COLOR
	"$heaptap" top "$basic" >expected
	HEAPTAP_PAGER="cat >$PWD/paged" on_a_terminal screen "$heaptap" top "$basic" >/dev/null
	same_files paged expected
	PAGER="cat >$PWD/paged2" on_a_terminal screen "$heaptap" tree "$basic" >/dev/null
	"$heaptap" tree "$basic" >expected.tree
	same_files paged2 expected.tree
	HEAPTAP_PAGER=cat PAGER="cat >$PWD/never" on_a_terminal screen "$heaptap" top "$basic" >/dev/null
	tr -d '\r' <screen >shown
	same_files shown expected
	HEAPTAP_PAGER=nosuchpager on_a_terminal screen "$heaptap" top "$basic" >/dev/null
	tr -d '\r' <screen >shown
	same_files shown expected
	# A pager that ends early is no fault.
	HEAPTAP_PAGER='head -n 1 >/dev/null' on_a_terminal screen "$heaptap" traces "$basic" >/dev/null
	[ ! -e never ] || fail "HEAPTAP_PAGER was not asked first"
	# Status 3 of diff comes through.
	status_of out err env HEAPTAP_PAGER='cat >/dev/null' "$(command -v bash)" -c "$(declare -f on_a_terminal); on_a_terminal screen \
		'$heaptap' diff --fail-over=1 '$basic' '$HEAPTAP_SOURCE/tests/data/pprof/basic2.pb.gz' >/dev/null"
	is "$status" 3
}

test_nothing_is_paged_or_coloured_off_a_terminal() {
	local c
	export TERM=xterm HEAPTAP_PAGER="cat >$PWD/never"
	for c in top tree traces; do
		"$heaptap" $c "$basic" >out
		[ -s out ] || fail "nothing from $c"
	done
	"$heaptap" diff "$basic" "$HEAPTAP_SOURCE/tests/data/pprof/basic2.pb.gz" >plain 2>/dev/null
	has_not plain $'\033'
	[ ! -e never ] || fail "paged without a terminal"
}

# A gain is certain in an exact run, so it is painted.
test_colours_on_a_terminal_only_and_not_with_no_color() {
	local n
	export HEAPTAP_PAGER=cat TERM=xterm
	for n in 1 2; do
		"$heaptap" run -q -r 1 -o "$n" -- python3 -c "x = [bytes(1000 + i) for i in range($((n * 1000)))]"
	done
	on_a_terminal screen "$heaptap" diff -alloc_space 1 2 >/dev/null
	has screen $'\033\\[31m'
	NO_COLOR=1 on_a_terminal screen "$heaptap" diff -alloc_space 1 2 >/dev/null
	has_not screen $'\033'
	TERM=dumb on_a_terminal screen "$heaptap" diff -alloc_space 1 2 >/dev/null
	has_not screen $'\033'
}

# --- tables of heaptap's own ----------------------------------------------------------------------------

test_sizes_lifetimes_temporary_and_processes() {
	"$heaptap" run -q -i 0 -r 1 -o ages -- "$victims/ages"
	"$heaptap" top -sizes ages >out 2>err
	has out '^ +10 +64B\+ +64B\+ +64B\+ +64B\+ +100% +6 +64B\+  old( |$)'
	has out '^ +[0-9]+ +0 +4kB\+ +64kB\+ .*  total$'
	has out '^ +1000 +4kB\+ +4kB\+ +4kB\+ +4kB\+ +100% +0 +-  brief( |$)'
	"$heaptap" top -lifetime ages >out
	has out '^ +1000 +<[0-9.]+m?s .* +0 +-  brief( |$)'
	has out '^ +4 +<[0-9.]+m?s .* +6 +[0-9.]+m?s  old( |$)'
	"$heaptap" top -temporary -unit=B ages >out
	has out '^Type: temporary_space$'
	has out '^ *5000000B .* brief$'
	"$heaptap" top -temporary -sample_index=temporary_objects ages >out
	has out '^ +1000 .* brief$'
	"$heaptap" top -temporary -focus=old ages >out
	has_not out ' brief$'
	"$heaptap" run -q -i 0 -r 1 -o other -- "$victims/ages"
	"$heaptap" tree -by_process -alloc_space ages other >out
	is "$(grep -cE '\| ages \([0-9]+\)$' out)" 2 "processes"
	refuses 1 'does not know sizes and lifetimes' "$heaptap" top -sizes "$basic"
	refuses 1 'does not know sizes and lifetimes' "$heaptap" top -temporary "$basic"
	refuses 2 'use top' "$heaptap" tree -sizes "$basic"
	refuses 2 'choose one' "$heaptap" top -sizes -lifetime "$basic"
}

run_tests
