#!/bin/bash
# tests/e2e/debuginfod.sh - debug files from a server: only for who asks, within a time, and only the right ones.
# shellcheck disable=SC2034
. "$(dirname "$0")/../lib.sh"
need gcc debuginfod python3

free_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# A stripped program that ran, its snapshot, and its debug file in store/ only.
prepare() {
	cat >victim.c <<-'END'
		#include <stdlib.h>
		static void *__attribute__((noinline)) hidden(int n) { return malloc(n); }
		int main(void) { void *volatile p = hidden(5000); return !p; }
	END
	gcc -g -O1 -fno-builtin -Wl,--build-id victim.c -o victim
	mkdir store
	objcopy --only-keep-debug victim store/victim.debug
	strip victim
	"$heaptap" run -q -i 0 -r 1 -o out -- ./victim
	snapshot=$(run_dir out)
	export DEBUGINFOD_CACHE_PATH=$PWD/client
}

serve() {
	local port
	port=$(free_port)
	debuginfod -p "$port" -d "$PWD/index.sqlite" -F store >server.log 2>&1 &
	server=$!
	export DEBUGINFOD_URLS=http://127.0.0.1:$port/
	wait_for 60 curl_finds "$port"
}

curl_finds() { # PORT
	python3 - "$1" "$(readelf -n victim | sed -n 's/.*Build ID: //p')" <<-'END'
		import sys, urllib.request
		urllib.request.urlopen("http://127.0.0.1:%s/buildid/%s/debuginfo" % tuple(sys.argv[1:]), timeout=10).read()
	END
}

test_names_come_from_the_server_for_who_asks() {
	prepare
	serve
	"$heaptap" top "$snapshot" >without 2>err
	has_not without 'hidden'
	has without 'victim\+0x'
	[ ! -e client ] || fail "somebody was asked: $(ls -R client)"
	"$heaptap" top --debuginfod "$snapshot" >with 2>err
	has with ' hidden$'
	is "$(cat err)" "" "said"
	kill "$server"
	"$heaptap" top "$snapshot" >later 2>err
	has later ' hidden$'
}

test_a_program_that_is_gone_is_fetched() {
	prepare
	cp victim store/
	serve
	rm victim
	"$heaptap" top --debuginfod "$snapshot" >with 2>err
	has with ' hidden$'
	is "$(cat err)" "" "said"
	kill "$server"
}

test_without_a_server_it_says_so() {
	prepare
	unset DEBUGINFOD_URLS
	"$heaptap" top --debuginfod "$snapshot" >out.txt 2>err || fail "exit status $?"
	has err '^heaptap: --debuginfod: DEBUGINFOD_URLS names no server; on Debian: export DEBUGINFOD_URLS=https://'
	has out.txt 'victim\+0x'
}

# A server that answers with another program's file: the build-id is not the one that was asked for.
test_a_server_that_lies_is_not_believed() {
	local port
	prepare
	gcc -g -O1 -fno-builtin -Wl,--build-id -Dhidden=forged victim.c -o store/forged
	port=$(free_port)
	python3 - "$port" <<-'END' &
		import http.server, sys
		class Liar(http.server.BaseHTTPRequestHandler):
		    def do_GET(self):
		        body = open("store/forged", "rb").read()
		        self.send_response(200)
		        self.send_header("Content-Length", str(len(body)))
		        self.end_headers()
		        self.wfile.write(body)
		    def log_message(self, *a):
		        open("asked", "a").write("x")
		http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Liar).serve_forever()
	END
	server=$!
	export DEBUGINFOD_URLS=http://127.0.0.1:$port/
	wait_for 60 curl_finds "$port"
	rm -f asked
	"$heaptap" top --debuginfod "$snapshot" >out.txt 2>err
	[ -s asked ] || fail "nobody was asked"
	has_not out.txt 'forged|hidden'
	has out.txt 'victim\+0x'
	kill "$server"
}

run_tests
