#!/bin/bash
# tests/e2e/nspawn_operation_inside.bash - in a booted Debian (nspawn_operation.sh): what an administrator does and meets.
#
# usage: nspawn_operation_inside.bash RESULTS
TEST_NAME=e2e/nspawn_operation
# shellcheck source=nspawn_lib.bash
. "$(dirname "$0")/nspawn_lib.bash"
example=/usr/share/doc/heaptap/examples/trace.conf

setup() {
	prepare
	dpkg -i "$(package)" >log 2>&1 || fail "$(cat log)"
	mkdir -p "$(dirname $settings)"
	printf 'rate = 1\ninterval = 0\n' >$settings
	usermod -aG heaptap carol
}

# Orders for a steady program, more than it has done when this returns.
start_load() { # NAME LINES MB
	yes "$3" | head -n "$2" >"$top/$1.in"
}

load_is_done() { # NAME LINES
	[ "$(lines "$top/$1.out")" -ge "$2" ]
}

settle() { # the service is there and has answered
	heaptap ps >/dev/null 2>&1 || true
	[ "$(property $unit ActiveState)" = active ]
}

test_doctor_knows_the_service() {
	local user
	for user in root alice carol; do
		status_of out err as $user heaptap doctor
		is "$status" 0 "doctor of $user: $(cat out)"
		has out '^ok    collector       /run/heaptap/collector.sock: heaptap .* answers, 0 programs'
		has out '^ok    library loads '
	done
	systemctl stop $unit.socket $unit
	status_of out err as alice heaptap doctor
	is "$status" 0
	has out '^warn  collector .*not there: heaptap-collectord.socket is not started'
	status_of out err as alice heaptap ps
	is "$status" 1
	has err '^heaptap: no collector is running: not at /run/heaptap/collector.sock'
	systemctl start $unit.socket
}

# As the file itself says how, word for word.
test_redis_of_debian_is_recorded_as_the_example_says() {
	local pid
	systemctl restart redis-server
	sed -n 's/^#   //p' $example | sed 's/NAME/redis-server/g; s/ trace.conf/ ${0}/' >commands
	is "$(lines commands)" 3 "commands in the example"
	# Again where the machine is so busy that the second which the example allows does not suffice.
	wait_for 60 is_recorded_by_commands redis-server
	pid=$(heaptap ps --json | jq '.[] | select(.command | test("redis")) | .pid')
	for i in {1..2000}; do printf 'SET key%d %01000d\r\n' "$i" 7; done | redis-cli --pipe >said
	has said 'errors: 0, replies: 2000'
	is "$(redis-cli dbsize)" 2000
	wait_for 60 takes_at_least "$pid" 2000000
	heaptap top -unit=B "$pid" >top
	has top '^File: redis-'
	is "$(property redis-server ActiveState) $(property redis-server MainPID)" "active $pid"
	is "$(told root "$pid" user)" redis
	rm /etc/systemd/system/redis-server.service.d/heaptap.conf
	rmdir /etc/systemd/system/redis-server.service.d
	systemctl daemon-reload
	systemctl restart redis-server
	is "$(redis-cli dbsize)" 2000 "what it saved when it was stopped"
	has_not "/proc/$(property redis-server MainPID)/maps" libheaptap
	journalctl -u redis-server -o cat --no-pager >redis.journal
	has_not redis.journal 'ld.so|heaptap'
	systemctl stop redis-server
}

is_recorded_by_commands() { # NAME
	bash -e -c "$(<commands)" $example | grep "/$1 "
}

takes_at_least() { # PID BYTES
	[ "$(told root "$1" in_use_bytes)" -ge "$2" ]
}

