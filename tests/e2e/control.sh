#!/bin/bash
# tests/e2e/control.sh - heaptap ps, set, snapshot and top PID, asking the collectors of running programs.
#
# Other tests run beside this one, and ps shows their programs too: everything here looks for its own pids.
. "$(dirname "$0")/../lib.sh"
need python3
program=$victims/steady

# A steady program under heaptap run: its pid in $pid, heaptap's in $collector, its socket in $socket; tell it by say_to.
start_steady() { # RATE [MB KEPT]
	mkfifo in
	"$heaptap" run -q -i 0 -r "$1" -o "$PWD/out" -- "$program" ${2-} <in >answers &
	collector=$!
	exec 7>in
	wait_for 20 has_run
	pid=$(pid_of_run)
	socket=$(tr '\0' '\n' <"/proc/$pid/environ" | sed -n 's/^HEAPTAP_SOCKET=//p')
	allocate 1 # it has attached
}

has_run() {
	compgen -G 'out/heaptap.*.*' >/dev/null && [ "/proc/$(pid_of_run)/exe" -ef "$program" ]
}

pid_of_run() {
	local dir
	dir=$(compgen -G 'out/heaptap.*.*')
	echo "${dir##*.}"
}

stop_steady() {
	exec 7>&-
	wait "$collector"
}

answered() { # COUNT
	[ "$(lines answers)" -ge "$1" ]
}

# Let it allocate; returns when it has.
allocate() { # MB
	local before
	before=$(lines answers)
	echo "$1" >&7
	wait_for 120 answered $((before + 1))
}

# One value that ps tells about a process.
told() { # PID KEY
	"$heaptap" ps --json | python3 -c '
import json, sys
print(*[p.get(sys.argv[2]) for p in json.load(sys.stdin) if p["pid"] == int(sys.argv[1])])' "$1" "$2"
}

# Samples taken while it allocates so much, drained.
samples_of() { # MB
	local before
	before=$(told "$pid" samples)
	allocate "$1"
	echo $(($(told "$pid" samples) - before))
}

# Exit status 1 and a line on stderr.  Another test's stopped collector may add a line of its own.
fails() { # REGEX COMMAND...
	local regex=$1
	shift
	status_of fails.out fails.err "$@"
	is "$status" 1 "exit status of $*"
	has fails.err "$regex"
	is "$(cat fails.out)" '' "stdout of $*"
}

test_ps_lists_a_run() {
	start_steady 1 3
	"$heaptap" ps >table 2>err
	head -n 1 table >titles
	has titles '^ *PID USER +UPTIME +RATE +IN USE +ALLOCATED +SAMPLES +SPILLED +STATE +PARENT +COMMAND$'
	has table "^ *$pid .* 1 B +3(\.[0-9])? MB .* active +$collector +$victims/steady 3\$"
	is "$(told "$pid" state)" active
	is "$(told "$pid" uid)" "$(id -u)"
	is "$(told "$pid" parent)" "$collector"
	is "$(told "$pid" lost)" 0
	is "$(told "$pid" collector)" "$socket"
	"$heaptap" ps --socket "$socket" >one
	is "$(lines one)" 2 "lines about this one"
	stop_steady
}

test_names_cannot_write_to_the_terminal() {
	cat >odd.py <<-'PY'
		import os, sys
		os.execv(sys.argv[1], [b"a\x1b[31m\n\xff\xc2\x9bz"])
	PY
	mkfifo in
	"$heaptap" run -q -i 0 -r 64K -o out -- python3 odd.py "$victims/steady" <in >answers &
	local run=$!
	exec 7>in
	allocate 1
	"$heaptap" ps >table
	grep -a 'x1b' table >row
	is "$(lines row)" 1
	has row '\\x1b\[31m\\x0a\\xff\\xc2\\x9bz$'
	is "$(LC_ALL=C tr -d '\n[:print:]' <row | wc -c)" 0 "odd bytes in the table"
	"$heaptap" ps --json | python3 -c 'import json, sys; json.load(sys.stdin)'
	exec 7>&-
	wait $run
}

