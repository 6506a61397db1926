#!/bin/bash
# tests/e2e/url.sh - SOURCEs that are URLs: what go tool pprof fetches, says and keeps, heaptap does.
# The server is pprof_server.py; as far as both take the same URL, go tool pprof is the oracle.
. "$(dirname "$0")/../lib.sh"
need go python3
unset http_proxy HTTP_PROXY https_proxy HTTPS_PROXY all_proxy ALL_PROXY
data=$HEAPTAP_SOURCE/tests/data/pprof

setup() {
	python3 "$e2e/pprof_server.py" "$data" >/dev/null 2>&1 8>&- &
	echo $! >server
	wait_for 60 [ -e port ]
}
trap 'kill "$(<"$top/server")" 2>/dev/null; rm -rf "$top"' EXIT

address() {
	echo "127.0.0.1:$(cat "$top/port")"
}

ours() { # ARG...: with the profiles it keeps in ours/
	PPROF_TMPDIR=$PWD/ours "$heaptap" pprof "$@"
}

theirs() { # ARG...
	env -u DEBUGINFOD_URLS HOME="$PWD" PPROF_TMPDIR="$PWD/theirs" go tool pprof "$@"
}

# What both say on stderr: pprof has no name in front, and a last line of its own when nothing was fetched.
said() { # FILE
	sed -E -e 's/^heaptap: //' -e "s#$PWD/(ours|theirs)/#KEPT/#" -e '/^failed to fetch any source profiles$/d' "$1"
}

# The same report, the same messages, the same file kept.
same_as_pprof() { # ARG...
	local a=0 b=0
	rm -rf ours theirs
	ours "$@" >ours.out 2>ours.err || a=$?
	theirs "$@" >theirs.out 2>theirs.err || b=$?
	is "$a" "$b" "exit status of $* ($(cat ours.err))"
	same_files ours.out theirs.out
	is "$(said ours.err)" "$(said theirs.err)" "stderr of $*"
	is "$(ls ours 2>/dev/null)" "$(ls theirs 2>/dev/null)" "files kept"
}

test_what_pprof_fetches() {
	local at
	at=$(address)
	same_as_pprof -top "http://$at/basic.pb.gz"
	same_as_pprof -tree -inuse_space "$at/cxx.pb.gz"
	same_as_pprof -top -alloc_space -cum "http://$at/debug/pprof/heap"
	same_as_pprof -top -seconds=90 "http://$at/basic.pb.gz"
	same_as_pprof -top -seconds=7200 "http://$at/basic.pb.gz"
	same_as_pprof -top "http://$at/basic.pb.gz?z=1&a=b+c%20d&a=%2Fx&e&seconds=3"
	same_as_pprof -top "http://$at/gzipped"
	same_as_pprof -traces -timeout=5 "http://$at/labels.pb.gz"
	same_as_pprof -top "http://localhost:${at#*:}/redirect"
	theirs -proto "http://$at/basic.pb.gz" 2>err >proto
	ours -raw "$data/basic.pb.gz" >raw
	ours -raw ours/* >kept
	same_files kept raw
}

test_what_pprof_refuses() {
	local at path
	at=$(address)
	for path in nowhere html; do
		same_as_pprof -top "http://$at/$path"
	done
	ours -top "http://$at/why" 2>err && fail "taken"
	has err '^heaptap: http://.*/why: server response: 500 Oh No - because of that$'
	for path in cut short round elsewhere; do
		refuses_url "http://$at/$path" "^heaptap: http://$at/$path: "
	done
	refuses_url http://127.0.0.1:1/x '^heaptap: http://127.0.0.1:1/x: Connection refused$'
	refuses_url 'ftp://127.0.0.1/' 'unsupported protocol scheme "ftp"'
	refuses_url 'http://127.0.0.1:port/' 'not a URL'
	refuses_url -tls_key=x "https://$at" 'both .-tls_key, -tls_cert. must be specified'
	[ ! -e ours ] || fail "kept: $(ls ours)"
}

refuses_url() { # ARG... REGEX
	local args=("$@")
	unset 'args[-1]'
	! ours -top "${args[@]}" >out 2>err || fail "taken: $*"
	is "$(cat out)" '' "stdout of $*"
	has err "${*: -1}"
}

# A minute unless told otherwise; five seconds more than told, as in pprof.
test_a_server_that_does_not_answer_is_given_up() {
	refuses_url -timeout=1 "http://$(address)/never" "/never: no answer for 6 s; -timeout=SECONDS waits longer"
}

