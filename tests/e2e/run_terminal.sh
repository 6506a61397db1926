#!/bin/bash
# tests/e2e/run_terminal.sh - the live status line: on a terminal only, in the foreground only, in a row of its own, gone
# at the end.  What stands on the screen is judged by a terminal emulator, tmux.
. "$(dirname "$0")/../lib.sh"
need python3 tmux
trap 'TMUX_TMPDIR=/tmp tmux -L "$socket" kill-server 2>/dev/null; rm -rf "$top" "/tmp/tmux-$(id -u)/$socket"' EXIT
socket=heaptap-test-$$

# terminal.py BYTES KEY COMMAND...: a command on a terminal of its own.  BYTES gets all it wrote.  KEY c types Ctrl-C
# once "ready" has been written.
cat >"$top/terminal.py" <<'PY'
import fcntl, os, pty, struct, sys, termios

out, key, command = sys.argv[1], sys.argv[2], sys.argv[3:]
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", int(os.environ.get("ROWS", 24)), int(os.environ.get("COLS", 100)), 0, 0))
    os.execvp(command[0], command)
text = b""
try:
    while chunk := os.read(terminal, 65536):
        text += chunk
        if key == "c" and b"ready" in text:
            os.write(terminal, b"\x03")
            key = ""
except OSError:
    pass
open(out, "wb").write(text)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
PY

status_line='heaptap: in use .*, peak '

on_terminal() { # KEY COMMAND...
	TERM=${TERM_FOR_TEST-xterm} timeout -s KILL 60 python3 "$top/terminal.py" bytes "$@"
}

# --- in a terminal emulator ----------------------------------------------------------------------------------

tm() {
	TMUX_TMPDIR=/tmp tmux -L "$socket" -f /dev/null "$@"
}

screen() { # what stands in the pane; what scrolled out of it above
	tm capture-pane -p -S - -t "$1"
}

shows() { # PANE REGEX
	screen "$1" | grep -qE -e "$2"
}

