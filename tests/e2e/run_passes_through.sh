#!/bin/bash
# tests/e2e/run_passes_through.sh - heaptap run leaves the program's input, output, status, signals and descriptors
# as they are without it.
. "$(dirname "$0")/../lib.sh"
need python3

status_under_heaptap() { # EXPECTED COMMAND...
	local expected=$1
	shift
	status_of out err "$heaptap" run -q -i 0 -- "$@"
	is "$status" "$expected" "exit status of $*"
}

test_exit_status() {
	local s
	for s in 0 1 3 77 255; do
		status_under_heaptap $s sh -c "exit $s"
	done
}

test_death_by_signal_is_seen_as_such() {
	local s
	for s in SEGV TERM ABRT KILL INT; do
		python3 - "$s" "$heaptap" <<-'PY'
			import signal, subprocess, sys
			n = getattr(signal, "SIG" + sys.argv[1])
			r = subprocess.run([sys.argv[2], "run", "-q", "--", "sh", "-c", "kill -%d $$" % n])
			assert r.returncode == -n, (sys.argv[1], r.returncode)
		PY
	done
}

test_binary_input_and_output() {
	head -c 3000000 /dev/urandom >input
	"$heaptap" run -q -- cat <input >output
	cmp input output
	"$heaptap" run -q -- python3 -c 'import sys; sys.stderr.buffer.write(bytes(range(256)) * 9)' 2>err
	python3 -c 'import sys; sys.stdout.buffer.write(bytes(range(256)) * 9)' >expected
	cmp err expected
}

test_stdin_is_left_where_the_program_left_it() {
	printf '1\n2\n3\n' >input
	is "$( { "$heaptap" run -q -- sh -c 'read -r x; echo "$x"' && cat; } <input)" "$(printf '1\n2\n3')"
}

test_closed_standard_descriptors_stay_closed() {
	cat >fds.py <<-'PY'
		import os
		open("fds.txt", "w").write(" ".join(f for f in sorted(os.listdir("/proc/self/fd"), key=int)
		                                  if os.path.exists("/proc/self/fd/" + f)))
	PY
	python3 fds.py <&- >&- 2>&- && mv fds.txt expected
	"$heaptap" run -q -- python3 fds.py <&- >&- 2>&-
	same_files fds.txt expected
	python3 fds.py </dev/null 9</dev/null && mv fds.txt expected
	"$heaptap" run -q -- python3 fds.py </dev/null 9</dev/null
	same_files fds.txt expected
}

test_environment_adds_only_ours() {
	env | sort >expected
	"$heaptap" run -q -- env | sort >actual
	is "$(comm -23 expected actual | grep -v '^_=')" ''
	is "$(comm -13 expected actual | grep -vE '^(_|LD_PRELOAD|HEAPTAP_[A-Z_]*)=')" ''
	LD_PRELOAD=/nonexistent/other.so "$heaptap" run -q -- env 2>/dev/null | grep -qE '^LD_PRELOAD=.*libheaptap\.so[: ]/nonexistent/other\.so$'
}

test_signal_masks_and_handlers_are_inherited_unchanged() {
	cat >signals.py <<-'PY'
		import os, signal, subprocess, sys
		signal.pthread_sigmask(signal.SIG_SETMASK, [signal.SIGUSR2, signal.SIGALRM])
		signal.signal(signal.SIGHUP, signal.SIG_IGN)
		signal.signal(signal.SIGPIPE, signal.SIG_DFL)
		signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
		show = ["grep", "-E", "^Sig(Blk|Ign|Cgt)", "/proc/self/status"]
		os.execvp(sys.argv[1], sys.argv[1:]) if len(sys.argv) > 1 else os.execvp(show[0], show)
	PY
	python3 signals.py >expected
	python3 signals.py "$heaptap" run -q -- grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status >actual
	same_files actual expected
}

test_sigterm_reaches_the_program() {
	"$heaptap" run -q -- sh -c 'trap "echo got it; exit 9" TERM; touch up; while :; do sleep 0.05; done' >out &
	local pid=$! status=0
	wait_for 20 [ -e up ]
	kill -TERM $pid
	wait $pid || status=$?
	is $status 9
	is "$(<out)" 'got it'
}

test_program_that_never_allocates_or_reads() {
	status_under_heaptap 0 true
	status_under_heaptap 1 false
}

# Promise 3: what has begun to run goes on when heaptap is gone.
test_kill_9_of_heaptap_leaves_the_program_alone() {
	"$heaptap" run -q -r 4K -- python3 -c '
import os, time
open("pid", "w").write(str(os.getpid())); os.rename("pid", "up")
while not os.path.exists("go"): time.sleep(0.02)
junk = [bytes(i % 5000 + 1) for i in range(200000)]; del junk
open("finished", "w").write("unharmed")' &
	wait_for 20 [ -e up ]
	kill -9 $!
	wait $! || true
	touch go
	wait_for 60 [ -s finished ]
	is "$(<finished)" unharmed
}

run_tests
