#!/bin/bash
# tests/e2e/redis.sh - redis-server under redis-benchmark; its jemalloc is forwarded to and sampled.
. "$(dirname "$0")/../lib.sh"
need redis-server redis-cli redis-benchmark go

serve() { # DIR [LAUNCHER...]: a server on DIR/sock in the background, its pid in $server
	local dir=$1
	shift
	mkdir -p "$dir"
	"$@" redis-server --port 0 --unixsocket "$top/$dir/sock" --save '' --enable-debug-command yes \
		--dir "$top/$dir" >"$dir/stdout" 2>"$dir/stderr" &
	server=$!
	wait_for 30 redis-cli -s "$top/$dir/sock" ping
}

load() { # DIR: the same work each time; what the server answers
	redis-cli -s "$top/$1/sock" debug populate 20000 key 200
	redis-benchmark -s "$top/$1/sock" -c 4 -n 5000 -r 1000 -t set,lpush,hset -q >"$1/benchmark"
	redis-cli -s "$top/$1/sock" del mylist myhash
	redis-cli -s "$top/$1/sock" get key:77
	redis-cli -s "$top/$1/sock" dbsize
}

finish() { # DIR
	redis-cli -s "$top/$1/sock" shutdown nosave
	wait "$server"
}

traced() { # DIR RATE
	serve "$1" "$heaptap" run -i 0 -r "$2" -o "$top/$1" --
	load "$1" >"$1/answers"
	redis-cli -s "$top/$1/sock" flushall
	redis-cli -s "$top/$1/sock" debug populate 30000 key 300
	snapshot_now "$server" "$1" >"$1.path"
	finish "$1"
}

setup() {
	traced sampled 16K
	traced exact 1
	serve plain
	load plain >plain/answers
	finish plain
}

# redis-benchmark's random keys decide the last line, the number of keys.
test_answers_and_status_are_the_same() {
	sed '$d' "$top/plain/answers" >plain
	sed '$d' "$top/sampled/answers" >sampled
	same_files sampled plain
	has sampled '^value:77'
}

test_estimates_agree_with_the_exact_run() {
	"$e2e/snapshot.py" compare "$(<"$top/sampled.path")" "$(<"$top/exact.path")" inuse_bytes inuse_objects
}

test_allocator_behind_is_jemalloc() {
	"$e2e/snapshot.py" sums "$(<"$top/sampled.path")" >sums
	has sums '^allocator .*libjemalloc\.so'
}

test_top_names_who_allocates() {
	"$heaptap" top "$(<"$top/sampled.path")" >top
	cat top
	[[ $(first_row <top) =~ ^(sds|_sds|zmalloc|ztrymalloc|zcalloc|dict|createObject|createRawString|createEmbedded) ]]
	"$heaptap" top -cum "$(<"$top/sampled.path")" >cum
	cat cum
	grep -qE ' debugCommand$' cum
}

test_pprof_prints_the_same() {
	pprof_agrees "$(<"$top/sampled.path")"
}

run_tests
