#!/bin/bash
# tests/hazards/invisible_privileges.sh - changes of user, daemons that shed everything, set-id programs.
. "$(dirname "$0")/twice.bash"
[ "$(id -u)" -eq 0 ] || skip "changing the user takes root"
need sudo su setpriv python3 setsid

setup() {
	chmod a+x "$top" "$(dirname "$top")" || true
	chmod a+rx "$HEAPTAP_BUILD" 2>/dev/null || true
	start_daemon
}

# A33: sudo and su clean the environment; what they start is then simply not recorded.
test_sudo_and_su() {
	cat >script.sh <<-'SH'
		sudo -n -u nobody id -u; sudo -n sh -c 'exit 5'; echo $?; sudo -n -u nosuchuser id; echo $?
		sudo -n env | grep -cE '^(LD_PRELOAD|HEAPTAP)'; sudo -n -E sh -c 'ls /proc/self/fd | wc -l'
		su -s /bin/sh nobody -c 'id -u; exit 6'; echo $?; su - nosuchuser; echo $?
		setpriv --reuid=65534 --regid=65534 --clear-groups sh -c 'id -u; sort -n </dev/null; x=$(seq 100); echo ${#x}'
	SH
	normalise='s/ fds:.*rlimits:/ fds: N rlimits:/' # sudo's pipes
	unseen bash "$PWD/script.sh"
	has bare.out '^65534'
}

# The loader drops our library there; nothing may be said about it.
test_set_user_id_programs() {
	cp /usr/bin/id ./id && chmod 4755 id && chmod a+rx . ..
	local id=$PWD/id
	[ "$(setpriv --reuid=65534 --regid=65534 --clear-groups "$id" -u)" = 0 ] || skip "no set-user-id programs on this filesystem"
	unseen setpriv --reuid=65534 --regid=65534 --clear-groups bash -c "$id -u; $id -ru; (exec $id -u); echo \$?"
	has bare.out '^0'
}

test_double_fork_and_closefrom() {
	cat >daemon.py <<-'PY'
		import os, resource, signal, sys, time
		out = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT, 0o644)
		if os.fork(): os._exit(0)
		os.setsid(); os.umask(0o27); os.chdir("/")
		if os.fork(): os._exit(0)
		os.dup2(out, 0); os.closerange(1, 4096)
		for fd in (1, 2): os.dup2(os.open("/dev/null", os.O_RDWR), fd)
		signal.signal(signal.SIGHUP, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))
		junk = {i: "x" * (i % 777) for i in range(20000)}
		del junk
		fds = [f for f in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + f)]
		os.setgroups([]); os.setgid(65534); os.setuid(65534)
		os.write(0, f"{sorted(fds, key=int)} {os.getuid()} {len(os.listdir('/proc/self/task'))}\n".encode())
		if os.fork() == 0: os.write(0, b"child\n"); os._exit(3)
		os.write(0, f"{os.wait()[1]}\n".encode())
	PY
	order=-u
	normalise='/^[a-z_]+ \[(sleep|wc|seq) /d; s/errno: [0-9]+/errno: N/'
	unseen bash -c "/usr/bin/python3 -S '$PWD/daemon.py' out; for i in \$(seq 400); do [ \$(wc -l <out) = 3 ] && break; sleep 0.05; done; cat out
		rm -f x; setsid -f sh -c 'exec </dev/null >/dev/null 2>&1; y=\$(seq 500); echo \${#y} >x.new; mv x.new x'
		for i in \$(seq 400); do [ -s x ] && break; sleep 0.05; done; cat x"
	has bare.out '^\[.0., .1., .2.\] 65534 1'
}

run_tests
