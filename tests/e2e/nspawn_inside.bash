#!/bin/bash
# tests/e2e/nspawn_inside.bash - in a booted Debian (nspawn.sh): install, programs of several users, snapshots, faults,
# upgrade, purge.
#
# usage: nspawn_inside.bash RESULTS
TEST_NAME=e2e/nspawn
# shellcheck source=nspawn_lib.bash
. "$(dirname "$0")/nspawn_lib.bash"

setup() {
	prepare
}

test_package_installs_and_listens() {
	dpkg -i "$(package)" >log 2>&1 || fail "$(cat log)"
	has_not log '[Ww]arning|[Ee]rror'
	is "$(property $unit.socket ActiveState) $(property $unit.socket UnitFileState)" 'active enabled'
	is "$(property $unit.service ActiveState)" inactive "the service, before any program"
	is "$(stat -c '%U %a' /run/heaptap)" 'root 755'
	is "$(stat -c '%U %a %F' /run/heaptap/collector.sock)" 'root 666 socket'
	getent passwd heaptap >entry
	has entry ':/usr/sbin/nologin$'
	usermod -aG heaptap carol
}

test_first_program_starts_the_service() {
	mkdir -p "$(dirname $settings)"
	printf 'rate = 1\ninterval = 0\n' >$settings
	start_program alice alice 3
	wait_for 60 is_told alice "$(pid_of alice)" in_use_bytes 3145728
	is "$(property $unit ActiveState)" active
	is "$(cat "$top/alice.err")" ''
}

# The directory it was started from; kernel's view, not the unit's.
test_service_has_its_own_user_and_no_privilege() {
	local pid uid
	pid=$(daemon_pid)
	uid=$(id -u heaptap)
	tr -s '\t' ' ' <"/proc/$pid/status" >status
	has status "^Uid: $uid $uid $uid $uid"
	has status '^Groups: ('"$(id -g heaptap)"')? ?$'
	has status '^CapPrm: 0+$'
	has status '^CapBnd: 0+$'
	has status '^CapAmb: 0+$'
	has status '^NoNewPrivs: 1'
	has status '^Seccomp: 2'
	! tr '\0' '\n' <"/proc/$pid/environ" | grep -E '^(LD_PRELOAD|HEAPTAP_SOCKET)='
	is "$(stat -c '%U:%G %a' /var/lib/heaptap)" 'heaptap:heaptap 750'
}

test_exposure_is_at_most_1_5() {
	systemd-analyze security --no-pager $unit.service >report
	has report 'Overall exposure level for heaptap-collectord.service: (0\.[0-9]|1\.[0-5]) '
}

# As the drop-in for other services says; once as it is, once with a sandbox opened as it says.
test_other_services_are_recorded() {
	local name
	mkfifo -m 666 "$top/service.in"
	printf '[Service]\nUser=bob\nEnvironment=HEAPTAP_WAIT_MS=10000\nExecStart=/bin/sh -c "exec %s/steady 5 <>%s/service.in"\n' "$victims" "$top" >/run/systemd/system/plain.service
	cat >/run/systemd/system/strict.service <<-UNIT
		[Service]
		DynamicUser=yes
		Environment=HEAPTAP_WAIT_MS=10000
		ExecStart=/bin/sh -c 'sleep infinity | $victims/steady 7'
		PrivateUsers=yes
		PrivateNetwork=yes
		PrivateDevices=yes
		ProtectProc=invisible
		ProtectHome=yes
		ProtectClock=yes
		ProtectKernelTunables=yes
		ProtectControlGroups=yes
		MemoryDenyWriteExecute=yes
		RestrictAddressFamilies=AF_INET
		RestrictNamespaces=yes
		CapabilityBoundingSet=
		SystemCallArchitectures=native
		SystemCallFilter=@basic-io @file-system @process @default @signal @ipc
		TemporaryFileSystem=/run
	UNIT
	systemctl daemon-reload
	systemctl start strict
	wait_for 60 is_running_in strict steady # that its sandbox is enough for it without us
	systemctl stop strict
	for name in plain strict; do
		mkdir -p /run/systemd/system/$name.service.d
		cp /usr/share/doc/heaptap/examples/trace.conf /run/systemd/system/$name.service.d/heaptap.conf
	done
	sed -i 's/HEAPTAP_WAIT_MS=1000/HEAPTAP_WAIT_MS=10000/' /run/systemd/system/{plain,strict}.service.d/heaptap.conf
	sed -i -E 's/^#([A-Z][A-Za-z]+=)/\1/' /run/systemd/system/strict.service.d/heaptap.conf
	systemctl daemon-reload
	systemctl start plain strict
	for name in plain:5242880 strict:7340032; do
		wait_for 60 holds "${name#*:}"
	done
	is "$(property strict ActiveState)" active
}

