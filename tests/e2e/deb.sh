#!/bin/bash
# tests/e2e/deb.sh - make deb: what the packages hold, what Debian's checker says of them.  nspawn.sh installs them.
. "$(dirname "$0")/../lib.sh"
need dpkg-buildpackage dh

setup() {
	"$HEAPTAP_SOURCE/scripts/deb/make" "$top/deb" >make.log
	mkdir "$top/root"
	dpkg-deb -x "$(deb)" "$top/root"
}

deb() {
	echo "$top"/deb/heaptap_*.deb
}

test_everything_is_in_the_package() {
	local lib
	lib=usr/lib/$(dpkg-architecture -q DEB_HOST_MULTIARCH)/libheaptap.so
	is "$(cd "$top/root" && find . ! -type d | sort | tr '\n' ' ')" "$(printf './%s\n' \
		lib/systemd/system/heaptap-{collectord.service,collectord.socket,http.socket} \
		usr/bin/heaptap usr/bin/heaptap-collectord usr/lib/heaptap/libheaptap.so usr/lib/sysusers.d/heaptap.conf "$lib" \
		usr/share/bash-completion/completions/heaptap usr/share/doc/heaptap/{changelog.gz,copyright,examples/trace.conf} \
		usr/share/man/man1/heaptap.1.gz usr/share/man/man1/heaptap-run.1.gz usr/share/man/man5/heaptap-formats.5.gz \
		usr/share/man/man8/heaptap-collectord.8.gz usr/share/zsh/vendor-completions/_heaptap | sort | tr '\n' ' ')"
	[ -s "$top/root/$lib" ] || fail "$lib leads nowhere"
	has "$top/root/lib/systemd/system/heaptap-collectord.service" '^ExecStart=/usr/bin/heaptap-collectord'
	has "$top/root/usr/share/doc/heaptap/examples/trace.conf" '^Environment=LD_PRELOAD=/usr/lib/heaptap/libheaptap.so$'
}

test_version_and_dependencies() {
	dpkg-deb -f "$(deb)" Version Depends >control
	has control "^Version: $("$top/root/usr/bin/heaptap" --version | sed 's/^heaptap //')\$"
	# Computed from what the programs need: these two are named nowhere else.
	has control '^Depends:.* libdw1 .* liburing2 '
	is "$(cd "$top/root" && dpkg-deb --ctrl-tarfile "$(deb)" | tar -xO ./md5sums | md5sum -c --quiet 2>&1)" ''
}

# What is compiled by hand and by Debian's tools is compiled with the same libraries.
test_build_dependencies_are_those_of_install_deps() {
	local package
	sed -n '/^Build-Depends:/,/^[A-Z]/p' "$HEAPTAP_SOURCE/scripts/deb/control" | tr ', ' '\n' >known
	awk '$2 == "build" { print $1 }' "$HEAPTAP_SOURCE/scripts/install-deps" | grep -vxE 'gcc|make|libc6-dev|python3' >wanted
	[ "$(lines wanted)" -gt 10 ]
	while read -r package; do
		grep -qxF "$package" known || fail "$package is not in Build-Depends of scripts/deb/control"
	done <wanted
	# Of no Build-Depends, as Debian's tools take it for granted: not there on a fresh system.
	awk '$2 == "deb" { print $1 }' "$HEAPTAP_SOURCE/scripts/install-deps" >wanted
	for package in build-essential debhelper dpkg-dev; do
		grep -qxF "$package" wanted || fail "$package is not in the group deb of scripts/install-deps"
	done
}

test_installed_command_finds_its_library() {
	need python3
	"$top/root/usr/bin/heaptap" run -q -r 1 -- python3 -c 'print("packaged")' >out
	is "$(<out)" packaged
	[ "$(sum_of "$(last_snapshot heaptap.python3.*)" alloc_bytes)" -gt 100000 ]
}

# The library must pass what lint asks of the one in the build tree: Debian's flags and strip change it.
test_library_is_still_what_it_must_be() {
	need nm readelf
	(cd "$HEAPTAP_SOURCE" && scripts/lint --shim "$top/root/usr/lib/heaptap/libheaptap.so")
}

test_debug_symbols_match() {
	need eu-unstrip
	mkdir debug
	dpkg-deb -x "$top"/deb/heaptap-dbgsym_*.deb debug
	local program id
	for program in bin/heaptap bin/heaptap-collectord lib/heaptap/libheaptap.so; do
		id=$(eu-unstrip -n -e "$top/root/usr/$program" | sed -E 's/^[^ ]+ ([0-9a-f]+).*/\1/')
		[ -s "debug/usr/lib/debug/.build-id/${id:0:2}/${id:2}.debug" ] || fail "no debug symbols of $program"
	done
}

test_lintian_has_nothing_to_say() {
	need lintian
	status_of lintian.out lintian.err lintian --allow-root --fail-on error,warning "$top"/deb/*.deb
	is "$status" 0 "lintian: $(cat lintian.out lintian.err)"
	# Seen red: a library in the loader's path without a trigger is an error.
	dpkg-deb -R "$(deb)" spoilt && rm spoilt/DEBIAN/triggers
	dpkg-deb --root-owner-group -b spoilt spoilt.deb >/dev/null
	status_of lintian.out lintian.err lintian --allow-root --fail-on error,warning spoilt.deb
	has lintian.out 'lacks-ldconfig-trigger'
	[ "$status" -ne 0 ]
}

# Elsewhere, in another year's time zone, language and with another umask.
test_same_tree_gives_the_same_bytes() {
	[ -n "${HEAPTAP_LONG-}" ] || skip "compiles everything once more: make check-long"
	local there=$PWD/a/much/longer/path name
	mkdir -p "$there"
	cp -a "$HEAPTAP_SOURCE/." "$there" && rm -rf "$there/build"
	(umask 077 && TZ=Pacific/Kiritimati LC_ALL=C "$there/scripts/deb/make" "$PWD/deb")
	for name in "$top"/deb/*.deb; do
		same_files "deb/${name##*/}" "$name"
	done
}

test_versions_must_agree() {
	mkdir tree
	cp -a "$HEAPTAP_SOURCE/scripts" "$HEAPTAP_SOURCE/Makefile" tree
	sed -i '1s/(.*)/(9.9)/' tree/scripts/deb/changelog
	status_of out err tree/scripts/deb/make "$PWD/out"
	is "$status" 1
	has err 'Makefile says .* and scripts/deb/changelog 9\.9: make them agree'
}

run_tests