# A collector that hangs, and programs that go on meanwhile.
test_watchdog_ends_a_hanging_daemon_and_nothing_is_lost() {
	local before
	mkdir -p /run/systemd/system/$unit.service.d
	printf '[Service]\nWatchdogSec=5\n' >/run/systemd/system/$unit.service.d/test.conf
	systemctl daemon-reload
	systemctl restart $unit
	is "$(property $unit WatchdogUSec)" 5s
	start_program alice alice 3
	start_program bobs bob 2
	wait_for 60 is_told alice "$(pid_of alice)" allocated_objects 3
	wait_for 60 is_told bob "$(pid_of bobs)" allocated_objects 2
	before=$(daemon_pid)
	start_load alice 100 5
	kill -STOP "$before"
	start_load bobs 100 7
	wait_for 120 is_another "$before"
	wait_for 120 load_is_done alice 100
	wait_for 120 load_is_done bobs 100
	wait_for 60 is_told alice "$(pid_of alice)" allocated_objects $((3 + 100 * 5 * 1024))
	wait_for 60 is_told bob "$(pid_of bobs)" allocated_objects $((2 + 100 * 7 * 1024))
	is "$(told alice "$(pid_of alice)" in_use_bytes)" 3145728
	wait_for 60 journal_has 'Watchdog timeout'
	wait_for 60 journal_has 'went on with 2 sessions of the collector before'
	rm -r /run/systemd/system/$unit.service.d
	systemctl daemon-reload
	systemctl restart $unit
	is "$(property $unit WatchdogUSec)" 1min
}

test_upgrade_under_load_keeps_settings_and_totals() {
	local before
	before=$(daemon_pid)
	md5sum $settings >sum
	start_load alice 100 5
	dpkg -i "$(package)" >log 2>&1 || fail "$(cat log)"
	start_load bobs 100 7
	wait_for 60 is_another "$before"
	md5sum -c --quiet sum
	wait_for 120 load_is_done alice 200
	wait_for 120 load_is_done bobs 200
	wait_for 60 is_told alice "$(pid_of alice)" allocated_objects $((3 + 200 * 5 * 1024))
	wait_for 60 is_told bob "$(pid_of bobs)" allocated_objects $((2 + 200 * 7 * 1024))
	wait_for 60 keeps 4 # two for each of two programs
}

keeps() { # DESCRIPTORS
	[ "$(property $unit NFileDescriptorStore)" = "$1" ]
}

# What systemd 252 does not keep: the last snapshot does.
test_stop_and_start_leaves_the_last_snapshot() {
	local dir pid
	pid=$(pid_of alice)
	systemctl stop $unit
	dir=$(find /var/lib/heaptap -maxdepth 1 -name "*.$pid")
	is "$(grep -c . <<<"$dir")" 1
	as carol heaptap top -unit=B -alloc_objects "$dir" >top
	has top "of $((3 + 200 * 5 * 1024))B? total"
	as carol heaptap top -unit=B "$dir" >top
	has top '3145728B +100% +100% +3145728B +100% +keep'
	systemctl start $unit
	is "$(told alice "$pid" state)" ''
	status_of out err as alice heaptap doctor "$pid"
	has out '^warn  recorded +process '"$pid"' has attached, but no collector knows it'
	has out ' -> .* its collector is gone'
	allocate alice 1
	is "$(cat "$top/alice.err")" ''
	kill "$pid" "$(pid_of bobs)"
	start_program again alice 4
	wait_for 60 is_told alice "$(pid_of again)" in_use_bytes 4194304
}

