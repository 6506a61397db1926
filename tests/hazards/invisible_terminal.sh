#!/bin/bash
# tests/hazards/invisible_terminal.sh - programs under a terminal: the screen they paint, their jobs and their end.
. "$(dirname "$0")/twice.bash"
need tmux less vi script

setup() {
	start_daemon
}

# Type into a program inside tmux: pairs of what to type and a regex that the screen must show then.  Prints each screen.
cat >"$top/typing" <<'SH'
	set -f
	sock=$PWD/tmux.sock
	t() { env -u LD_PRELOAD tmux -f /dev/null -S "$sock" "$@"; }
	export TERM=xterm
	shown() { t capture-pane -p -t s; }
	expect() {
		local a= b= n=0
		while n=$((n + 1)); [ $n -lt 300 ]; do
			a=$b; b=$(shown)
			grep -qE "$1" <<<"$b" && [ "$a" = "$b" ] && break
			sleep 0.1
		done
		echo "-- $1: $([ $n -lt 300 ] && echo seen)"; echo "$b"
	}
	program=$1; start=$2; shift 2
	t new-session -d -s s -x 80 -y 24 "env LD_PRELOAD='$LD_PRELOAD' $program; echo \"status \$?\" >end; cat"
	expect "$start"
	while [ $# -gt 2 ]; do
		for key in $1; do t send-keys -t s "${key//_/ }"; done
		expect "$2"; shift 2
	done
	for key in $1; do t send-keys -t s "$key"; done
	for i in $(seq 400); do [ -s end ] && break; sleep 0.05; done
	cat end; t kill-server; rm -f end tmux.sock
SH
# The server's pid, and the tools of the typing itself.
normalise='s/(TMUX=[^,]*),[0-9]+/\1/g; /^[a-z_]+ \[(sleep|seq|grep|env|cat end|tmux)[^]]*\]/d'

all_seen() {
	has_not bare.out '^-- .*: $'
	has bare.out '^status 0'
}

test_less() {
	prepare() {
		seq 500 >text
	}
	unseen bash "$top/typing" "less text" '^23' G '^500' g '^1$' '/4.7 Enter' '^407' n '^417' '! echo_sub Enter' '^sub' Enter '^417' q
	all_seen
}

test_vi() {
	prepare() {
		seq 300 >text
	}
	unseen bash "$top/typing" "vi -u NONE -n text" '^23' 150Gd5d '^155' ':g/7/s//seven/g Enter' 'seven' ':!echo_sub Enter' '^sub' \
		'Enter gg' '^1$' ':%!sort_-r Enter' '^seven$' ':wq Enter'
	all_seen
	grep -q seven bare.files/text
}

# A short name: tmux' socket is below it, and a socket's path has 107 bytes.
test_job_control() {
	unseen bash "$top/typing" "bash --norc --noprofile -i" '^bash-' 'PS1="ready>_";clear Enter' '^ready>' 'sleep_50 Enter' 'sleep 50' C-z 'Stopped' \
		'fg Enter' '^sleep 50$' C-c '\^C' 'echo_$? Enter' '^130' 'cat Enter' 'cat$' 'one Enter' '^one' C-c 'ready> $|ready>$' \
		'tty_-s;echo_$? Enter' '^0' 'stty_size Enter' '^24 80' C-d
	all_seen
}

test_script_with_a_pty() {
	unseen script -qec 'tty >/dev/null && echo yes; stty -a | head -n 2; exit 6' /dev/null
	is "$(<bare.status)" 6
}

run_tests
