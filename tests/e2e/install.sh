#!/bin/bash
# tests/e2e/install.sh - what make install puts in place works from there.
. "$(dirname "$0")/../lib.sh"
need make python3

test_installed_command_finds_its_library() {
	make -s -C "$HEAPTAP_SOURCE" BUILD="$(realpath --relative-to="$HEAPTAP_SOURCE" "$HEAPTAP_BUILD")" \
		install DESTDIR="$PWD/root" PREFIX=/opt/heaptap >make.log
	is "$(cd root && find . ! -type d | sort | tr '\n' ' ')" \
		"$(printf './opt/heaptap/%s ' bin/heaptap bin/heaptap-collectord lib/heaptap/libheaptap.so \
			lib/libheaptap.so lib/systemd/system/heaptap-{collectord.service,collectord.socket,http.socket} lib/sysusers.d/heaptap.conf \
			share/bash-completion/completions/heaptap share/doc/heaptap/examples/trace.conf share/man/man1/heaptap-run.1 share/man/man1/heaptap.1 \
			share/man/man5/heaptap-formats.5 share/man/man8/heaptap-collectord.8 share/zsh/site-functions/_heaptap)"
	same_files root/opt/heaptap/lib/libheaptap.so "$shim"
	has root/opt/heaptap/lib/systemd/system/heaptap-collectord.service '^ExecStart=/opt/heaptap/bin/heaptap-collectord'
	root/opt/heaptap/bin/heaptap run -r 1 -- python3 -c 'print("installed")' >out 2>err
	is "$(<out)" installed
	has err ' 0 lost'
	ln -s root/opt/heaptap/bin/heaptap link
	./link run -q -r 1 -- python3 -c 'print("by a link")' >out
	is "$(<out)" 'by a link'
	is "$(find . -maxdepth 1 -name 'heaptap.python3.*' | wc -l)" 2 "run directories"
}

run_tests