# A script on a screen, bare and under heaptap.  A function type_into PANE, if given, is called in between.  What
# stands there in the end must be the same, apart from heaptap's lines below.
same_screen() { # SCRIPT [TYPE]
	local how
	printf '%s\n' "$1" >script.py
	for how in bare traced; do
		printf '#!/bin/sh\ncd %q; stty -echoctl; %s python3 script.py; touch %s.ended; exec sleep 1000\n' "$PWD" \
			"$([ $how = bare ] || echo "'$heaptap' run --")" $how >$how.sh
		chmod +x $how.sh
		env -u TMUX TMUX_TMPDIR=/tmp tmux -L "$socket" -f /dev/null new-session -d -x 80 -y 12 -s "$how" "$PWD/$how.sh"
		[ $# -lt 2 ] || "$2" "$how"
		if [ $how = traced ] && [ ! -e no-line-expected ]; then
			wait_for 30 shows traced "^$status_line"
		fi
		touch go
		wait_for 30 [ -e $how.ended ]
		sleep 0.2 # for tmux to read the last bytes
		rm -f go
		screen "$how" >"$how.screen"
	done
	tm kill-server
	cat traced.screen
	has traced.screen 'heaptap: python3[0-9.]* \(pid [0-9]+\) ran '
	has_not traced.screen "$status_line"
	for how in bare traced; do
		python3 -c 'import sys; print(sys.stdin.read().split("heaptap: ")[0].rstrip())' <$how.screen >$how.text
	done
	same_files traced.text bare.text
}

wait_for_go='
import os, sys, time
def wait():
    while not os.path.exists("go"): time.sleep(0.02)
'

test_lines_are_left_as_the_program_printed_them() {
	same_screen "$wait_for_go
for i in range(30):
    print('step', i, flush=True)
    time.sleep(0.06)
wait()
for i in range(30): print('last', i)"
}

test_line_without_an_end_is_left_alone() {
	same_screen "$wait_for_go
print('first')
print('without an end', end='', flush=True)
wait()"
}

test_bar_that_rewrites_its_line_is_left_alone() {
	same_screen "$wait_for_go
for i in range(40):
    print('\r[%-40s]' % ('#' * i), end='', flush=True)
    time.sleep(0.05)
wait()
print(' done')"
}

type_slowly() {
	wait_for 30 shows "$1" 'name\?'
	[ "$1" = bare ] || wait_for 30 shows "$1" "^$status_line"
	tm send-keys -t "$1" 'some'
	sleep 1.2
	tm send-keys -t "$1" 'one' Enter
}

test_prompt_and_what_is_typed_are_left_alone() {
	same_screen "$wait_for_go
for i in range(15): print('before', i)
print('name? ', end='', flush=True)
print('hello', sys.stdin.readline().strip(), flush=True)
wait()" type_slowly
	has traced.screen '^name\? someone$'
	has traced.screen '^hello someone$'
}

test_resized_terminal_keeps_the_program_s_lines() {
	resize() {
		wait_for 30 shows "$1" '^line 9'
		[ "$1" = bare ] || wait_for 30 shows "$1" "^$status_line"
		tm resize-window -t "$1" -x 60 -y 20
		sleep 1.2
		tm resize-window -t "$1" -x 70 -y 10
		sleep 1.2
	}
	same_screen "$wait_for_go
for i in range(20): print('line', i, flush=True)
wait()
print('after')" resize
}

# --- what is written, and when nothing is ----------------------------------------------------------------------

test_scroll_region_is_set_and_given_back() {
	on_terminal - "$heaptap" run -- python3 -c 'import time; kept = bytes(5000000); time.sleep(2.2)'
	cat -v bytes
	has bytes $'\033\\[1;23r'
	[ "$(grep -aoE $'\033\\[24;1H\033\\[2Kheaptap: in use' bytes | wc -l)" -ge 2 ] || fail "no status line was written twice"
	[ "$(grep -aoE $'\033\\[1;23r|\033\\[r' bytes | tail -n 1)" = $'\033[r' ] || fail "the scroll region is left set"
	tail -n 1 bytes | has_not /dev/stdin $'\033'
	has bytes 'heaptap: python3[0-9.]* \(pid [0-9]+\) ran '
}

test_narrow_terminal_gets_fewer_fields() {
	COLS=46 on_terminal - "$heaptap" run -r 1 -- sleep 1.7
	cat -v bytes
	grep -aoE $'\033\\[2K[^\033]+' bytes >drawn
	has drawn $'^\033\\[2Kheaptap: in use [0-9.]+ .?B, peak [0-9.]+ .?B$'
}

test_no_status_line_on_terminals_that_cannot() {
	local term
	for term in '' dumb; do
		TERM_FOR_TEST=$term on_terminal - "$heaptap" run -- sleep 1.7
		has_not bytes $'\033'
	done
	ROWS=4 on_terminal - "$heaptap" run -- sleep 1.7
	has_not bytes $'\033'
}

test_no_status_line_for_short_programs() {
	on_terminal - "$heaptap" run -- sleep 0.6
	has_not bytes $'\033'
}

test_no_status_line_while_the_program_edits_lines_itself() {
	on_terminal - "$heaptap" run -- sh -c 'stty -icanon; sleep 1.7'
	has_not bytes $'\033'
	on_terminal - "$heaptap" run -- sh -c 'sleep 1.7; stty -icanon; sleep 1; echo editing; sleep 0.7'
	tr '\n' ' ' <bytes | sed 's/.*editing//; s/heaptap: sh .*//' >after
	has bytes "$status_line"
	has_not after $'\033'
}

test_no_status_line_without_a_terminal() {
	"$heaptap" run -- sleep 1.5 2>err
	has_not err $'\r|\033'
	has_not err "$status_line"
	is "$(grep -vc '^heaptap: ' err)" 0
}

test_no_status_line_when_quiet() {
	on_terminal - "$heaptap" run -q -- sleep 1.2
	is "$(<bytes)" ''
}

test_interrupt_from_the_keyboard_reaches_the_program() {
	local status=0
	on_terminal c "$heaptap" run -- sh -c 'trap "echo interrupted; exit 5" INT; echo ready; while :; do sleep 0.05; done' ||
		status=$?
	is $status 5
	has bytes interrupted
	has bytes ' ran '
}

run_tests
