#!/bin/bash
# tests/e2e/http_access.sh - the daemon's HTTP: who sees what, tokens, hosts, errors as net/http/pprof has them.
. "$(dirname "$0")/../lib.sh"
need curl go python3 setpriv ss
daemon=$HEAPTAP_BUILD/heaptap-collectord

start_daemon() { # OPTION...: its pid in $daemon_pid, its HTTP socket in $http
	sock=$top/s$BASHPID # short: a socket's path has 107 bytes
	http=$sock-http.sock
	mkdir -p -m 700 state
	"$daemon" --socket "$sock" --state "$PWD/state" --rate 1 --interval 0 "$@" 2>daemon.log &
	daemon_pid=$!
	wait_for 60 [ -S "$http" ]
	wait_for 60 grep -q 'HTTP on' daemon.log
}

stop_daemon() {
	stop_collectord "$daemon_pid"
	[ ! -e "$http" ] || fail "$http is left behind"
}

# A program that keeps MB and waits for the end of a pipe; its pid in $program.
start_program() { # NAME MB [UID]
	local name=$1 mb=$2 user=()
	[ $# -lt 3 ] || user=(setpriv --reuid "$3" --regid "$3" --clear-groups)
	mkfifo "in.$name"
	"${user[@]}" env HEAPTAP_WAIT_MS=10000 HEAPTAP_SOCKET="$sock" LD_PRELOAD="$shim" "$victims/steady" "$mb" <"in.$name" >"out.$name" &
	program=$!
	exec {pipe}>"in.$name" # open until the end
	echo 0 >&"$pipe"
	wait_for 60 grep -qx 'done' "out.$name" # it keeps what it keeps
}

as() { # UID COMMAND...
	local uid=$1
	shift
	setpriv --reuid "$uid" --regid "$uid" --clear-groups "$@"
}

# PATH CURL-OPTION...: the status; the answer in ./body, its header in ./head.
ask() {
	local path=$1
	shift
	curl -sS --path-as-is --unix-socket "$http" -D head -o body -w '%{http_code}' "$@" "http://localhost$path"
}

answers() { # STATUS BODY-REGEX PATH CURL-OPTION...
	local status=$1 regex=$2
	shift 2
	is "$(ask "$@")" "$status" "status of $1"
	has body "$regex"
	has head '^X-Content-Type-Options: nosniff'
	[ "$status" -lt 400 ] || { has head '^X-Go-Pprof: 1' && has head '^Content-Type: text/plain; charset=utf-8'; }
}

test_errors_are_those_of_go() {
	start_daemon
	answers 404 '^no program is recorded here$' /debug/pprof/heap
	start_program a 3
	answers 400 '^invalid value for "seconds" - must be a positive integer$' '/debug/pprof/heap?seconds=soon'
	answers 400 '^invalid value for "seconds" - must be a positive integer$' '/debug/pprof/heap?seconds=0'
	answers 400 '^invalid value for "seconds" - must be a positive integer$' '/debug/pprof/heap?seconds=99999999999999999999'
	answers 400 '^"seconds" parameter is not supported for this profile type$' '/debug/pprof/peak?seconds=1'
	answers 400 "^profile duration exceeds server's WriteTimeout$" '/debug/pprof/heap?seconds=100000'
	answers 400 '^seconds and debug params are incompatible$' '/debug/pprof/heap?seconds=1&debug=1'
	answers 404 '^Unknown profile$' /debug/pprof/goroutine
	answers 404 '^Unknown profile$' /debug/pprof/heap/
	answers 404 '^Unknown profile$' /debug/pprof/../heap
	answers 404 '^Unknown profile$' /debug/pprof/%2e%2e/heap
	answers 404 '^Unknown profile$' /debug/pprof/heap%00
	answers 404 '^404 page not found$' /etc/passwd
	answers 404 '^404 page not found$' "/pid/0$program/debug/pprof/heap"
	answers 404 '^no process 1 is recorded here$' /pid/1/debug/pprof/heap
	answers 405 '^method not allowed$' /debug/pprof/heap -X POST -d x
	has head '^Allow: GET, HEAD'
	answers 405 '^method not allowed$' /debug/pprof/heap -X DELETE
	answers 301 . /debug/pprof
	has head '^Location: /debug/pprof/'
	answers 302 . /
	is "$(ask '/debug/pprof/heap?seconds=&debug=rubbish')" 200
	has head '^Content-Disposition: attachment; filename="heap"'
	has head '^Content-Type: application/octet-stream'
	is "$(ask '/debug/pprof/allocs?seconds=1')" 200
	has head '^Content-Disposition: attachment; filename="allocs-delta"'
	is "$(curl -sS -I --unix-socket "$http" -o head -w '%{http_code}' http://localhost/debug/pprof/heap)" 200
	stop_daemon
}

test_difference_of_a_process_that_ends() {
	start_daemon
	start_program a 3
	curl -sS --unix-socket "$http" -o late -w '%{http_code}' "http://localhost/debug/pprof/heap?seconds=3600" >status {pipe}>&- &
	local waiting=$!
	wait_for 60 grep -q 'GET /debug/pprof/heap' daemon.log
	exec {pipe}>&-
	wait $waiting
	is "$(<status)" 500
	is "$(<late)" 'failed to collect profile: the process has ended'
	stop_daemon
}

test_go_tool_pprof_says_why_it_got_nothing() {
	start_daemon --http 127.0.0.1:0 --http-token "$PWD/token"
	start_program a 3
	start_program b 3
	local url
	url=$(url_of_daemon)
	status_of out err pprof -top "http://:$(<token)@$url/debug/pprof/heap"
	has err '400 Bad Request - 2 processes are recorded: ask for one of them$'
	has err "^/pid/$program/debug/pprof/heap  steady$"
	pprof -top -unit=B "http://:$(<token)@$url/pid/$program/debug/pprof/heap" >out 2>err
	has out 'of 3145728B total'
	stop_daemon
}

url_of_daemon() {
	sed -nE 's/.*HTTP at port ([0-9]+),.*/127.0.0.1:\1/p' daemon.log
}

test_users_see_their_own_and_root_all() {
	local a b
	[ "$(id -u)" -eq 0 ] || skip "only root can be several users"
	chmod 711 "$top" .
	as 50001 true 2>/dev/null || skip "root may not change users here"
	as 50001 "$victims/steady" </dev/null || skip "other users do not get to the build"
	start_daemon
	start_program a 3 50001
	a=$program
	start_program b 5 50002
	b=$program
	mkdir -m 777 seen
	cd seen
	is "$(as 50001 curl -sS --unix-socket "$http" http://localhost/debug/pprof/ | grep -c "Process $a")" 1
	as 50001 curl -sS --unix-socket "$http" "http://localhost/debug/pprof/heap" >own.pb.gz
	is "$(pprof -top -unit=B own.pb.gz 2>/dev/null | sed -nE 's/.* of ([0-9]+)B total.*/\1/p')" 3145728
	has <(pprof -top own.pb.gz 2>/dev/null) ' keep$'
	for page in heap allocs peak cmdline 'symbol?0x1' 'heap?debug=1' 'heap?seconds=1' ''; do
		is "$(as 50001 curl -sS --unix-socket "$http" -o /dev/null -w '%{http_code}' "http://localhost/pid/$b/debug/pprof/$page")" 404 "$page of another user"
	done
	is "$(as 50003 curl -sS --unix-socket "$http" "http://localhost/debug/pprof/heap")" 'no program is recorded here'
	curl -sS --unix-socket "$http" http://localhost/debug/pprof/heap >all
	has all "^/pid/$a/"
	has all "^/pid/$b/"
	cd ..
	stop_daemon
}

test_tcp_wants_the_token() {
	local url token
	start_daemon --http 127.0.0.1:0
	start_program a 3
	url=http://$(url_of_daemon)/debug/pprof/heap
	is "$(stat -c %a state/http-token)" 600
	token=$(<state/http-token)
	[ ${#token} -ge 32 ]
	is "$(curl -sS -D head -o body -w '%{http_code}' "$url")" 401
	has head '^WWW-Authenticate: '
	has body '^a token is needed'
	is "$(curl -sS -o body -w '%{http_code}' -H "Authorization: Bearer ${token%?}x" "$url")" 401
	is "$(curl -sS -o body -w '%{http_code}' -H "Authorization: Bearer ${token%?}" "$url")" 401
	is "$(curl -sS -o body -w '%{http_code}' "$url?token=")" 401
	is "$(curl -sS -o body -w '%{http_code}' -H "Authorization: Bearer $token" "$url")" 200
	is "$(curl -sS -o body -w '%{http_code}' "$url?token=$token")" 200
	is "$(curl -sS -o body -w '%{http_code}' -u ":$token" "$url")" 200
	is "$(curl -sS -o body -w '%{http_code}' -u "$token:" "$url")" 200
	pprof -top -unit=B "http://:$token@${url#http://}" >out 2>err
	has out 'of 3145728B total'
	pprof -top -unit=B "$url?token=$token" >out 2>err
	has out 'of 3145728B total'
	has_not daemon.log "$token"
	stop_daemon
	start_daemon --http 127.0.0.1:0
	is "$(<state/http-token)" "$token" "the token after a restart"
	stop_daemon
}

test_token_files_that_others_read_are_refused() {
	echo 0123456789abcdef0123456789abcdef >token
	chmod 644 token
	status_of out err "$daemon" --socket "$top/x$BASHPID" --state "$PWD" --http 127.0.0.1:0 --http-token "$PWD/token"
	is "$status" 1
	has err 'others cannot read'
	chmod 600 token
	echo short >token
	status_of out err "$daemon" --socket "$top/x$BASHPID" --state "$PWD" --http 127.0.0.1:0 --http-token "$PWD/token"
	is "$status" 1
	has err 'at least 16'
}

test_other_names_and_origins_are_refused() {
	local url token
	start_daemon --http 127.0.0.1:0
	start_program a 3
	url=http://$(url_of_daemon)/debug/pprof/
	token=$(<state/http-token)
	for host in evil.test evil.test:6061 127.0.0.1.evil.test localhost.evil.test 'localhost:x' 10.0.0.1 '[::2]' 'a@localhost'; do
		is "$(curl -sS -o body -w '%{http_code}' -H "Host: $host" "$url?token=$token")" 403 "Host: $host"
	done
	for host in localhost localhost:80 127.0.0.1:1 127.3.4.5 '[::1]:9' LOCALHOST; do
		is "$(curl -sS -o body -w '%{http_code}' -H "Host: $host" "$url?token=$token")" 200 "Host: $host"
	done
	for origin in http://evil.test null https://localhost http://localhost.evil.test; do
		is "$(curl -sS -o body -w '%{http_code}' -H "Host: localhost" -H "Origin: $origin" "$url?token=$token")" 403 "Origin: $origin"
	done
	is "$(curl -sS -D head -o body -w '%{http_code}' -H "Host: localhost" -H "Origin: http://localhost" "$url?token=$token")" 200
	has_not head -i '^Access-Control'
	is "$(ask /debug/pprof/ -H 'Origin: http://evil.test')" 403 "on the unix socket"
	stop_daemon
}

# Of another user's connection the kernel tells, too.
test_run_serves_its_own_user_without_a_token() {
	local url
	mkfifo in
	"$heaptap" run --http=127.0.0.1:0 --http-token "$PWD/token" -i 0 -r 1 -- "$victims/steady" 3 <in >out 2>err &
	exec {pipe}>in
	echo 0 >&"$pipe"
	wait_for 60 grep -qx 'done' out
	url=$(sed -nE 's/.*go tool pprof (.*)/\1/p' err)
	pprof -top -unit=B "$url" >report 2>pprof.err
	has report 'of 3145728B total'
	is "$(curl -sS -o body -w '%{http_code}' "${url/127.0.0.1/$(<token)@127.0.0.1}")" 200
	is "$(curl -sS -o body -w '%{http_code}' "${url/127.0.0.1/wrong@127.0.0.1}")" 401
	if [ "$(id -u)" -eq 0 ] && as 50001 true 2>/dev/null; then
		is "$(as 50001 curl -sS -w '%{http_code}' "$url" | tail -c 3)" 401 "another user"
		is "$(as 50001 curl -sS -w '%{http_code}' "$url?token=$(<token)" | tail -c 3)" 200
	fi
	exec {pipe}>&-
	wait
}

# The manager owns the sockets: the daemon answers what came before it was there, and leaves them behind.
test_sockets_of_a_service_manager() {
	local url token
	mkdir -m 700 state
	sock=$top/s$BASHPID
	http=$sock.http
	python3 - "$http" "$daemon" --socket "$sock" --state "$PWD/state" --rate 1 2>daemon.log >port <<-'END' &
		import os, socket, sys
		served = [socket.socket(socket.AF_UNIX), socket.socket(socket.AF_INET)]
		served[0].bind(sys.argv[1])
		served[1].bind(("127.0.0.1", 0))
		for s in served:
		    s.listen(16)
		print(served[1].getsockname()[1], flush=True)
		for i, s in enumerate(served):
		    os.dup2(s.fileno(), 200 + i)
		for i in range(2):
		    os.dup2(200 + i, 3 + i)
		os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="2", LISTEN_FDNAMES="http:http")
		os.execv(sys.argv[2], sys.argv[2:])
	END
	daemon_pid=$!
	wait_for 60 grep -q 'HTTP on 2 sockets' daemon.log
	start_program a 3
	is "$(ask /debug/pprof/heap)" 200
	token=$(<state/http-token)
	is "$(curl -sS -o body -w '%{http_code}' "http://127.0.0.1:$(<port)/debug/pprof/heap")" 401
	is "$(curl -sS -o body -w '%{http_code}' "http://127.0.0.1:$(<port)/debug/pprof/heap?token=$token")" 200
	is "$(curl -sS -o body -w '%{http_code}' -H 'Host: evil.test' "http://127.0.0.1:$(<port)/debug/pprof/heap?token=$token")" 403
	kill -TERM "$daemon_pid"
	wait "$daemon_pid"
	[ -S "$http" ] || fail "the manager's socket is gone"
}

# Unfinished requests over TCP, which take all the room there is.
test_two_hundred_half_requests_do_not_stop_it() {
	local url token
	start_daemon --http 127.0.0.1:0
	start_program a 3
	url=http://$(url_of_daemon)/debug/pprof/heap
	token=$(<state/http-token)
	python3 - "$url" <<-'END' &
		import socket, sys, time, urllib.parse
		at = urllib.parse.urlsplit(sys.argv[1])
		clients = []
		for i in range(200):
		    clients.append(socket.create_connection((at.hostname, at.port)))
		    clients[-1].sendall(b"GET /debug/pprof/heap HTTP/1.1\r\nHost: localhost\r\nX: "[:20 + i % 20])
		open("full", "w").close()
		while True:  # a byte now and then: a deadline that every byte puts off would never come
		    time.sleep(0.2)
		    for c in clients:
		        try:
		            c.send(b"x")
		        except OSError:
		            pass
	END
	local slow=$!
	wait_for 60 [ -e full ]
	for _ in 1 2 3; do
		is "$(curl -sS --retry 5 --retry-all-errors -o body -w '%{http_code}' -H "Authorization: Bearer $token" "$url")" 200
	done
	pprof -top -unit=B "http://:$token@${url#http://}" >out 2>err
	has out 'of 3145728B total'
	answers 200 . /debug/pprof/heap
	wait_for 60 all_closed
	kill $slow
	stop_daemon
}

# Of the clients' ends none is connected any more: the deadline is of the whole request.
all_closed() {
	[ "$(ss -Htn state established "( sport = :$(url_of_daemon | cut -d: -f2) )" | wc -l)" -eq 0 ]
}

# 100000 stacks: 333 MB as text, some hundred kB as protobuf.
test_an_answer_that_would_be_too_large_says_what_to_ask_for() {
	local run pipe url path
	mkfifo in
	"$heaptap" run --http=127.0.0.1:0 -i 0 -r 1 -o . -- "$victims/many_stacks" 100000 wait <in >out 2>err &
	run=$!
	exec {pipe}>in
	wait_for 60 grep -q 'http://' err
	url=$(grep -oE 'http://[^/ ]+' err | head -n 1)
	wait_for 60 has_stacks "$url" 100000
	is "$(curl -sS -o body -w '%{http_code}' "$url/debug/pprof/heap?debug=1")" 500 "status of the text"
	has body '^failed to collect profile: it is larger than the 256 MB .*: ask without debug=1'
	for path in debug/pprof/heap pprof/heap 'debug/pprof/symbol?0x1'; do
		is "$(curl -sS -o body -w '%{http_code}' "$url/$path")" 200 "status of $path"
		[ -s body ] || fail "$path: nothing"
	done
	exec {pipe}>&-
	wait $run
}

has_stacks() { # URL N
	local n
	n=$(curl -sS "$1/debug/pprof/" | sed -nE 's/.*<td>([0-9]+)<.*heap[?]debug=1.*/\1/p')
	[ "${n:-0}" -ge "$2" ]
}

run_tests
