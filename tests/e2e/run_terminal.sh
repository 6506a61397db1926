#!/bin/bash
# tests/e2e/run_terminal.sh - the live status line: on a terminal only, in the foreground only, gone at the end.
. "$(dirname "$0")/../lib.sh"
need python3

# terminal.py BYTES SCREEN [KEY] COMMAND...: a command on a terminal of its own.  BYTES gets all it wrote; SCREEN what
# stands there at last, carriage returns played out.  KEY c types Ctrl-C once "ready" has been written.
cat >"$top/terminal.py" <<'PY'
import os, pty, sys

def screen(text):
    rows = []
    for line in text.split("\n"):
        row = ""
        for part in line.split("\r"):
            row = part + row[len(part):]
        rows.append(row.rstrip() + "\n")
    return "".join(rows)

out, shown, key, command = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
pid, terminal = pty.fork()
if pid == 0:
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
open(shown, "w").write(screen(text.decode()))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
PY

status_line='heaptap: .*in use .*, peak .*, allocated .* samples'

on_terminal() { # KEY COMMAND...
	timeout -s KILL 60 python3 "$top/terminal.py" bytes screen "$@"
}

test_status_line_on_a_terminal_is_cleared() {
	on_terminal - sh -c "'$heaptap' run -- python3 -c 'import time; kept = bytes(5000000); time.sleep(2)' >out"
	tr '\r' '\n' <bytes >written
	cat -v screen
	[ "$(grep -cE "^$status_line" written)" -ge 2 ] || fail "no status line was written twice"
	grep -qE '^ {20,}$' written || fail "the last status line was not overwritten with blanks"
	has_not screen "$status_line"
	has screen '^heaptap: python3[0-9.]* \(pid [0-9]+\) ran '
}

test_status_line_fits_a_narrow_terminal() {
	on_terminal - sh -c "stty cols 30; '$heaptap' run -- sleep 1.2 >out"
	tr '\r' '\n' <bytes | grep -E '^heaptap: [0-9.]+ .?s: in use' | awk 'length >= 30 { bad = 1 } END { exit bad || NR == 0 }'
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
	has screen interrupted
	has screen ' ran '
}

run_tests
