#!/bin/bash
# tests/e2e/http.sh - profiles of running programs over HTTP, fetched by the tools that people fetch them with.
. "$(dirname "$0")/../lib.sh"
. "$HEAPTAP_SOURCE/tests/nginx.bash"
need go curl python3 redis-server redis-benchmark

# --- a loaded server that stands still -----------------------------------------------------------------------------

redis_cli() {
	redis-cli -s "$top/redis.sock" "$@"
}

benchmark() {
	redis-benchmark -s "$top/redis.sock" -c 4 -n 5000 -r 1000 -d 200 -t set,lpush -q >/dev/null
}

# Its URL in $top/url, its pid in $top/pid.  Stopped: what it holds is the same each time it is asked.
setup() {
	"$heaptap" run --http=127.0.0.1:0 -i 0 -r 1K -o "$top/run" -- redis-server --port 0 \
		--unixsocket "$top/redis.sock" --save '' --dir "$top" >"$top/stdout" 2>"$top/stderr" 7>&- &
	echo $! >"$top/launcher"
	wait_for 60 redis_cli ping
	benchmark
	sed -nE 's,.*go tool pprof (http://127\.0\.0\.1:[0-9]+)/debug/pprof/heap$,\1,p' "$top/stderr" >"$top/url"
	[ -s "$top/url" ]
	redis_cli info server | sed -nE 's/^process_id:([0-9]+).*/\1/p' >"$top/pid"
	kill -STOP "$(<"$top/pid")"
}

end_server() {
	kill -CONT "$(<"$top/pid")"
	kill -TERM "$(<"$top/pid")"
	timeout 60 tail --pid="$(<"$top/launcher")" -f /dev/null
}
trap 'end_server 2>/dev/null; rm -rf "$top"' EXIT

# Without what the moment of asking decides, and what only a served profile says: that all its mappings have names.
timeless() {
	sed -E -e '/^Time: /d' -e 's/^Duration: .*, Total/Total/' -e '/^Duration: [0-9.]+$/d' -e 's/ (\[[A-Z]{2}\])*$//'
}

# `go tool pprof ARG... URL` prints what `heaptap top ARG... PID` prints.
agrees() { # HEAPTAP-COMMAND PPROF-FLAG FLAG...
	local command=$1 report=$2
	shift 2
	pprof "$report" "$@" "$(<"$top/url")/debug/pprof/heap" 2>err | timeless >expected
	"$heaptap" "$command" "$@" "$(<"$top/pid")" | timeless >actual
	[ "$(lines expected)" -gt 8 ]
	same_files actual expected
}

test_go_tool_pprof_prints_what_heaptap_prints() {
	agrees top -top -inuse_space
	agrees top -top -alloc_space
	agrees top -top -cum
	agrees raw -raw
}

test_go_tool_pprof_asks_once_and_opens_no_local_file() {
	need strace
	local exe
	exe=$(readlink "/proc/$(<"$top/pid")/exe")
	HOME=$PWD PPROF_TMPDIR=$PWD strace -f -qq -s 80 -e trace=write,open,openat -o trace \
		go tool pprof -top "$(<"$top/url")/debug/pprof/heap" >out 2>err
	has out processMultibulkBuffer
	grep -E 'write\([0-9]+, "(GET|POST|HEAD) ' trace >requests
	is "$(lines requests)" 1 "requests ($(<requests))"
	has_not trace "\"$exe\""
	has_not err 'symbolization failed|Main binary'
}

test_svg() {
	need dot
	pprof -svg "$(<"$top/url")/debug/pprof/heap" >svg 2>err
	has svg '^<svg'
	has svg processMultibulkBuffer
}

test_interactive() {
	need dot
	printf '#!/bin/sh\ncp "$1" "%s/shown.svg"\n' "$PWD" >browser
	chmod +x browser
	printf 'top10\ntop20 -cum\nweb\nquit\n' | BROWSER=$PWD/browser TMPDIR=$PWD pprof "$(<"$top/url")/debug/pprof/heap" >out 2>err
	is "$(grep -c 'flat  flat%' out)" 2 "tables"
	wait_for 60 grep -q '</svg>' shown.svg
}

test_base_of_itself_leaves_nothing() {
	local url
	url=$(<"$top/url")/debug/pprof/heap
	pprof -top -base "$url" "$url" >out 2>err
	has out '(^|, )Total samples = 0 ?$|^Showing nodes accounting for 0, 0% of 0 total'
}