is_running_in() { # UNIT PROGRAM
	systemctl status --no-pager "$1" | grep -q "/$2 "
}

holds() { # BYTES: a program recorded holds so much
	[ "$(heaptap ps --json | jq "[.[] | select(.in_use_bytes == $1)] | length")" = 1 ]
}

test_users_see_their_own_programs() {
	local alice bob strict
	alice=$(pid_of alice)
	bob=$(property plain MainPID)
	start_program bobs bob 2
	wait_for 60 is_told bob "$(pid_of bobs)" in_use_bytes 2097152
	is "$(as alice heaptap ps --json | jq -c '[.[].pid]')" "[$alice]"
	is "$(as bob heaptap ps --json | jq -c '[.[].uid] | unique')" "[$(id -u bob)]"
	is "$(told bob "$bob" in_use_bytes)" 5242880
	for user in root carol; do
		is "$(told $user "$alice" user) $(told $user "$bob" user)" 'alice bob'
	done
	strict=$(heaptap ps --json | jq '.[] | select(.in_use_bytes == 7340032) | .uid')
	[ "$strict" -ge 61184 ] || fail "the dynamic user's uid: $strict"
	status_of out err as alice heaptap set "$bob" rate=off
	[ "$status" -ne 0 ] || fail "alice may change what is bob's"
}

# Names come from the user's own home directory: by the user's command, and by the service, which may look there.
test_reports_of_running_programs() {
	install -o alice -m 700 "$victims/steady" ~alice/secret-program
	mkfifo -m 666 in
	become alice ~alice/secret-program 9 <>in &
	wait_for 60 is_told alice $! in_use_bytes 9437184
	as alice heaptap top -unit=B $! >top
	has top '9437184B +100% +100% +9437184B +100% +keep'
	chmod 755 ~alice ~alice/secret-program
	as alice python3 -S "$top/get.py" "/pid/$!/debug/pprof/heap?debug=1" >page
	has page '^heap profile: 9: 9437184 '
	has page '0x[0-9a-f]+	keep\+0x'
	as bob python3 -S "$top/get.py" "/pid/$!/debug/pprof/heap?debug=1" >page
	has_not page 'keep'
	kill $!
}

# C18: whose children they are is found out without any right to look into them.
test_forked_children_of_other_users_are_told_apart() {
	cat >"$top/forks.py" <<-'PY'
		import os, time
		x = [bytes(1000) for i in range(1000)]
		child = os.fork()
		y = [bytes(1000) for i in range(1000)]
		while child == 0 or os.waitpid(child, os.WNOHANG)[0] == 0: time.sleep(0.05)
		while True: time.sleep(0.05)
	PY
	PYTHONMALLOC=malloc become bob python3 -S "$top/forks.py" &
	local parent=$! child
	wait_for 60 has_child $parent
	child=$(child_of $parent)
	is "$(ps -o ppid= -p "$child" | tr -d ' ')" $parent
	kill -KILL "$child"
	wait_for 60 is_told bob "$child" pid ''
	is "$(told bob $parent state)" active
	kill $parent
}

child_of() { # PID
	as bob heaptap ps --json | jq ".[] | select(.parent == $1) | .pid"
}

has_child() { # PID
	[ -n "$(child_of "$1")" ]
}

