#!/bin/bash
# tests/e2e/nspawn_lib.bash - what the stories inside a booted Debian (nspawn*_inside.bash) share; sourced, never run.
#
# A story is run by nspawn_boot.bash as a service, alone in there, as root, with the directory for its results; beside
# this folder lie lib.sh, victims/ and deb/.  Its tests are run in their order, and each leaves what the next ones need.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
results=$1
here=/heaptap
victims=$here/victims
unit="heaptap-collectord"
# shellcheck disable=SC2034 # for the stories
settings=/etc/heaptap/collectord.conf
chmod 711 "$top"

package() {
	echo "$here"/deb/heaptap_*.deb
}

as() { # USER COMMAND...
	setpriv --reuid "$1" --regid "$1" --init-groups "${@:2}"
}

# For the background: $! is the program's pid.
become() { # USER COMMAND...
	exec setpriv --reuid "$1" --regid "$1" --init-groups env LD_PRELOAD=libheaptap.so HEAPTAP_WAIT_MS=10000 "${@:2}"
}

# A steady program that keeps MB megabytes; its pid in $top/NAME.pid.  It waits for the collector as long as it takes.
start_program() { # NAME USER MB
	mkfifo -m 666 "$top/$1.in"
	become "$2" "$victims/steady" "$3" <>"$top/$1.in" >"$top/$1.out" 2>"$top/$1.err" &
	echo $! >"$top/$1.pid"
}

pid_of() { # NAME
	cat "$top/$1.pid"
}

# Let it allocate; returns when it has.
allocate() { # NAME MB
	local before
	before=$(lines "$top/$1.out")
	echo "$2" >"$top/$1.in"
	wait_for 60 more_than "$before" 'done' "$top/$1.out"
}

# What USER is told about a process; nothing if it does not exist for that user.
told() { # USER PID KEY
	as "$1" heaptap ps --json 2>/dev/null | jq -r ".[] | select(.pid == $2) | .$3"
}

is_told() { # USER PID KEY VALUE
	[ "$(told "$1" "$2" "$3")" = "$4" ]
}

property() { # UNIT NAME
	systemctl show -P "$2" "$1"
}

daemon_pid() {
	property $unit MainPID
}

# The service runs again, as another process.
is_another() { # PID
	[ "$(property $unit ActiveState)" = active ] && [ "$(daemon_pid)" != "$1" ] && [ "$(daemon_pid)" != 0 ]
}

journal() {
	journalctl -u $unit -o cat --no-pager
}

journal_has() { # REGEX
	journal | grep -qE -e "$1"
}

snapshots() { # REASON
	find /var/lib/heaptap -name "*-$1.heaptap"
}

# What no package put there and what changes by itself left out.
every_file() {
	find / -xdev \( -path /var/lib/dpkg -o -path /var/cache -o -path /var/log -o -path "$here" -o -path "$results" \) -prune -o -print | sort
}

prepare() { # before the first test
	local user
	cat >get.py <<-'PY'
		import socket, sys
		s = socket.socket(socket.AF_UNIX)
		s.connect("/run/heaptap/http.sock")
		s.sendall(b"GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n" % sys.argv[1].encode())
		while data := s.recv(65536): sys.stdout.buffer.write(data)
	PY
	touch "$results/started"
	for user in alice bob carol; do
		useradd -m "$user"
	done
	every_file >before
}

run_story() {
	export TEST_RESULTS=$results/tests
	exec 8>>"$TEST_RESULTS"
	trap 'journalctl --no-pager -n 200 -u "$unit*" >"$results/journal"; rm -rf "$top"; touch "$results/ended"' EXIT
	run_tests
}
