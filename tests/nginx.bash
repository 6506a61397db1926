#!/bin/bash
# tests/nginx.bash - nginx with two workers in this test's directory, for e2e and hazards; sourced after lib.sh, never run.
#
# nginx_files writes nginx.conf, for: nginx -p "$PWD" -c nginx.conf -g 'user root;'.  It serves ./html/page.txt on
# ./web.sock, with gzip for who asks, and stays in the foreground; its pid is in ./nginx.pid.

nginx_files() {
	mkdir -p logs html
	seq 2000 >html/page.txt
	cat >nginx.conf <<-CONF
		daemon off; master_process on; worker_processes 2; pid $PWD/nginx.pid; error_log $PWD/error.log;
		events { worker_connections 64; }
		http {
		  access_log off; gzip on; gzip_types text/plain; client_body_temp_path $PWD/b; proxy_temp_path $PWD/p;
		  fastcgi_temp_path $PWD/f; uwsgi_temp_path $PWD/u; scgi_temp_path $PWD/s;
		  server { listen unix:$PWD/web.sock; root $PWD/html; default_type text/plain; }
		}
	CONF
	chmod 755 . html && chmod 644 html/page.txt
}