test_usr1_writes_a_snapshot_of_every_program() {
	systemctl kill -s USR1 $unit
	wait_for 60 four_snapshots
	is "$(find /var/lib/heaptap -mindepth 1 -type d -printf '%u:%g %m\n' | sort -u)" 'heaptap:heaptap 750'
	is "$(find /var/lib/heaptap -type f -name '*.heaptap' -printf '%u:%g %m\n' | sort -u)" 'heaptap:heaptap 640'
	local file
	file=$(snapshots signal | head -n 1)
	! as alice cat "$file" >/dev/null 2>&1 || fail "alice reads $file"
	as carol heaptap top "$file" >top
	has top 'keep'
	wait_for 60 journal_has "session [0-9]+: wrote /var/lib/heaptap/.*-signal\.heaptap"
	journal_has "session [0-9]+: pid $(pid_of alice) of uid $(id -u alice): .*/steady"
}

four_snapshots() {
	[ "$(snapshots signal | wc -l)" -ge 4 ]
}

test_reload_reads_the_settings_again() {
	printf 'rate = 64K\ninterval = 0\n' >$settings
	systemctl reload $unit
	start_program reloaded alice 0
	wait_for 60 is_told alice "$(pid_of reloaded)" rate 65536
	printf 'rate = 1\ninterval = 0\n' >$settings
	systemctl reload $unit
	kill "$(pid_of reloaded)"
}

# What was recorded goes on as if nothing had been: systemd held the memory meanwhile.
test_killed_daemon_loses_nothing() {
	local before
	allocate alice 1
	wait_for 60 is_told alice "$(pid_of alice)" allocated_objects 1027
	before=$(daemon_pid)
	kill -KILL "$before"
	allocate alice 1
	wait_for 60 is_another "$before"
	allocate alice 1
	wait_for 60 is_told alice "$(pid_of alice)" allocated_objects 3075
	is "$(told alice "$(pid_of alice)" in_use_bytes)" 3145728
	start_program later alice 4
	wait_for 60 is_told alice "$(pid_of later)" in_use_bytes 4194304
	[ "$(property $unit NRestarts)" -ge 1 ]
}

# Programs that start meanwhile wait in systemd's socket; none is refused, none is lost.
test_programs_attach_while_the_service_restarts() {
	local i pids=()
	for i in 1 2 3 4 5 6; do
		systemctl restart $unit &
		pids+=($!)
		start_program "meanwhile$i" bob 1
		wait ${pids[-1]}
	done
	for i in 1 2 3 4 5 6; do
		wait_for 60 journal_has "session [0-9]+: pid $(pid_of "meanwhile$i") of uid $(id -u bob)"
		kill "$(pid_of "meanwhile$i")"
	done
	is "$(property $unit ActiveState)" active
}

test_upgrade_restarts_the_service_and_leaves_the_socket() {
	local before socket
	before=$(daemon_pid)
	socket=$(stat -c %i /run/heaptap/collector.sock)
	dpkg -i "$(package)" >log 2>&1 || fail "$(cat log)"
	wait_for 60 is_another "$before"
	is "$(stat -c %i /run/heaptap/collector.sock)" "$socket"
	wait_for 60 is_told alice "$(pid_of alice)" allocated_objects 3075
	start_program upgraded alice 6
	wait_for 60 is_told alice "$(pid_of upgraded)" in_use_bytes 6291456
}

# The library goes from under programs that have it mapped: they do not notice.
test_purge_leaves_nothing() {
	local file
	systemctl stop plain strict
	rm -rf /run/systemd/system/{plain,strict}.service{,.d}
	dpkg -P heaptap >log 2>&1 || fail "$(cat log)"
	has_not log '[Ww]arning|[Ee]rror|not empty'
	allocate alice 2
	is "$(cat "$top/alice.err")" ''
	for file in alice bobs later upgraded; do
		kill "$(pid_of $file)"
	done
	rm -rf "$(dirname $settings)" ~alice/secret-program
	! getent passwd heaptap && ! getent group heaptap
	is "$(pgrep -l heaptap)" ''
	is "$(ls -d /run/heaptap /var/lib/heaptap /var/cache/heaptap 2>/dev/null)" ''
	systemctl daemon-reload
	is "$(systemctl list-units --all --no-legend 'heaptap-collectord*' | grep -v not-found)" ''
	every_file >after
	diff "$top/before" after >left || true
	is "$(grep -vE '^[<>] (/tmp|/home|/var/tmp|/run|/root)|^[0-9,acd]+$' left)" '' "what is left, or was taken along"
}

run_story
