#!/bin/bash
# tests/e2e/metrics.sh - /metrics of running collectors, judged by promtool, by a strict OpenMetrics parser and by Prometheus.
. "$(dirname "$0")/../lib.sh"
need curl python3

# Twenty-five programs under hostile names, of which number N keeps N MB, as children of one shell.
cat >"$top/many" <<'P'
names=('a"b' 'back\slash' $'new\nline' $'\x1b[31mred' $'bad\xff\xfe' '{pid="1"} 7' $'} 1\nheaptap_fake 2' "$(printf 'long%.0s' {1..50})" '# EOF' ' ' 'grün')
export HEAPTAP_WAIT_MS=10000 # however busy this machine is
for i in {1..25}; do
	cp "$1" "$2/${names[i % 11]}$i"
	"$2/${names[i % 11]}$i" "$i" <"$3" &
done
wait
P

# Its URL is in $url.
start() { # PROGRAM ARGUMENT...
	mkfifo hold
	exec 7<>hold
	"$heaptap" run --http=127.0.0.1:0 -i 0 -r 1 -o "$PWD/run" -- "$@" 2>stderr >stdout <hold &
	collector=$!
	trap 'kill -TERM $collector' EXIT # of this test's shell
	wait_for 60 grep -q 'http://' stderr
	url=$(grep -oE 'http://[0-9.:]+' stderr)
}

stop() {
	trap - EXIT
	kill -TERM "$collector"
	wait "$collector" || true
	exec 7>&-
}

scrape() { # FILE [CURL-ARG...]
	local to=$1
	shift
	curl -sS -f "$@" "$url/metrics" >"$to"
}

reaches() { # METRIC VALUE
	scrape now && [ "$(sed -n "s/^$1 //p" now)" -ge "$2" ]
}

# Values as the strict parser sees them: name{labels} value; and that names come back as they are told to.
cat >"$top/parse.py" <<'P'
import sys
from prometheus_client.openmetrics import parser
types = {}
for f in parser.text_string_to_metric_families(open(sys.argv[1], encoding="utf-8", newline="").read()):
    types[f.name] = f.type
    assert f.documentation, f.name
    for s in f.samples:
        labels = ",".join("%s=%s" % i for i in sorted(s.labels.items()))
        print("%s{%s} %d" % (s.name, labels, s.value))
assert types["heaptap_collector"] == "info" and types["heaptap_samples"] == "counter"
assert types["heaptap_drain_lag_seconds"] == "gauge"
P

parses() { # FILE
	/usr/bin/python3 -c 'import prometheus_client.openmetrics' 2>/dev/null || skip 'no python3-prometheus-client on this machine'
	/usr/bin/python3 "$top/parse.py" "$1" >parsed || fail "$(tail -n 3 "$1")"
}

value() { # REGEX
	sed -nE "s/^$1 ([0-9]+)$/\1/p" parsed
}

test_a_strict_parser_takes_hostile_names() {
	mkdir bin
	start bash "$top/many" "$victims/steady" "$PWD/bin" "$PWD/hold"
	wait_for 60 reaches heaptap_inuse_bytes $((25 * 26 / 2 << 20))
	scrape open -H 'Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5'
	stop
	is "$(tail -n 1 open)" '# EOF'
	parses open
	is "$(grep -c '^heaptap_process_inuse_bytes{comm=' parsed)" 20 'processes with series of their own'
	is "$(value 'heaptap_process_inuse_bytes\{comm=# EOF19.*\}')" $((19 << 20))
	is "$(value 'heaptap_process_inuse_bytes\{comm=new\\x0aline24.*\}')" $((24 << 20))
	is "$(value 'heaptap_process_inuse_bytes\{comm=bad\\xff\\xfe15.*\}')" $((15 << 20))
	is "$(value 'heaptap_process_inuse_bytes\{comm=a"b22.*\}')" $((22 << 20))
	is "$(value 'heaptap_process_inuse_bytes\{comm=back\\slash23.*\}')" $((23 << 20))
	[ "$(value 'heaptap_process_inuse_bytes\{pid=other\}')" -ge $((15 << 20)) ] # and a shell
	has_not parsed '^heaptap_fake'
	has_not parsed '\{pid=1\}'
}