test_allocs_shows_what_was_allocated_first() {
	pprof -top "$(<"$top/url")/debug/pprof/allocs" >out 2>err
	has out '^Type: alloc_space$'
	pprof -top -alloc_space "$(<"$top/url")/debug/pprof/heap" 2>err >heap
	is "$(tail -n +4 out | timeless)" "$(tail -n +4 heap | timeless)"
}

test_peak_is_that_of_heaptap() {
	pprof -top "$(<"$top/url")/debug/pprof/peak" 2>err | timeless >expected
	"$heaptap" top -peak "$(<"$top/pid")" 2>err | timeless >actual
	same_files actual expected
}

test_text_says_the_same() {
	local sum
	curl -sS -D headers -o text "$(<"$top/url")/debug/pprof/heap?debug=1"
	has headers '^Content-Type: text/plain; charset=utf-8'
	has_not headers '^Content-Disposition'
	has text '^# runtime.MemStats$'
	has text '^#	0x[0-9a-f]+	processMultibulkBuffer\+0x[0-9a-f]+'
	sum=$(sed -nE '1s/^heap profile: [0-9]+: ([0-9]+) \[.*/\1/p' text)
	curl -sS -o heap.pb.gz "$(<"$top/url")/debug/pprof/heap?debug=0&gc=1"
	is "$(pprof -top -unit=B heap.pb.gz 2>/dev/null | sed -nE 's/.* of ([0-9]+)B total.*/\1/p')" "$sum"
}

test_perl_tools() {
	need google-pprof jeprof
	export HOME=$PWD
	google-pprof --text "$(<"$top/url")/pprof/heap" >google 2>err
	has google ' processMultibulkBuffer$'
	jeprof --text "$(<"$top/url")/pprof/heap" >je 2>err
	has je ' processMultibulkBuffer$'
}

test_symbol_answers_get_and_post() {
	local url address offset
	url=$(<"$top/url")/debug/pprof/symbol
	address=$(curl -sS "$(<"$top/url")/debug/pprof/heap?debug=1" | sed -nE 's/^#	(0x[0-9a-f]+)	processMultibulkBuffer\+.*/\1/p' | head -n 1)
	is "$(curl -sS "$url")" 'num_symbols: 1'
	is "$(curl -sS "$url?$address")" "num_symbols: 1
$address processMultibulkBuffer"
	is "$(curl -sS -d "0x1+$address+rubbish+$address" "$url")" "num_symbols: 1
$address processMultibulkBuffer
$address processMultibulkBuffer"
	# A function's first byte is where a call at the end of the one before it returns to.
	offset=$(curl -sS "$(<"$top/url")/debug/pprof/heap?debug=1" | sed -nE "s/^#	$address	processMultibulkBuffer\+(0x[0-9a-f]+).*/\1/p" | head -n 1)
	curl -sS "$url?$(printf '0x%x' $((address - offset)))" >entry
	has entry '^num_symbols: 1$'
	has_not entry processMultibulkBuffer
	is "$(curl -sS "$url?$(printf '0x%x' $((address - offset + 1)))" | grep -c ' processMultibulkBuffer$')" 1
}

test_cmdline_is_that_of_the_process() {
	curl -sS "$(<"$top/url")/debug/pprof/cmdline" >out
	is "$(tr '\0' '|' <out)" "$(tr '\0' '|' <"/proc/$(<"$top/pid")/cmdline" | sed -E 's/\|+$//')"
}

test_index_lists_the_profiles_with_their_counts() {
	curl -sS -D headers "$(<"$top/url")/debug/pprof/" >out
	has headers "^Content-Security-Policy: default-src 'none'"
	has out "<td>[1-9][0-9]*</td><td><a href='/pid/$(<"$top/pid")/debug/pprof/heap\?debug=1'>heap</a>"
	python3 - out <<-'END'
		import sys, xml.dom.minidom
		xml.dom.minidom.parseString(open(sys.argv[1]).read().replace("<!DOCTYPE html>", "").replace("<meta charset='utf-8'>", ""))
	END
}