# One line per entry, our name once, a priority that can be filtered by.
test_journal_is_tidy() {
	local name=$'a\nb \e[31m'
	install -m 755 "$victims/steady" "$top/$name"
	LD_PRELOAD=libheaptap.so HEAPTAP_WAIT_MS=10000 "$top/$name" 1 </dev/null
	wait_for 60 journal_has ': .*/a(\\n|\\x0a|\\012|\?)b '
	printf 'rate = many\n' >$settings
	systemctl reload $unit
	wait_for 60 journal_has '^SIGHUP: the settings stay as they were: '
	printf 'rate = 1\ninterval = 0\n' >$settings
	systemctl reload $unit
	wait_for 60 journal_has '^SIGHUP: read /etc/heaptap/collectord.conf'
	journalctl -u $unit -o json --no-pager >entries
	jq -r 'select(._COMM == "heaptap-collect") | [.SYSLOG_IDENTIFIER, .PRIORITY, (.MESSAGE | type)] | @tsv' entries | sort | uniq -c >kinds
	is "$(awk '{ print $2 }' kinds | sort -u)" heaptap-collectord "identifiers"
	is "$(awk '{ print $4 }' kinds | sort -u)" string "types: what is no text is an array"
	is "$(jq -r 'select(.MESSAGE | test("^SIGHUP: the settings stay")) | .PRIORITY' entries)" 3
	is "$(jq -r 'select(.MESSAGE | test("^listening on")) | .PRIORITY' entries | sort -u)" 6
	is "$(jq -c 'select(._COMM == "heaptap-collect") | select(.MESSAGE | test("heaptap-collectord:|[[:cntrl:]]|^<[0-9]"))' entries)" '' "names twice"
	is "$(jq -r 'select(.MESSAGE | test("^session [0-9]+: (pid|wrote|ended)")) | .MESSAGE' entries | grep -v ended | sort | uniq -d)" '' "said twice"
}

test_memory_is_bounded() {
	is "$(property $unit MemoryMax)" $((2 << 30))
	[ "$(property $unit MemoryCurrent)" != '[not set]' ] || skip "no memory controller in here: $(tr '\n' ' ' <"/proc/$(daemon_pid)/cgroup")"
	[ "$(property $unit MemoryCurrent)" -lt $((2 << 30)) ]
}

test_removal_keeps_what_was_recorded() {
	local n
	systemctl kill -s USR1 $unit
	wait_for 60 journal_has 'wrote .*-signal'
	n=$(snapshots '*' | wc -l)
	dpkg -r heaptap >log 2>&1 || fail "$(cat log)"
	is "$(pgrep -l heaptap)" ''
	[ "$(snapshots '*' | wc -l)" -ge "$n" ]
	[ -s $settings ]
	getent passwd heaptap
	allocate again 1
	dpkg -i "$(package)" >log 2>&1 || fail "$(cat log)"
	is "$(property $unit.socket ActiveState) $(property $unit.socket UnitFileState)" 'active enabled'
	start_program reinstalled alice 5
	wait_for 60 is_told alice "$(pid_of reinstalled)" in_use_bytes 5242880
	kill "$(pid_of again)" "$(pid_of reinstalled)"
}

# Somebody is at work as that user, or users cannot be removed: it is said, and the package is gone all the same.
test_purge_meets_obstacles() {
	setpriv --reuid heaptap --regid heaptap --clear-groups sleep 1000 &
	dpkg -P heaptap >log 2>&1 || fail "$(cat log)"
	has log 'the user heaptap stays; later: userdel heaptap'
	kill %%
	wait %% || true
	is "$(dpkg-query -W -f '${Status}' heaptap 2>/dev/null)" ''
	dpkg -i "$(package)" >log 2>&1 || fail "$(cat log)"
	mv /usr/sbin/userdel /usr/sbin/userdel.away
	dpkg -P heaptap >log 2>&1 || fail "$(cat log)"
	has log 'the user heaptap stays; later: userdel heaptap'
	mv /usr/sbin/userdel.away /usr/sbin/userdel
	dpkg -i "$(package)" >log 2>&1 || fail "$(cat log)"
	usermod -aG heaptap carol
	dpkg -P heaptap >log 2>&1 || fail "$(cat log)"
	! getent passwd heaptap && ! getent group heaptap
	is "$(ls -d /etc/heaptap /run/heaptap /var/lib/heaptap /var/cache/heaptap 2>/dev/null)" ''
}

run_story