# Gaps that were drawn under the old rate end first: a thread notices a change after one of them.
test_set_changes_the_rate_of_a_running_program() {
	local n
	start_steady 512K
	"$heaptap" set "$pid" rate=1 >changed
	is "$(<changed)" "steady (pid $pid): rate 1 (every allocation), was 512 kB"
	allocate 64
	n=$(samples_of 4)
	is "$n" 4096 "samples of 4096 allocations at rate=1"
	is "$(told "$pid" rate)" 1
	"$heaptap" set "$pid" rate=16K depth=9 >changed
	is "$(<changed)" "steady (pid $pid): rate 16 kB, was 1 (every allocation); depth 9, was 127"
	allocate 8
	# 64 MB at 16 K: 4096 samples expected, standard deviation 62.
	n=$(samples_of 64)
	if [ "$n" -lt 3500 ] || [ "$n" -gt 4700 ]; then
		fail "$n samples of 64 MB at 16 K"
	fi
	"$heaptap" set "$pid" rate=off >changed
	has changed 'rate off, was 16 kB'
	allocate 8
	is "$(samples_of 8)" 0 "samples when off"
	is "$(told "$pid" state)" dormant
	"$heaptap" set steady rate=64K --socket "$socket" >changed
	has changed 'rate 64 kB, was off'
	is "$("$e2e/snapshot.py" sums "$("$heaptap" snapshot "$pid")" | sed -n 's/^rate //p')" 65536
	stop_steady
}

# Of what was allocated before, not every block was recorded.
test_a_run_whose_rate_changed_is_not_called_exact() {
	mkfifo in
	"$heaptap" run -i 0 -r 512K -o out -- "$program" <in >answers 2>summary &
	collector=$!
	exec 7>in
	wait_for 20 has_run
	pid=$(pid_of_run)
	allocate 2
	"$heaptap" set "$pid" rate=1 >/dev/null
	allocate 4
	stop_steady
	has summary '^heaptap: [0-9]+ samples at rates that changed meanwhile, 1 B at the end; 0 lost$'
	has_not summary 'every one'
}

test_set_refuses_bad_values() {
	local value
	start_steady 512K
	for value in rate= rate=0 rate=2G rate=-1 rate=x rate depth=0 depth=1025 depth=3x speed=7 rate=64K,depth=3; do
		refuses 2 "$value|rate=SIZE" "$heaptap" set "$pid" $value
	done
	refuses 2 'rate=64K' "$heaptap" set "$pid"
	refuses 2 'rate=64K' "$heaptap" set
	is "$(told "$pid" rate)" 524288
	is "$(told "$pid" depth)" 127
	stop_steady
}

test_processes_that_nobody_records() {
	fails "^heaptap: $$ is not recorded by any collector|$$: its collector does not answer" "$heaptap" set $$ rate=64K
	fails '2147483646: no such process' "$heaptap" snapshot 2147483646
	fails 'no-such-program: no program (of that name|is recorded)' "$heaptap" set no-such-program rate=1
	fails 'no-such-program: No such file .*`heaptap ps`' "$heaptap" top no-such-program
	fails '2147483646: no such process' "$heaptap" top 2147483646
	fails 'no-such.heaptap: No such file' "$heaptap" top no-such.heaptap
	refuses 2 '-3' "$heaptap" snapshot -3
}

