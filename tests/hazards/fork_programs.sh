#!/bin/bash
# tests/hazards/fork_programs.sh - real programs that fork: each of their processes has a profile, and they do what they do.
# Seen red: with only_pid ignored by the collector; with the long wait for everybody.
. "$(dirname "$0")/../lib.sh"
. "$HEAPTAP_SOURCE/tests/nginx.bash"
need python3 bash
processes=$HEAPTAP_SOURCE/tests/hazards/processes.py

whole() { # DIR: nothing lost in any process, and each has some samples; their number
	"$processes" sums "$1" >sums
	cat sums >&2
	awk '$4 != 0 || $5 < 0 { exit 1 }' sums || fail "a process lost something"
	lines sums
}

test_python_multiprocessing_by_fork() {
	cat >mp.py <<-'PY'
		import multiprocessing, os
		keep = [bytearray(50000) for _ in range(100)]
		def work(n, queue):
		    mine = [bytearray(20000) for _ in range(50)]
		    queue.put((os.getppid(), sum(map(len, mine)) + sum(map(len, keep)) + n))
		if __name__ == "__main__":
		    multiprocessing.set_start_method("fork")
		    queue = multiprocessing.SimpleQueue()
		    workers = [multiprocessing.Process(target=work, args=(n, queue)) for n in range(4)]
		    for w in workers:
		        w.start()
		    results = [queue.get() for _ in workers]
		    for w in workers:
		        w.join()
		    assert {r[0] for r in results} == {os.getpid()}
		    print(sorted(r[1] for r in results) == [6000000 + n for n in range(4)])
	PY
	export PYTHONMALLOC=malloc
	same_with_heaptap mp 1 python3 mp.py
	is "$(<mp/traced.out)" True
	is "$(whole mp)" 5
	main=$(basename "$(run_dir mp)")
	awk -v main="${main##*.}" '$1 != main && ($2 != main || $5 < 5000000) { print "wrong:", $0 }' sums >wrong
	same_files wrong /dev/null
}

test_python_multiprocessing_by_spawn() {
	cat >spawn.py <<-'PY'
		import multiprocessing
		def work(n):
		    return len(bytearray(100000 + n))
		if __name__ == "__main__":
		    multiprocessing.set_start_method("spawn")
		    with multiprocessing.Pool(2) as pool:
		        print(sum(pool.map(work, range(20))))
	PY
	same_with_heaptap spawn 512K python3 spawn.py
	is "$(<spawn/traced.out)" 2000190
}

test_shell_with_subshells_and_pipes() {
	cat >shell.sh <<-'SH'
		f() { local x; x=$(echo "$1" | tr a-z A-Z); echo "$x-$( (echo in; echo out) | wc -l)"; }
		for i in a b c d; do f "$i"; done
		(exit 5) || echo "status $?"
		{ sleep 0.05; echo late; } & wait
		trap 'echo trapped' USR1
		(kill -USR1 $$)
		echo done
	SH
	same_with_heaptap shell 1 bash shell.sh
	whole shell >n
	[ "$(<n)" -ge 10 ] || fail "processes: $(<n)"
}

test_no_follow_keeps_to_the_first_process() {
	cat >family.sh <<-'SH'
		x=$(echo a b c | sort)
		(y=$x; echo "$y")
		python3 -c 'print(1)'
		exec bash -c 'echo last'
	SH
	status_of out err "$heaptap" run --no-follow -i 0 -r 1 -o alone -- bash family.sh
	is "$status" 0
	is "$(tr '\n' ' ' <out)" 'a b c 1 last '
	find alone -name '*.heaptap' >found
	is "$(lines found)" 2 "snapshots: the process before and after its exec"
	"$heaptap" run -i 0 -r 1 -o all -- bash family.sh >out2 2>err2
	same_files out2 out
	[ "$(find all -name '*.heaptap' | wc -l)" -gt 4 ] || fail "followed: $(find all -name '*.heaptap')"
}

# The first program may wait two seconds for us, what it starts must not: here they would take forty.
test_stopped_heaptap_does_not_hold_up_what_the_program_starts() {
	cat >starts.sh <<-'SH'
		kill -STOP $PPID
		SECONDS=0
		for i in $(seq 20); do /bin/true; done
		echo $SECONDS >took
		kill -CONT $PPID
	SH
	timeout -s KILL 120 "$heaptap" run -q -- bash starts.sh
	cat took
	[ "$(<took)" -lt 20 ] || fail "$(<took) s"
}

test_nginx_master_and_workers() {
	need nginx curl
	nginx_files
	"$heaptap" run -i 0 -r 1 -o run -- nginx -p "$PWD" -c nginx.conf -g 'user root;' >out 2>err &
	local pid=$!
	wait_for 60 [ -S web.sock ]
	for _ in 1 2 3; do
		for _ in $(seq 40); do
			echo "url = http://localhost/page.txt"
			echo "output = /dev/null"
		done >urls
		curl -sf --compressed --unix-socket web.sock -K urls &
		curl -sf --unix-socket web.sock http://localhost/page.txt | cmp - html/page.txt
		wait $!
	done
	kill -HUP "$(<nginx.pid)" # two more workers; the old ones end
	sleep 1
	curl -sf --unix-socket web.sock http://localhost/page.txt | cmp - html/page.txt
	kill -QUIT "$(<nginx.pid)"
	wait $pid || fail "exit status $?: $(cat err)"
	cat err
	is "$(whole run)" 5 "master, two workers, two more after the reload"
	awk 'NR == 1 { master = $1; next } $2 != master { print "wrong:", $0 }' sums >wrong
	same_files wrong /dev/null
}

run_tests
