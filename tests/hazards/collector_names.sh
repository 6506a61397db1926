#!/bin/bash
# tests/hazards/collector_names.sh - names and bytes a program's author chose: in pictures, on terminals, as files to open,
# as sizes to reserve.
. "$(dirname "$0")/../lib.sh"
need gcc python3 script

# The picture of a program whose file name is a statement of the drawing, with a link that runs a script.
test_a_programs_name_is_no_part_of_the_drawing() {
	need dot
	local name='x" [URL="javascript:alert(1)" tooltip="&<script>alert(2)<'
	cp "$victims/steady" "$name"
	"$heaptap" run -q -r 1 -i 0 -o out -- "./$name" 3 </dev/null
	"$heaptap" svg -output=picture.svg out/heaptap.*
	python3 - <<-'PY'
		import xml.etree.ElementTree as tree
		root = tree.parse("picture.svg").getroot()
		for node in root.iter():
		    for key, value in node.attrib.items():
		        assert not (key.endswith("href") and "script" in value), value
		scripts = [node for node in root.iter() if node.tag.endswith("script")]
		assert len(scripts) == 1, "ours"
		assert "alert(" not in (scripts[0].text or "")
		assert "alert(1)" in tree.tostring(root, "unicode"), "the name is there, as text"
	PY
}

# A function whose name says something to a terminal; reports to files have its bytes, as pprof's have.
test_names_of_functions_do_not_reach_a_terminal_as_they_are() {
	local report
	cat >victim.c <<-'C'
		#include <stdlib.h>
		__attribute__((noinline)) void *PLACEHOLDER_(void) { void *volatile p = malloc(5000); return p; }
		int main(void) { return !PLACEHOLDER_(); }
	C
	gcc -g -O1 -fno-builtin victim.c -o victim
	python3 - <<-'PY'
		name = b"\x1b]0;own\x07\x9b31m"
		data = open("victim", "rb").read()
		assert data.count(b"PLACEHOLDER_") >= 2 and len(name) == 12
		open("victim", "wb").write(data.replace(b"PLACEHOLDER_", name))
	PY
	"$heaptap" run -q -r 1 -i 0 -o out -- ./victim
	"$heaptap" top out >file
	grep -qa $'\x1b]0;own' file || fail "a file does not have the bytes"
	for report in "top out" "tree out" "diff out out"; do
		PAGER='' TERM=xterm script -qec "'$heaptap' $report" /dev/null </dev/null >terminal || fail "$report: exit status $? ($(<terminal))"
		! LC_ALL=C grep -a $'\x1b]\|\x07\|\x9b' terminal || fail "$report: control bytes on a terminal"
	done
	PAGER='' script -qec "'$heaptap' top out" /dev/null </dev/null >terminal
	has terminal '\\x1b\]0;own\\x07\\x9b31m'
}

# Debug information names what is no source: `list` must not wait for it, nor wake who waits at its other end.
test_sources_that_are_traps_are_not_opened() {
	mkfifo fifo
	printf '#include <stdlib.h>\n#line 1 "%s"\nint main(void) { void *volatile p = malloc(5000); return !p; }\n' "$PWD/fifo" >victim.c
	gcc -g -O1 -fno-builtin victim.c -o victim
	"$heaptap" run -q -r 1 -i 0 -o out -- ./victim
	timeout -s KILL 60 "$heaptap" list main out >listing 2>err || fail "list waits for a FIFO ($(cat err))"
	has listing 'main'
	has listing "(could not find file|open) .*fifo"
}

# 6 bytes that make msgpack libraries reserve 8 GB: to every input, where 64 MiB of address space are all there is, the
# program and its libraries among them.
test_six_bytes_reserve_nothing() {
	local input
	printf '\xdd\x10\0\0\0\xc0' >vector
	mkdir dir.heaptap.d
	cp vector 0001-exit.heaptap
	cp vector dir.heaptap.d/0001-exit.heaptap
	for input in "top vector" "top dir.heaptap.d" "export --json out.json vector" "diff vector vector" "growth dir.heaptap.d" "top -base=vector vector"; do
		# shellcheck disable=SC2086 # words
		status_of out err prlimit --as=67108864 "$heaptap" $input
		is $status 1 "exit status of $input ($(<err))"
		has err '^heaptap: .*(vector|exit\.heaptap): not a heaptap snapshot'
		has_not err 'memory'
	done
}

run_tests
