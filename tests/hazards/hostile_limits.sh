#!/bin/bash
# tests/hazards/hostile_limits.sh - too little of everything: what runs bare under a limit runs traced under it.
# tests/unit/shim_company.c::obey_resource_limits has every entry point under limits, with a small region.
. "$(dirname "$0")/twice.bash"
need python3 perl prlimit

setup() {
	start_daemon
}

# Status and output of a shell line, bare and in each way; no witness, whose records a limit would cut.
same_under() { # SHELL-LINE
	local way traced status
	status_of bare.out bare.err bash -c "$1" </dev/null
	local expected=$status
	for way in exact sampled daemon; do
		case $way in
		exact) traced=("$heaptap" run -q -i 0 -r 1 -o "$top/$way" --) ;;
		sampled) traced=("$heaptap" run -q -i 0 -o "$top/$way" --) ;;
		daemon) traced=(env HEAPTAP_SOCKET="$top/sock" LD_PRELOAD="$shim") ;;
		esac
		status_of out err "${traced[@]}" bash -c "$1" </dev/null
		is "$status" "$expected" "$way: exit status of: $1 ($(tail -n 3 err))"
		same_files out bare.out
		sed -i -E 's/(line [0-9]+:) +[0-9]+ /\1 PID /' bare.err err
		same_files err bare.err
	done
}

programs=(
	'seq 3000 | sort -rn | md5sum'
	'exec perl -e "my %h = map { \$_ => 1 } 1..5000; print scalar(%h), qq(\n); exit 4"'
	'exec /usr/bin/python3 -S -c "import threading
t = [threading.Thread(target=lambda: [bytes(i) for i in range(2000)]) for _ in range(4)]
[x.start() for x in t]; [x.join() for x in t]; print(len(t))"'
)

# Not -n 3: then the loader itself cannot open any preload, and says so.
test_each_limit() {
	local limit
	for limit in '-f 0' '-f 1' '-n 4' '-n 5' '-n 8' '-l 0' '-s 256' '-s unlimited' '-i 0' '-c 0' '-d 60000' '-t 100' '-m 1000'; do
		same_under "ulimit $limit; (${programs[0]}); (${programs[1]}); echo \$?; ${programs[2]}"
	done
}

test_one_process_a_user() {
	[ "$(id -u)" -eq 0 ] || skip "root has no such limit, another user takes root"
	chmod a+x "$top" "$PWD" "$(dirname "$top")" || true
	# Not bash: it tries again for 15 s.
	same_under 'exec setpriv --reuid=65533 --regid=65533 --clear-groups prlimit --nproc=1 sh -c "exec perl -e \"print fork // q(none)\"; :"'
	same_under 'exec setpriv --reuid=65533 --regid=65533 --clear-groups prlimit --nproc=1 sh -c "(echo sub); echo \$?; exec perl -e \"print fork // q(none)\""'
}

# The least address space, in KiB, in which a shell line does what it does without limit.
least() { # SHELL-LINE
	local low=2000 high=4000000 middle
	while [ $((high - low)) -gt 500 ]; do
		middle=$(((low + high) / 2))
		if [ "$(bash -c "ulimit -v $middle; $1" 2>&1)" = "$(bash -c "$1")" ]; then
			high=$middle
		else
			low=$middle
		fi
	done
	echo $high
}

# What is left after our mappings must do; 8 MiB more for the library itself.
test_address_space_just_enough() {
	local program line need more
	for program in 'exec perl -e "my @x = map { q(x) x \$_ } 1..8000; print scalar(@x), qq(\n)"' \
		'exec /usr/bin/python3 -S -c "x = [bytes(30000) for _ in range(3000)]; print(len(x))"'; do
		need=$(least "$program")
		for more in 8 60 250 350 700 1090 1400; do
			line="ulimit -v $((need + more * 1024)); $program"
			same_under "$line"
		done
	done
}

# A memory cgroup of either version, or nothing.
new_group() {
	local root
	for root in /sys/fs/cgroup/memory /sys/fs/cgroup /sys/fs/cgroup/unified; do
		group=$root/heaptap-test-$$
		if mkdir "$group" 2>/dev/null; then
			for limit in memory.limit_in_bytes memory.max; do
				[ ! -w "$group/$limit" ] || return 0
			done
			rmdir "$group"
		fi
	done
	return 1
}

# Status of a command inside the group.
in_group() { # BYTES COMMAND...
	local bytes=$1
	shift
	echo "$bytes" >"$group/$limit"
	status_of out err bash -c 'echo $$ >"$0/cgroup.procs"; exec "$@"' "$group" "$@" </dev/null
}

# What fits bare, fits sampled with 6 MiB more; what is killed bare is killed traced, and heaptap says how it ended.
test_full_memory_cgroup() {
	new_group || skip "no memory cgroup may be made here"
	local program=(/usr/bin/python3 -S -c 'x = [bytes(30000) for _ in range(2000)]; print(len(x))')
	local traced=(env HEAPTAP_SOCKET="$top/coarse" LD_PRELOAD="$shim" "${program[@]}") low=2 high=400 middle
	"$daemon" --socket "$top/coarse" --state "$top/coarse-state" --interval 0 2>coarse.log 8>&- &
	local coarse=$!
	wait_for 20 [ -S "$top/coarse" ]
	while [ $((high - low)) -gt 1 ]; do
		middle=$(((low + high) / 2))
		in_group ${middle}M "${program[@]}"
		if [ "$status" = 0 ]; then high=$middle; else low=$middle; fi
	done
	in_group $((high + 6))M "${traced[@]}"
	local fits=$status
	in_group $((low - 10))M "${program[@]}"
	local killed=$status
	in_group $((low - 10))M "${traced[@]}"
	kill $coarse
	rmdir "$group" || true
	[ "$killed" != 0 ] && [ $high -lt 300 ] || fail "the group does not limit memory: $high MiB, $killed"
	is "$fits" 0 "exit status with $((high + 6)) MiB, of which the bare program needs $high"
	is "$status" "$killed" "exit status when memory is short"
	has coarse.log 'python3'
}

run_tests
