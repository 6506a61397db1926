#!/bin/bash
# tests/e2e/run_job_control.sh - heaptap run under a shell's job control: Ctrl-Z, fg, kill -STOP, kill -CONT.
. "$(dirname "$0")/../lib.sh"
need python3 bash ps pkill

# An interactive bash on a pseudo-terminal: send(text), expect(text) and the state letters of a command's processes.
cat >"$top/shell.py" <<'PY'
import os, pty, select, subprocess, sys, time

pid, tty = pty.fork()
if pid == 0:
    os.environ["PS1"] = "PROMPT> "
    os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
seen = b""

def expect(text, seconds=30):
    global seen
    end = time.time() + seconds
    while text.encode() not in seen:
        assert time.time() < end, f"no {text!r} in {seen!r}"
        if select.select([tty], [], [], 0.1)[0]:
            seen += os.read(tty, 65536)
    seen = seen.split(text.encode(), 1)[1]

def send(text):
    os.write(tty, text.encode())

def stats(comm):
    lines = subprocess.run(["ps", "-s", str(pid), "-o", "stat=,comm="], capture_output=True, text=True).stdout
    return [line.split()[0] for line in lines.splitlines() if line.split()[-1] == comm]

def states(comm):
    return [stat[0] for stat in stats(comm)]

# The shell says "fg" before it gives the terminal away.
def wait_foreground(comm, seconds=30):
    end = time.time() + seconds
    while not all("+" in stat for stat in stats(comm)):
        assert time.time() < end, f"{comm} is {stats(comm)}"
        time.sleep(0.05)

def wait_states(comm, wanted, seconds=30):
    end = time.time() + seconds
    while states(comm) != wanted:
        assert time.time() < end, f"{comm} is {states(comm)}, not {wanted}"
        time.sleep(0.05)

heaptap = sys.argv[1]
expect("PROMPT> ")
exec(sys.stdin.read())
PY

test_ctrl_z_stops_the_job_and_fg_continues_it() {
	timeout -s KILL 120 python3 "$top/shell.py" "$heaptap" <<-'PY'
		send(f"{heaptap} run -r 1 -- cat\n")
		wait_states("cat", ["S"])
		send("\x1a")
		expect("Stopped")
		expect("PROMPT> ")
		assert states("heaptap") == ["T"] and states("cat") == ["T"], (states("heaptap"), states("cat"))
		send("fg\n")
		wait_states("cat", ["S"])
		wait_foreground("cat")
		send("some words\n")
		expect("some words\r\n")
		expect("some words\r\n")
		send("\x04")
		expect(" ran ")
		expect("PROMPT> ")
		send("echo status $?\n")
		expect("status 0")
	PY
}

test_stop_of_the_program_alone_leaves_the_collector_running() {
	timeout -s KILL 120 python3 "$top/shell.py" "$heaptap" <<-'PY'
		send(f"{heaptap} run -r 1 -- sleep 60 &\n")
		wait_states("sleep", ["S"])
		send("pkill -STOP -P $!\n")
		wait_states("sleep", ["T"])
		send("kill -USR1 $!\n")
		expect("heaptap: snapshot: ")
		wait_states("heaptap", ["S"])
		send("pkill -CONT -P $!\n")
		wait_states("sleep", ["S"])
		send("kill -TERM $!; wait $!; echo status $?\n")
		expect("status 143")
	PY
}

test_cont_to_heaptap_continues_the_program() {
	timeout -s KILL 120 python3 "$top/shell.py" "$heaptap" <<-'PY'
		send(f"{heaptap} run -r 1 -- sleep 60\n")
		wait_states("sleep", ["S"])
		send("\x1a")
		expect("Stopped")
		expect("PROMPT> ")
		send("kill -CONT $(jobs -p)\n")
		wait_states("sleep", ["S"])
		wait_states("heaptap", ["S"])
		send("fg\n")
		expect("sleep 60")
		wait_foreground("sleep")
		send("\x03")
		expect(" ran ")
		expect("PROMPT> ")
		send("echo status $?\n")
		expect("status 130")
	PY
}

run_tests
