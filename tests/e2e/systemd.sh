#!/bin/bash
# tests/e2e/systemd.sh - what systemd says of the installed units, without running them (nspawn.sh runs them).
. "$(dirname "$0")/../lib.sh"
need make systemd-analyze systemd-sysusers

setup() {
	make -s -C "$HEAPTAP_SOURCE" BUILD="$(realpath --relative-to="$HEAPTAP_SOURCE" "$HEAPTAP_BUILD")" \
		install PREFIX="$top/root" >make.log
}

units() {
	echo "$top/root/lib/systemd/system"
}

verify() { # UNIT-FILE...
	SYSTEMD_UNIT_PATH=$(units): systemd-analyze verify --man=no "$@" 2>&1 | tee verify.log
	# Other units of this machine may have something said about them.
	has_not verify.log 'heaptap|traced'
}

test_units_are_understood() {
	verify "$(units)"/heaptap-*
	sed 's/^WatchdogSec=/WatchDogSeconds=/' "$(units)/heaptap-collectord.service" >heaptap-broken.service
	SYSTEMD_UNIT_PATH=$(units): systemd-analyze verify --man=no ./heaptap-broken.service >broken.log 2>&1 || true
	has broken.log 'WatchDogSeconds'
}

# 0 is no exposure, 10 is a service without any sandbox.
test_exposure_is_at_most_1_5() {
	systemd-analyze security --offline=true --no-pager --threshold=15 "$(units)/heaptap-collectord.service" >report 2>&1 ||
		fail "$(cat report)"
	has report 'Overall exposure level for heaptap-collectord'
	has_not report 'Unknown|ignoring'
	sed '/^SystemCallFilter=\|^CapabilityBoundingSet=\|^Protect/d' "$(units)/heaptap-collectord.service" >open.service
	status_of out err systemd-analyze security --offline=true --no-pager --threshold=15 "$PWD/open.service"
	[ "$status" -ne 0 ] || fail "the gate lets everything through"
}

# Whoever gave the socket's directory to the service's user would let that one put another socket there.
test_directory_of_the_socket_is_roots() {
	local socket runtime
	socket=$(sed -n 's/^ListenSequentialPacket=//p' "$(units)/heaptap-collectord.socket")
	runtime=$(sed -n 's/^RuntimeDirectory=//p' "$(units)/heaptap-collectord.service")
	is "$socket" "$(sed -n 's/^#define HEAPTAP_DEFAULT_SOCKET "\(.*\)"/\1/p' "$HEAPTAP_SOURCE/common/handshake.h")"
	[ "/run/$runtime" != "$(dirname "$socket")" ] || fail "it is the service's RuntimeDirectory"
}

test_user_and_group() {
	mkdir -p root/etc
	systemd-sysusers --root="$PWD/root" "$top/root/lib/sysusers.d/heaptap.conf"
	has root/etc/passwd '^heaptap:[^:]*:[0-9]+:[0-9]+:[^:]*:/var/lib/heaptap:/usr/sbin/nologin$'
	has root/etc/group '^heaptap:'
}

# As documented in the file: copied, it makes a drop-in; each of its outcommented lines is one that systemd knows.
test_drop_in_for_other_services() {
	local shim_there
	mkdir -p traced.service.d
	printf '[Service]\nExecStart=/bin/true\n' >traced.service
	sed -E 's/^#([A-Z][A-Za-z]+=)/\1/' "$top/root/share/doc/heaptap/examples/trace.conf" >traced.service.d/heaptap.conf
	is "$(grep -cE '^(RestrictAddressFamilies|SystemCallFilter|BindReadOnlyPaths)=' traced.service.d/heaptap.conf)" 3
	SYSTEMD_UNIT_PATH=$PWD:$(units): verify "$PWD/traced.service"
	shim_there=$(sed -n 's/^Environment=LD_PRELOAD=//p' traced.service.d/heaptap.conf)
	same_files "$shim_there" "$shim"
	is "$(sed -n 's/^Environment=HEAPTAP_SOCKET=//p' traced.service.d/heaptap.conf)" \
		"$(sed -n 's/^ListenSequentialPacket=//p' "$(units)/heaptap-collectord.socket")"
}

run_tests
