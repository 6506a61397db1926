#!/bin/bash
# tests/hazards/invisible_tools.sh - shell scripts and small tools are what they are without heaptap.
. "$(dirname "$0")/twice.bash"
need openssl ssh-keygen git perl tar

setup() {
	start_daemon
}

# A01, A02: a library that keeps or borrows descriptors takes these.
test_bash_with_descriptors_3_to_9() {
	prepare() {
		seq 1 2000 >input
	}
	cat >script.sh <<-'SH'
		exec 3>three 4<input 5>>five 6<>six 7>&1 8</dev/null 9>nine
		walk() { if [ "$1" -gt 0 ]; then local pad=$(printf '%*s' "$1" x); echo "$1 ${#pad}" >&3; walk $(($1 - 1)); fi; }
		walk 40
		while read -r line <&4; do list+=("$line"); done
		printf '%s\n' "${list[@]}" >&5
		(echo sub >&9; exec 3>&-; ls /proc/self/fd | wc -l >&7)
		ls /proc/self/fd >&6
		exec 10<input; read -r x <&10; echo "$x" >&7
		exit 7
	SH
	unseen bash "$PWD/script.sh"
	is "$(<bare.status)" 7
}

test_pipelines_substitutions_and_traps() {
	cat >script.sh <<-'SH'
		trap 'echo usr1' USR1; trap 'echo bye $?' EXIT
		kill -USR1 $$
		a=$(seq 300 | sort -rn | sed -n 1,3p | tr '\n' ' '); echo "$a"
		mapfile -t m < <(printf 'x%s\n' 1 2 3); echo "${m[@]}"
		set -o pipefail; false | true; echo $?
		sleep 0 & wait $!; echo $?
		(ulimit -n 12; exec bash -c 'ulimit -n')
		(kill -KILL $BASHPID); echo $?
		sh -c 'exit 300'; echo $?
		exec 2>&1; nosuchcommand; echo $?
	SH
	unseen bash "$PWD/script.sh"
}

test_coreutils() {
	prepare() {
		for i in $(seq 60); do seq "$i" $((i * 7)) >"f$i"; done
		touch -d @1700000000 f*
	}
	cat >script.sh <<-'SH'
		ls -l --time-style=+%s f1 f2; ls | wc -l
		sort -rn -S 1M f*  | uniq -c | tail -n 5
		sort --parallel=4 -S 64K f60 | sha256sum
		tar --sort=name --mtime=@1 --owner=0 --group=0 -cf t.tar f*; tar -tf t.tar | tail -n 2; sha256sum t.tar
		cp -a f1 copy; cmp f1 copy; mv copy moved; ln -s moved link; readlink link; rm moved
		dd if=f60 of=dd.out bs=13 count=7 status=none; wc -c dd.out
		cut -c1-2 f9 | paste -sd, ; join f3 f4 | sed -n 1,2p; comm -12 <(sort f5) <(sort f6) | wc -l
		find . -name 'f*' -newermt @0 -printf '%f\n' | sort | sed -n 1,3p
		xargs -P 4 -n 5 echo <f8 | sort | sed -n 1,3p
		awk '{ s += $1 } END { print s }' f*; sed -n '2,3p' f2; grep -c 1 f10; diff f1 f2 | sed -n 1,2p
		date -u -d @0; printf '%s\n' a b | tac; factor 1234567890; timeout 5 true; timeout -s KILL 0.01 sleep 5; echo $?
		ls /nonexistent; echo $?; cat f1 >/dev/full; echo $?; head -c 5 /dev/zero | od -c
		gzip -9n <f60 | gzip -d | sha256sum; seq 100000 | head -n 1
	SH
	normalise='s|/tac[A-Za-z0-9]{6}|/tac|; /^[a-z_]+ \[(sleep|timeout -s)/d' # killed before or after its start
	normalise+='; /\[timeout /s/errno: [0-9]+/errno: N/' # EINTR, if its child ended while it waited
	unseen bash "$PWD/script.sh"
}

test_ssh_keygen_and_openssl() {
	cat >script.sh <<-'SH'
		ssh-keygen -q -t ed25519 -N '' -C c -f key; ls; ssh-keygen -y -P wrong -f key | cut -d' ' -f1
		ssh-keygen -lf key.pub | cut -d' ' -f1; ssh-keygen -t nosuch -f x; echo $?
		openssl version; seq 5000 | openssl dgst -sha512; openssl nosuch; echo $?
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k.pem -out c.pem -subj /CN=x 2>/dev/null
		openssl x509 -in c.pem -noout -subject; openssl verify c.pem | tail -n 1
		seq 900 | openssl enc -aes-256-ctr -pbkdf2 -pass pass:x -S 0011223344556677 | sha256sum
		rm -f key key.pub k.pem c.pem
	SH
	unseen bash "$PWD/script.sh"
}

test_git() {
	cat >script.sh <<-'SH'
		export HOME=$PWD GIT_AUTHOR_DATE='@1700000000 +0000' GIT_COMMITTER_DATE='@1700000000 +0000'
		git config --global user.email a@b; git config --global user.name n; git config --global gc.auto 0
		git init -q -b main r; cd r; for i in $(seq 40); do seq "$i" >"f$i"; done
		git add .; git commit -qm one; git rev-parse HEAD
		seq 99 >f1; git diff --stat; git commit -qam two; git log --oneline -p | sha256sum
		git repack -adq; git fsck --no-progress; git clone -q . ../c; git -C ../c log --oneline; git grep -c 7 | sed -n 1,3p
		git checkout -q nosuch; echo $?; git stash list; git -c core.pager=cat log -1 --format=%s
		rm -rf .git/objects/pack ../c
	SH
	normalise='s/\.tmp-[0-9]+-pack/TMP-pack/'
	unlike=files # the index keeps inodes and times
	unseen bash "$PWD/script.sh"
}

test_perl() {
	cat >script.pl <<-'PL'
		use strict; use POSIX ();
		my %h = map { $_ => "x" x ($_ % 97) } 1 .. 20000; my $n = 0; $n += length $h{$_} for sort keys %h; print "$n\n";
		local $! = 0; my $s = join ",", map { $_ * 2 } 1 .. 5000; print length($s), " ", $!+0, "\n";
		$SIG{ALRM} = sub { print "alarm\n" }; POSIX::raise(POSIX::SIGALRM());
		my $pid = fork // die; if (!$pid) { my @x = (1) x 100000; POSIX::_exit(9) } waitpid $pid, 0; print $? >> 8, "\n";
		print `echo sub; exit 3`; print $? >> 8, "\n"; open my $f, "<", "/proc/self/status"; print grep /^(Threads|Sig[BICP])/, <$f>;
		eval { die "caught\n" }; print $@; exit 5;
	PL
	unseen perl "$PWD/script.pl"
	is "$(<bare.status)" 5
}

run_tests
