#!/bin/bash
# tests/hazards/invisible_states.sh - whatever a program inherits, it finds it as it would without heaptap.
# The probe prints all it can find out about itself; scripts put it into states first.
. "$(dirname "$0")/twice.bash"
need python3 setpriv prlimit
probe=$victims/probe

setup() {
	start_daemon
}

# It must have got to its end, or the comparison says nothing.
unseen_probe() { # COMMAND...: ends as the probe
	unseen "$@"
	is "$(<bare.status)" 3 "exit status of the probe"
}

test_nothing_special() {
	unseen_probe "$probe" work
	has bare.out '^== exit'
}

test_descriptors_in_the_way() {
	unseen_probe bash -c "exec 3</dev/null 4>x 7<>y 9>&1 200<x; exec '$probe' work"
	unseen_probe bash -c "exec 0<&- 1>&2 2>&1; exec '$probe'"
	unseen_probe bash -c "exec 0<&- 2>&-; exec '$probe'"
	unseen_probe python3 -c "import os, sys
for i in range(3, 64): os.dup2(0, i, inheritable=i % 2 == 0)
os.execv(sys.argv[1], ['probe', 'work'])" "$probe"
}

test_signals_blocked_ignored_and_pending() {
	unseen_probe python3 -c "import os, signal, sys
signal.pthread_sigmask(signal.SIG_SETMASK, [s for s in signal.valid_signals() if s % 3])
[signal.signal(s, signal.SIG_IGN) for s in (1, 3, 13, 15, 17, 20, 34)]
os.kill(os.getpid(), signal.SIGUSR1); signal.setitimer(signal.ITIMER_REAL, 3000)
os.execv(sys.argv[1], ['probe'])" "$probe"
}

test_limits() {
	local l
	for l in nofile=20:30 nproc=5000 core=0 stack=1000000 cpu=1000 memlock=0 sigpending=10 rtprio=0; do
		unseen_probe prlimit --$l "$probe" work
	done
}

test_priorities_masks_and_groups() {
	unseen_probe bash -c "umask 0; exec nice -n 7 taskset -c 0 setsid -w '$probe' work"
	unseen_probe chrt -b 0 "$probe"
	unseen_probe env -i SEEN=1 A= 'B=x y' LD_PRELOAD="$witness" "$probe"
}

test_lesser_rights() {
	[ "$(id -u)" -eq 0 ] || skip "giving up rights takes root"
	unseen_probe setpriv --no-new-privs --bounding-set -all --inh-caps -all "$probe" work
	unseen_probe setpriv --pdeathsig TERM --ambient-caps +net_raw --inh-caps +net_raw "$probe" work
	unseen_probe setpriv --reuid=65534 --regid=65534 --clear-groups "$probe" work
}

run_tests