test_snapshot_prints_what_is_complete_on_disk() {
	local file
	start_steady 1 5
	file=$("$heaptap" snapshot "$pid")
	[[ $file == "$PWD"/out/heaptap.steady.$pid/*-asked.heaptap ]] || fail "path: $file"
	close_to "$(sum_of "$file" inuse_bytes)" $((5 << 20)) 4096
	is "$("$e2e/snapshot.py" sums "$file" | sed -n 's/^reason //p')" 4
	"$heaptap" snapshot --socket "$socket" all >files
	is "$(lines files)" 1
	[ -s "$(<files)" ]
	[ "$(<files)" != "$file" ]
	stop_steady
}

test_top_takes_a_pid_or_a_name() {
	local what
	mkdir bin
	program=$PWD/bin/only$$ # other tests run steady, too
	cp "$victims/steady" "$program"
	start_steady 1 5
	for what in "$pid" "only$$"; do
		"$heaptap" top -nodecount=1 "$what" >top
		is "$(first_row <top)" keep
		has top 'of 5(\.[0-9]+)?MB total'
	done
	"$heaptap" export --pprof profile.pb.gz "$pid"
	pprof -top profile.pb.gz >top 2>/dev/null
	is "$(first_row <top)" keep
	is "$(compgen -G 'out/heaptap.*/*.heaptap' || true)" '' 'snapshots on disk'
	stop_steady
}

test_a_name_must_be_one_programs() {
	local first
	mkdir a b
	cd a
	start_steady 1
	first=$pid
	exec 6>&7
	cd ../b
	start_steady 1
	fails "steady: [0-9]+ programs of that name .*choose a pid: [0-9]+ .steady" "$heaptap" set steady rate=1
	"$heaptap" set "$pid" rate=64K >/dev/null
	is "$(told "$first" rate)" 1
	exec 6>&-
	stop_steady
	wait
}

test_nothing_there() {
	refuses 1 'nowhere: no collector is running there' "$heaptap" ps --socket "$PWD/nowhere"
	refuses 1 'nowhere: no collector is running there' "$heaptap" snapshot --socket "$PWD/nowhere"
	touch file
	refuses 1 'file: (no collector|.*)' "$heaptap" ps --socket "$PWD/file"
	refuses 1 'too long' "$heaptap" ps --socket "$(printf '%0200d' 1)"
	refuses 2 'extra' "$heaptap" ps extra
	if [ "$(id -u)" -eq 0 ]; then
		# A user without programs.
		status_of out err setpriv --reuid 54321 --regid 54321 --clear-groups "$heaptap" ps
		is "$status" 1
		is "$(lines err)" 1
		has err 'heaptap run'
	fi
}

test_dead_collector() {
	start_steady 1
	kill -KILL "$collector"
	wait "$collector" || true
	exec 7>&-
	[ -S "$socket" ] || fail "nothing stale to ask"
	refuses 1 'no collector is running there|hung up' "$heaptap" ps --socket "$socket"
	is "$(told "$pid" pid)" ''
	rm -r "$(dirname "$socket")"
}

test_stopped_collector() {
	start_steady 1
	kill -STOP "$collector"
	refuses 1 'does not answer within' timeout -s KILL 100 "$heaptap" ps --socket "$socket"
	refuses 1 'does not answer within' timeout -s KILL 100 "$heaptap" set "$pid" rate=1 --socket "$socket"
	status_of set.out err timeout -s KILL 100 "$heaptap" set "$pid" rate=1
	is "$status" 1
	has err "$socket: .*does not answer"
	has err "$pid: its collector does not answer"
	kill -CONT "$collector"
	"$heaptap" set "$pid" rate=1 >changed
	stop_steady
}

# Somebody else's socket, or one that talks nonsense.
test_answers_that_are_none() {
	cat >liar.py <<-'PY'
		import socket, struct, sys
		real = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
		real.connect(sys.argv[1])
		real.send(b"HTCTRL01")
		size = len(real.recv(65536))
		def record(magic, kind):
		    return (magic + struct.pack("=II", kind, 0)).ljust(size, b"\0")
		s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
		s.bind("liar")
		s.listen()
		open("up", "w").close()
		process, end = record(b"HTCTRL01", 1), record(b"HTCTRL01", 5)
		for answer in ([b"hello"], [b""], [record(b"HTCTRL00", 1), record(b"HTCTRL00", 5)], [record(b"HTCTRL01", 9), end],
		               [process + b"x", end], [process[:-1], end], [process], []):
		    c = s.accept()[0]
		    c.recv(4096)
		    try:
		        for message in answer:
		            c.send(message)
		    except BrokenPipeError:
		        pass # had enough already
		    c.close()
	PY
	start_steady 1
	python3 liar.py "$socket" &
	wait_for 20 [ -e up ]
	for _ in {1..8}; do
		refuses 1 'not a heaptap collector|hung up' "$heaptap" ps --socket "$PWD/liar"
	done
	stop_steady
}

test_help() {
	local command
	for command in ps set snapshot; do
		"$heaptap" $command --help >help
		has help "^usage: heaptap $command"
		has help '^examples:$'
	done
}

run_tests
