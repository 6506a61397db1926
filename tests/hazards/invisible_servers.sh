#!/bin/bash
# tests/hazards/invisible_servers.sh - servers of many processes answer, reload and stop as they do without heaptap.
. "$(dirname "$0")/twice.bash"
need python3 redis-server redis-cli

setup() {
	start_daemon
}

# Short names: sockets are below them, and a socket's path has 107 bytes.
test_redis() {
	cat >session.sh <<-'SH'
		redis-server --port 0 --unixsocket "$PWD/s" --save '' --dir "$PWD" --daemonize yes --pidfile "$PWD/pid" \
		    --logfile log --enable-debug-command yes >/dev/null
		r() { redis-cli -s "$PWD/s" "$@"; }
		for i in $(seq 200); do r ping 2>/dev/null | grep -q PONG && break; sleep 0.05; done
		done_with() { for i in $(seq 400); do r info persistence | grep -q "$1:0" && break; sleep 0.05; done; }
		r debug populate 20000 key 100; r set a 1; r eval 'local t = {} for i = 1, 10000 do t[i] = i .. "x" end return #t' 0
		r bgsave; done_with rdb_bgsave_in_progress; r info persistence | grep -E 'last_bgsave_status'
		r config set appendonly yes; done_with aof_rewrite_in_progress; done_with aof_rewrite_scheduled
		r bgrewriteaof; done_with aof_rewrite_in_progress; r info persistence | grep -E 'aof_last_bgrewrite_status'
		r debug sleep 0; r flushall; r get a; r debug set-active-expire 1; r dbsize
		r shutdown nosave; for i in $(seq 400); do [ -e pid ] || break; sleep 0.05; done
		ls; grep -ciE 'crash|bug|oom' log; rm -rf log dump.rdb appendonlydir s
	SH
	# jemalloc's background threads and redis' own io threads are all up by then; temporary names have pids.
	normalise='s/temp-[a-z-]*[0-9]+/temp/g; s/ fds:.*rlimits:/ fds: N rlimits:/; s/errno: [0-9]+/errno: N/; s/Threads: [0-9]+/Threads: N/'
	normalise+='; /^[a-z_]+ \[(sleep|grep|seq|redis-cli) /d'
	order=-u
	unseen bash "$PWD/session.sh"
	has bare.out 'aof_last_bgrewrite_status:ok'
}

nginx_config() {
	cat >nginx.conf <<-CONF
		daemon on; master_process on; worker_processes 2; pid $PWD/pid; error_log $PWD/log notice; $1
		events { worker_connections 64; }
		http { access_log off; client_body_temp_path $PWD/t1; proxy_temp_path $PWD/t2; fastcgi_temp_path $PWD/t3;
		       uwsgi_temp_path $PWD/t4; scgi_temp_path $PWD/t5; gzip on; gzip_min_length 1; gzip_types *;
		       server { listen unix:$PWD/s; root $PWD; location /x { return 200 "x"; } location /p { proxy_pass http://unix:$PWD/s:/; } } }
	CONF
}

test_nginx() {
	need nginx curl
	prepare() {
		seq 20000 >page
		nginx_config "$([ "$(id -u)" -ne 0 ] || echo "user root;")"
	}
	cat >session.sh <<-'SH'
		nginx -e "$PWD/log" -t -c "$PWD/nginx.conf" 2>&1 | tail -n 1; nginx -e "$PWD/log" -c "$PWD/nginx.conf"
		get() { curl -s --compressed --unix-socket s "http://x/$1" | sha256sum; }
		for i in 1 2 3 4 5; do get page; get x; get p/page; get nosuch; done
		workers() { pgrep -c -P "$(cat pid)"; }
		workers; old=$(pgrep -P "$(cat pid)" | head -n 1); nginx -e "$PWD/log" -c "$PWD/nginx.conf" -s reload
		for i in $(seq 200); do kill -0 "$old" 2>/dev/null || break; sleep 0.05; done
		for i in $(seq 200); do [ "$(workers)" = 2 ] && break; sleep 0.05; done; workers
		get page; kill -9 "$(pgrep -P "$(cat pid)" | head -n 1)"
		for i in $(seq 200); do [ "$(grep -c 'start worker process [0-9]' log)" -ge 5 ] && break; sleep 0.05; done
		get page; nginx -e "$PWD/log" -c "$PWD/nginx.conf" -s quit
		for i in $(seq 400); do [ -e pid ] || break; sleep 0.05; done
		grep -cE 'alert|crit|emerg' log; grep -c 'exited with code 0' log; rm -rf log t?
	SH
	normalise='s/ fds:.*rlimits:/ fds: N rlimits:/; s/errno: [0-9]+/errno: N/; s/NGINX=[0-9;]*/NGINX/; s/Pnd: [0-9a-f]+/Pnd: N/g'
	normalise+='; /^[a-z_]+ \[(sleep|grep|seq|pgrep|cat|head) /d'
	order=-u
	unseen bash "$PWD/session.sh"
	has bare.out '^2$'
}

test_postgres() {
	local bin
	bin=$(find /usr/lib/postgresql -name initdb -printf '%h\n' 2>/dev/null | sort -V | tail -n 1)
	[ -n "$bin" ] && getent passwd postgres >/dev/null || skip "no postgres here"
	[ "$(id -u)" -eq 0 ] || skip "becoming user postgres takes root"
	chmod a+x "$top" "$PWD" && chmod a+rx "$(dirname "$top")" || true
	cat >session.sh <<-SH
		cd "\$PWD" && PATH=$bin:\$PATH
		initdb -D d -A trust -N --no-locale -E UTF8 >init.log 2>&1; echo \$?
		pg_ctl -D d -w -o "-k \$PWD -c listen_addresses='' -c fsync=off -c autovacuum=off" -l log start >/dev/null; echo \$?
		q() { psql -X -At -h "\$PWD" postgres -c "\$1" 2>&1; }
		q 'create table t as select g, md5(g::text) m from generate_series(1, 20000) g'; q 'create index on t (m)'
		q 'select count(*), min(m), max(m) from t where m like \$\$a%\$\$'; q 'select 1/0'; q 'select pg_sleep(0.01)'
		q 'set max_parallel_workers_per_gather = 2; set parallel_setup_cost = 0; set min_parallel_table_scan_size = 0; select sum(g) from t'
		q 'do \$\$ begin for i in 1..500 loop perform array_agg(g) from t where g < i; end loop; end \$\$'; q 'vacuum analyze t'
		q 'create extension plpgsql'; q "copy t to program 'cat >/dev/null'"
		pg_ctl -D d -m fast stop >/dev/null; echo \$?; grep -cE 'PANIC|terminated by signal|stuck' log; rm -rf d log init.log
	SH
	chmod a+r session.sh
	normalise='s/ fds:.*rlimits:/ fds: N rlimits:/; s/errno: [0-9]+/errno: N/; s/PostgreSQL\.[0-9]+/PostgreSQL.N/g'
	normalise+='; s/\[postgres: .*\] errno/[postgres] errno/; s/PG_GRANDPARENT_PID=[0-9]+//'
	normalise+='; s/(SigPnd|ShdPnd): [0-9a-f]+/\1: N/g' # what is pending at the moment of exit is chance
	order=-u
	ways='exact attached'
	unseen setpriv --reuid=postgres --regid=postgres --clear-groups bash "$PWD/session.sh"
	has bare.out '^CREATE INDEX'
	has bare.out '^0$'
}

run_tests