# So many stacks that a copy of the collector encodes them.
test_large_profile() {
	local url pid stacks
	mkfifo in
	PYTHONMALLOC=malloc "$heaptap" run --http=127.0.0.1:0 -i 0 -r 1 -- python3 -c '
import asyncio, email.mime.text, http.server, json, unittest.mock, xml.dom.minidom
print("ready", flush=True); input()' <in >out 2>err &
	exec {pipe}>in
	wait_for 60 grep -q ready out
	url=$(sed -nE 's,.*go tool pprof (.*)/heap$,\1,p' err)
	curl -sS "$url/" >index
	stacks=$(sed -nE "s,.*<td>([0-9]+)</td><td><a href='/pid/([0-9]+)/debug/pprof/heap.*,\1 \2,p" index)
	pid=${stacks#* }
	[ "${stacks% *}" -gt 3000 ] || fail "only $stacks stacks"
	pprof -top "$url/heap" 2>err.pprof | timeless >expected
	"$heaptap" top "$pid" | timeless >actual
	same_files actual expected
	pprof -top -seconds 1 -timeout 60 "$url/heap" >out 2>err.pprof
	has out 'of 0 total'
	echo >&"$pipe"
	exec {pipe}>&-
	wait
}

# DWARF's answers are kept for the next time, although the worker that found them may write nowhere else.
test_symbols_are_kept() {
	local url launcher
	python3 -c 'import ctypes; exit(ctypes.CDLL(None).syscall(444, None, 0, 1) < 1)' || skip "no Landlock here"
	mkfifo in
	mkdir cache
	XDG_CACHE_HOME=$PWD/cache "$heaptap" run --http=127.0.0.1:0 -i 0 -r 1 -- "$victims/steady" 3 <in >out 2>err &
	launcher=$!
	exec {pipe}>in
	echo 0 >&"$pipe"
	wait_for 60 grep -qx 'done' out
	url=$(sed -nE 's,.*go tool pprof (.*),\1,p' err)
	pprof -top -lines "$url" >first 2>err.pprof
	has first 'keep .*steady.c:[0-9]+'
	[ -n "$(ls cache/heaptap)" ] || fail "nothing is kept"
	pprof -top -lines "$url" >second 2>err.pprof
	is "$(timeless <second)" "$(timeless <first)"
	exec {pipe}>&-
	wait $launcher
}

test_processes_of_nginx() {
	need nginx
	local url pid all=()
	nginx_files
	"$heaptap" run --http=127.0.0.1:0 -i 0 -r 1 -o run -- nginx -p "$PWD" -c nginx.conf -g 'user root;' >out 2>err &
	local launcher=$!
	wait_for 60 [ -S web.sock ]
	url=$(sed -nE 's,.*go tool pprof (.*)/debug/pprof/heap$,\1,p' err)
	wait_for 60 three_processes "$url"
	curl -sf --compressed --unix-socket web.sock -o page http://localhost/page.txt
	is "$(curl -sS -o choices -w '%{http_code}' "$url/debug/pprof/heap")" 400
	is "$(head -n 1 choices)" '3 processes are recorded: ask for one of them'
	for pid in $(sed -nE 's,^/pid/([0-9]+)/debug/pprof/heap .*,\1,p' choices); do
		kill -STOP "$pid"
		all+=("$url/pid/$pid/debug/pprof/heap")
		pprof -top "$url/pid/$pid/debug/pprof/heap" 2>err.pprof | timeless >expected
		"$heaptap" top "$pid" | timeless >actual
		same_files actual expected
		has expected ' ngx_'
	done
	pprof -top "${all[@]}" >sum 2>err.pprof
	has sum ' ngx_'
	for pid in $(sed -nE 's,^/pid/([0-9]+)/.*,\1,p' choices); do kill -CONT "$pid"; done
	kill -QUIT "$(<nginx.pid)"
	wait $launcher || fail "exit status $?: $(cat err)"
}

three_processes() { # URL
	[ "$(curl -sS "$1/debug/pprof/" | grep -c "<a href='/pid/[0-9]*/debug/pprof/'>")" -eq 3 ]
}

# The last: it lets the server run.
test_zz_difference_is_what_happened_meanwhile() {
	local fetched
	kill -CONT "$(<"$top/pid")"
	pprof -seconds 2 -timeout 60 -top -alloc_space -unit=B "$(<"$top/url")/debug/pprof/heap" >out 2>err &
	fetched=$!
	while kill -0 $fetched 2>/dev/null; do benchmark; done
	wait $fetched
	has out processMultibulkBuffer
	[ "$(sed -nE 's/.* of ([0-9]+)B total.*/\1/p' out)" -gt 0 ]
	has out '^Duration: [1-9]'
	kill -STOP "$(<"$top/pid")"
	pprof -seconds 1 -timeout 60 -top "$(<"$top/url")/debug/pprof/heap" >still 2>err
	has still 'of 0 total|Total samples = 0'
}

run_tests