test_promtool_finds_nothing_to_say() {
	need promtool
	start "$victims/steady" 3
	wait_for 60 reaches heaptap_inuse_bytes $((3 << 20))
	stop
	promtool check metrics <now >lint 2>&1 || fail "$(cat lint)"
	is "$(cat lint)" ''
	has now '^# TYPE heaptap_allocated_bytes_total counter$'
	has_not now '^# (EOF|UNIT)'
}

# A port that a process listens on.
cat >"$top/port.py" <<'P'
import os, sys
pid = sys.argv[1]
mine = set()
for fd in os.listdir("/proc/%s/fd" % pid):
    try:
        mine.add(os.readlink("/proc/%s/fd/%s" % (pid, fd)))
    except OSError:
        pass
for table in "tcp", "tcp6":
    for line in open("/proc/%s/net/%s" % (pid, table)).readlines()[1:]:
        word = line.split()
        if word[3] == "0A" and "socket:[%s]" % word[9] in mine:
            print(int(word[1].split(":")[1], 16))
P

finds_port() { # PID
	port=$(python3 "$top/port.py" "$1") && [ -n "$port" ]
}

ask_prometheus() { # QUERY: the value
	curl -sS -G "http://127.0.0.1:$port/api/v1/query" --data-urlencode "query=$1" |
		python3 -c 'import json, sys; print(json.load(sys.stdin)["data"]["result"][0]["value"][1])'
}

says() { # QUERY VALUE
	[ "$(ask_prometheus "$1")" = "$2" ]
}

# Scrapes $url once a second, with more lines for its configuration; its API at $port.
start_prometheus() { # LINES
	cat >prometheus.yml <<-END
		global: { scrape_interval: 1s }
		scrape_configs:
		  - job_name: heaptap
		    static_configs: [ { targets: [ '${url#http://}' ] } ]
		${1-}
	END
	prometheus --config.file=prometheus.yml --storage.tsdb.path=tsdb --web.listen-address=127.0.0.1:0 >prometheus.log 2>&1 7>&- &
	prometheus=$!
	trap 'kill -TERM $collector $prometheus' EXIT
	wait_for 60 finds_port $prometheus
}

stop_prometheus() {
	kill -TERM $prometheus
	wait $prometheus || true
}

test_prometheus_scrapes_a_private_collector() {
	need prometheus
	start "$victims/steady" 3
	start_prometheus
	wait_for 60 says up 1
	wait_for 60 says heaptap_inuse_bytes $((3 << 20))
	wait_for 60 says 'heaptap_process_inuse_bytes{comm="steady"}' $((3 << 20))
	echo 20 >&7
	wait_for 60 says 'heaptap_allocated_objects_total' $((20 * 1024 + 3))
	wait_for 60 says 'max_over_time(heaptap_process_inuse_bytes{comm="steady"}[1h]) >= bool 3e6' 1
	has prometheus.log 'Server is ready'
	stop
	stop_prometheus
}

test_prometheus_scrapes_the_daemon_with_its_token() {
	need prometheus
	local pid
	mkdir state
	touch empty
	"$HEAPTAP_BUILD/heaptap-collectord" --socket "$top/d.sock" --state "$PWD/state" --config "$PWD/empty" --rate 1 \
		--http 127.0.0.1:0 --http-token "$PWD/token" 2>daemon.log 7>&- &
	collector=$!
	trap 'kill -TERM $collector' EXIT
	wait_for 60 finds_port $collector
	url=http://127.0.0.1:$port
	mkfifo hold
	exec 7<>hold
	HEAPTAP_WAIT_MS=10000 HEAPTAP_SOCKET=$top/d.sock LD_PRELOAD=$shim "$victims/steady" 5 <hold &
	pid=$!
	start_prometheus "    authorization: { credentials_file: $PWD/token }"
	wait_for 60 says up 1
	wait_for 60 says heaptap_inuse_bytes $((5 << 20))
	kill -KILL $pid # of which Prometheus learns that it has ended, and nothing that sinks
	wait $pid || true
	wait_for 60 says heaptap_ended_processes_total 1
	says heaptap_allocated_objects_total 5
	says heaptap_sessions 0
	exec 7>&-
	stop_prometheus
	status_of out err curl -sS -f "http://127.0.0.1:${url##*:}/metrics"
	[ "$status" -ne 0 ] || [ "$(id -u)" -eq 0 ] || fail 'answered without a token'
	trap - EXIT
	kill -TERM "$collector"
	wait "$collector"
}

run_tests
