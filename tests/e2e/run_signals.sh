#!/bin/bash
# tests/e2e/run_signals.sh - signals sent to heaptap run are the program's: each class once, and heaptap dies of none.
. "$(dirname "$0")/../lib.sh"
need python3 kill

# Writes down every signal it gets; SIGTERM comes last.
cat >"$top/listen.py" <<'PY'
import os, signal, sys
wanted = [signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR2, signal.SIGALRM, signal.SIGPROF, signal.SIGVTALRM,
          signal.SIGIO, signal.SIGPWR, signal.SIGURG, signal.SIGWINCH, signal.SIGCONT, signal.SIGABRT, signal.SIGSEGV,
          signal.SIGXCPU, signal.SIGXFSZ, signal.SIGPIPE, signal.SIGTTIN, signal.SIGTTOU, signal.SIGTSTP, signal.SIGSYS,
          signal.SIGTRAP, signal.SIGRTMIN, signal.SIGRTMIN + 5, signal.SIGRTMAX, signal.SIGTERM]
signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
open("pid", "w").write(str(os.getpid()))
os.rename("pid", "up")
with open("got", "w", buffering=1) as got:
    while True:
        info = signal.sigwaitinfo(wanted)
        print(info.si_signo, info.si_code, file=got)
        if info.si_signo == signal.SIGTERM:
            sys.exit(8)
PY

listen() { # heaptap's pid in $run
	"$heaptap" run -q -- python3 "$top/listen.py" >out 2>err &
	run=$!
	wait_for 30 [ -e up ]
}

got() { # NUMBER
	grep -q "^$1 " got
}

end() {
	local status=0
	kill -TERM "$run"
	wait "$run" || status=$?
	is "$status" 8
	is "$(cat err)" ''
}

test_every_signal_reaches_the_program_once() {
	local s n
	listen
	for s in INT QUIT HUP USR2 ALRM PROF VTALRM IO PWR URG WINCH CONT ABRT SEGV XCPU XFSZ PIPE TTIN TTOU TSTP SYS TRAP \
		RTMIN RTMIN+5 RTMAX; do
		n=$(kill -l "$s")
		kill -s "$n" "$run"
		wait_for 10 got "$n"
	done
	end
	is "$(wc -l <got)" 26 "signals: $(cat got)"
}

test_queued_signals_keep_their_number_and_kind() {
	listen
	/bin/kill -q 42 -s RTMIN "$run"
	/bin/kill -q 43 -s RTMIN "$run"
	wait_for 10 more_than 1 '^34 -1' got
	end
}

snapshot_by_signal() {
	[ -n "$(find . -name '*-signal.heaptap')" ]
}

test_sigusr1_and_sigchld_are_heaptap_s() {
	listen
	kill -USR1 "$run"
	kill -CHLD "$run"
	wait_for 10 snapshot_by_signal
	end
	is "$(wc -l <got)" 1 "signals: $(cat got)"
}

test_signal_that_kills_the_program_ends_heaptap_the_same_way() {
	local s status
	for s in INT USR2 ALRM RTMIN+3 SEGV; do
		rm -f up
		"$heaptap" run -q -- python3 -c 'import os, signal, time
signal.signal(signal.SIGINT, signal.SIG_DFL)
open("up", "w").close()
time.sleep(60)' &
		run=$!
		wait_for 30 [ -e up ]
		status=0
		kill -s "$(kill -l "$s")" "$run"
		wait "$run" || status=$?
		is "$status" $((128 + $(kill -l "$s"))) "$s"
	done
}

# The terminal sends it to the whole job: the program has it already.
test_interrupt_of_the_terminal_is_seen_once() {
	cat >count.py <<-'PY'
		import os, signal, time
		r, w = os.pipe2(os.O_NONBLOCK)
		signal.set_wakeup_fd(w)  # a byte for each one
		signal.signal(signal.SIGINT, lambda *_: None)
		print("ready", flush=True)
		end = time.time() + 2.5
		while time.time() < end: time.sleep(0.1)
		print("seen", len(os.read(r, 1000)))
	PY
	timeout -s KILL 60 python3 - "$heaptap" <<-'PY'
		import os, pty, sys, time
		pid, tty = pty.fork()
		if pid == 0:
		    os.execv(sys.argv[1], [sys.argv[1], "run", "-q", "--", "python3", "count.py"])
		text = b""
		try:
		    while chunk := os.read(tty, 4096):
		        if b"ready" in chunk:
		            for i in range(10):
		                os.write(tty, b"\x03")
		                time.sleep(0.1)
		        text += chunk
		except OSError:
		    pass
		assert b"seen 10\r" in text, text
	PY
}

run_tests
