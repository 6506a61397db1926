#!/bin/bash
# tests/e2e/nspawn_no_systemd.bash - run by nspawn_operation.sh as root in a Debian that was not booted, with the package at
# /heaptap.deb: it installs, records, and leaves nothing when it goes.
set -euo pipefail
export LC_ALL=C.UTF-8 HOME=/tmp

every_file() {
	find / -xdev \( -path /var/lib/dpkg -o -path /var/cache -o -path /var/log -o -path /tmp \) -prune -o -print | sort
}

every_file >/tmp/before
dpkg -i /heaptap.deb >/tmp/log 2>&1 || { cat /tmp/log && exit 1; }
cd /tmp
heaptap run -q -r 1 -- ls / >/tmp/listing
[ -s /tmp/listing ]
heaptap top heaptap.ls.* | grep -q 'Showing nodes'
rc=0
heaptap doctor >/tmp/doctor || rc=$?
cat /tmp/doctor
[ $rc -eq 0 ]
grep -q 'systemd, which would start it, does not run here' /tmp/doctor
rc=0
LD_PRELOAD=libheaptap.so ls / >/tmp/preloaded 2>/tmp/err || rc=$?
[ $rc -eq 0 ] && [ ! -s /tmp/err ] && cmp /tmp/listing /tmp/preloaded
dpkg -i /heaptap.deb >/tmp/log 2>&1 || { cat /tmp/log && exit 1; }
dpkg -r heaptap >/tmp/log 2>&1 || { cat /tmp/log && exit 1; }
getent passwd heaptap
dpkg -P heaptap >/tmp/log 2>&1 || { cat /tmp/log && exit 1; }
! getent passwd heaptap
every_file >/tmp/after
# What those leave who add and remove users.
if diff /tmp/before /tmp/after | grep -E '^[<>]' | grep -vE '^> /etc/(passwd-|group-|shadow-|gshadow-|subuid-|subgid-|\.pwd\.lock)$'; then
	echo 'is left, or was taken along' && exit 1
fi
echo 'all is well'