test_several_and_a_base_are_fetched_and_one_may_fail() {
	local at
	at=$(address)
	ours -top -base="http://$at/basic.pb.gz" "http://$at/basic2.pb.gz" "$data/basic.pb.gz" >out 2>err
	pprof -top -base="$data/basic.pb.gz" "$data/basic2.pb.gz" "$data/basic.pb.gz" >expected 2>/dev/null
	same_files out expected
	is "$(grep -c 'Saved profile in' err)" 1 "profiles kept"
	ours -top "http://$at/nowhere" "http://$at/basic2.pb.gz" >out 2>err
	pprof -top "$data/basic2.pb.gz" >expected 2>/dev/null
	same_files out expected
	has err '^heaptap: http://.*/nowhere: server response: 404 Nowhere$'
	has err '^heaptap: read 1 of 2 profiles$'
}

# pprof asks for a CPU profile there; heaptap knows of heaps.
test_a_bare_address_means_its_heap() {
	PPROF_TMPDIR=$PWD "$heaptap" top "$(address)" >out 2>err
	pprof -top "$data/basic.pb.gz" >expected 2>/dev/null
	same_files out expected
	has err "^heaptap: Fetching profile over HTTP from http://$(address)/debug/pprof/heap$"
	has err "^heaptap: Saved profile in $PWD/pprof.server.alloc_objects.alloc_space.inuse_objects.inuse_space.001.pb.gz$"
	"$heaptap" export --folded folded "$(address)" 2>/dev/null
	[ -s folded ] || fail "nothing exported"
}

# The password is for the server.
test_passwords_are_sent_and_not_shown() {
	PPROF_TMPDIR=$PWD "$heaptap" top "http://anna:s3cret@$(address)/basic.pb.gz?mine" >out 2>err
	has "$top/requests" '^GET /basic.pb.gz\?mine= anna:s3cret$'
	has_not err s3cret
	has err 'from http://anna:xxxxx@'
}

test_unix_sockets() {
	local server
	python3 "$e2e/pprof_server.py" "$data" sock >/dev/null 2>&1 8>&- &
	server=$!
	wait_for 60 [ -S sock ]
	PPROF_TMPDIR=$PWD "$heaptap" top "unix://$PWD/sock:/pid/7/debug/pprof/heap" -seconds=2 >out 2>err
	pprof -top "$data/basic.pb.gz" >expected 2>/dev/null
	same_files out expected
	has err "^heaptap: Fetching profile over HTTP from unix://$PWD/sock:/pid/7/debug/pprof/heap\?seconds=2$"
	has requests '^GET /pid/7/debug/pprof/heap\?seconds=2 $'
	PPROF_TMPDIR=$PWD "$heaptap" top "unix://$PWD/sock" >out 2>/dev/null
	same_files out expected
	kill $server
	refuses_url "unix://$PWD/nobody:/x" "unix://$PWD/nobody:/x: No such file or directory$"
}

# What a server of heaptap's own says is what its snapshots say, labels included.
same_as_live() { # URL PID
	PPROF_TMPDIR=$PWD "$heaptap" top -unit=B -alloc_space -focus='^allocate$' -tagleaf=thread "$1" 2>err | grep -vE '^(Time|Duration):' >out
	"$heaptap" top -unit=B -alloc_space -focus='^allocate$' -tagleaf=thread "$2" | grep -vE '^(Time|Duration):' >expected
	same_files out expected
	has out '^ *150000B .* beta$'
}

test_a_running_program() {
	local run pid url
	mkfifo input
	READY=$PWD/ready "$heaptap" run --by-thread --http=127.0.0.1:0 -i 0 -r 1 -o . -- "$victims/handing" <input >stdout 2>stderr &
	run=$!
	exec 7>input
	wait_for 60 [ -e ready ]
	wait_for 60 grep -q 'http://' stderr
	url=$(grep -oE 'http://[^/ ]+' stderr | head -n 1)
	pid=$(run_dir . | sed 's/.*\.//')
	same_as_live "$url" "$pid"
	same_as_live "$url/pid/$pid/debug/pprof/heap" "$pid"
	refuses_url "$url/pid/1/debug/pprof/heap" 'server response: 404 '
	exec 7>&-
	wait $run
}

# ~/pprof, unless it cannot be; then that is said, and the report is there all the same.
test_kept_where_pprof_keeps() {
	env -u PPROF_TMPDIR HOME="$PWD/home" "$heaptap" top "$(address)" >out 2>err
	[ -s home/pprof/pprof.server.alloc_objects.alloc_space.inuse_objects.inuse_space.001.pb.gz ] || fail "$(cat err)"
	touch file
	PPROF_TMPDIR=$PWD/file HOME="$PWD/file" TMPDIR=$PWD/tmp "$heaptap" top "$(address)" >out 2>err
	is "$(grep -c 'Could not use temp dir .*/file' err)" 2 "places that are none"
	has err "Saved profile in $PWD/tmp/pprof\."
	[ -s out ] || fail "no report"
}

# A file with a colon in its name is a file.
test_files_come_first() {
	cp "$data/basic.pb.gz" "localhost:1"
	"$heaptap" top localhost:1 >out 2>err
	is "$(cat err)" '' stderr
}

run_tests
