#!/bin/bash
# tests/e2e/nspawn_boot.bash - for the scripts nspawn*.sh: the package in a booted Debian; sourced, never run.
#
# The Debian is made by debootstrap once and kept in $XDG_CACHE_HOME/heaptap-tests (without it the same happens, later);
# it is booted by systemd-nspawn with all changes in memory, without a network.  There $inside, a script of this folder,
# runs as a service, and its results are the caller's.  Nothing stays mounted or running: mounts are nspawn's own, its
# end is theirs.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
[ "$(id -u)" -eq 0 ] || skip "a container takes root"
need systemd-nspawn debootstrap dpkg-buildpackage dh unshare

# Beside what the package depends on.  libc6-dbg is what it recommends.
extra=systemd,systemd-sysv,dbus,procps,jq,python3-minimal,redis-server
suite=bookworm

home=$(getent passwd 0 | cut -d: -f6) # tests/run gives us another HOME
cache=${XDG_CACHE_HOME:-$home/.cache}/heaptap-tests

# Where this machine gets its packages from, and through what.
mirror_and_proxy() {
	mirror=$(apt-get indextargets --format '$(CODENAME) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
		sed -n "s/^$suite main \(http.*\)/\1/p" | head -n 1)
	mirror=${mirror:-http://deb.debian.org/debian}
	eval "$(apt-config shell proxy Acquire::http::Proxy)"
	[ -z "${proxy-}" ] || export http_proxy=$proxy
}

depends() { # DEB: names, the first of alternatives
	dpkg-deb -f "$1" Depends | tr ',' '\n' | sed -E 's/^ *([^ |(]+).*/\1/' | sort | paste -sd,
}

# The tree in $tree: from the cache, or made, by whoever is first.
make_tree() { # DEB
	local packages new
	packages=$extra,$(depends "$1")
	tree=$cache/$suite-$(md5sum <<<"$packages $(dpkg --print-architecture)" | cut -c1-12)
	mkdir -p "$cache"
	find "$cache" -maxdepth 1 \( -name "*.making" -mmin +60 -o -name "$suite-*" -mtime +14 \) -exec rm -rf --one-file-system {} +
	! touch -c "$tree" || [ ! -d "$tree" ] || return 0
	mirror_and_proxy
	new=$(mktemp -d "$cache/XXXXXX.making")
	# Mounts of debootstrap's go away with this namespace, however it ends.
	if ! unshare -m timeout -s KILL 240 debootstrap --variant=minbase --include="$packages" $suite "$new/tree" "$mirror" >debootstrap.log 2>&1; then
		rm -rf --one-file-system "$new"
		tail -n 20 debootstrap.log
		skip "debootstrap of $suite from $mirror: $(tail -n 1 debootstrap.log)"
	fi
	rm -rf "$new/tree/var/cache/apt/archives" "$new/tree/var/lib/apt/lists"
	mkdir -p "$new/tree/var/cache/apt/archives/partial"
	mv -T "$new/tree" "$tree" 2>/dev/null || [ -d "$tree" ]
	rm -rf --one-file-system "$new"
}

# Control groups of its own: nspawn makes some below the caller's and leaves them.
own_groups() {
	local line path
	while IFS=: read -r _ line path; do
		case $line in
		'') echo "/sys/fs/cgroup/unified$path" "/sys/fs/cgroup$path" ;;
		name=systemd) echo "/sys/fs/cgroup/systemd$path" ;;
		esac
	done </proc/self/cgroup | tr ' ' '\n' | while read -r path; do
		[ ! -w "$path/cgroup.procs" ] || echo "${path%/}/heaptap-nspawn.$1"
	done
}

enter_groups() {
	local g
	for g; do
		mkdir "$g" 2>/dev/null && echo $BASHPID >"$g/cgroup.procs" || true
	done 2>/dev/null
}

leave_no_groups() {
	local g
	for g; do
		# shellcheck disable=SC2034 # a group stays busy until its last process is reaped
		for i in $(seq 100); do
			find "$g" -depth -type d -exec rmdir {} + 2>/dev/null
			[ -d "$g" ] || break
			sleep 0.1
		done
	done
}

# shellcheck disable=SC2154 # $inside is the callers'
boot() { # SECONDS: runs $inside there; its files are in ./results
	local mine
	mapfile -t mine < <(own_groups $$)
	mkdir results
	cat >unit <<-UNIT
		[Unit]
		Description=tests of heaptap
		After=basic.target
		[Service]
		Type=exec
		ExecStart=/bin/bash /heaptap/inside/$inside /results
		StandardOutput=file:/results/log
		StandardError=inherit
		ExecStopPost=/bin/systemctl --no-block exit 0
	UNIT
	rc=0
	# A pid namespace, because a container outlives an nspawn that is killed.
	(
		enter_groups "${mine[@]}"
		exec timeout -s KILL "$1" unshare --pid --mount-proc --fork --kill-child systemd-nspawn --quiet --boot --register=no --keep-unit --directory="$tree" \
			--volatile=overlay --private-network --console=pipe --machine="heaptap-$$" --link-journal=no \
			--bind="$PWD/results:/results" --bind-ro="$PWD/unit:/etc/systemd/system/heaptap-test.service" \
			--bind-ro="$e2e:/heaptap/inside" --bind-ro="$HEAPTAP_SOURCE/tests/lib.sh:/heaptap/lib.sh" \
			--bind-ro="$victims:/heaptap/victims" --bind-ro="$PWD/deb:/heaptap/deb" \
			systemd.wants=heaptap-test.service
	) <&- >console 2>&1 8>&- || rc=$?
	leave_no_groups "${mine[@]}"
}

boot_and_test() {
	chmod 755 "$top"
	"$HEAPTAP_SOURCE/scripts/deb/make" "$top/deb" "$HEAPTAP_BUILD" >make.log
	make_tree "$top"/deb/heaptap_*.deb
	echo "$tree" >tree
	boot "${HEAPTAP_NSPAWN_SECONDS:-300}"
	[ -e results/started ] || skip "systemd-nspawn cannot boot here (exit status $rc): $(tail -n 1 console)"
	[ ! -e results/tests ] || cat results/tests >&8
}

# One line of results for each test inside.
all_of_it_ran() {
	cat "$top/results/log"
	[ -e "$top/results/ended" ] || fail "it did not come to its end: $(tail -n 3 "$top/console")"
	is "$(wc -l <"$top/results/tests")" "$(grep -c '^test_.*() {' "$e2e/$inside")" "tests"
	! grep '^FAIL' "$top/results/tests" || fail "$(cat "$top/results/journal")"
}

nothing_is_left() {
	has_not /proc/self/mountinfo "$top|heaptap-nspawn"
	is "$(own_groups $$ | xargs -r ls -d 2>/dev/null)" '' "control groups"
	is "$(pgrep -f -- "--machine=heaptap-$$" | wc -l)" 0 "processes"
}
