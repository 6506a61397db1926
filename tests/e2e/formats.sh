#!/bin/bash
# tests/e2e/formats.sh - heaptap export: every format says the same, and the tools it is for read it.
. "$(dirname "$0")/../lib.sh"
need go gcc python3 node google-pprof jeprof

check=$e2e/formats_check.py
viewer=/usr/libexec/valgrind/dh_view.js
texts="json speedscope dhat csv folded gotext heapv2"

setup() {
	"$heaptap" run -q -r 1 -i 0 -o "$top/known" -- "$victims/known_blocks" >/dev/null
	mv "$(run_dir "$top/known")" "$top/known/run"
	"$heaptap" run -q -r 4096 -i 0 -o "$top/python" -- /usr/bin/python3 -c 'x = [bytes(i % 5000) for i in range(20000)]'
	mv "$(run_dir "$top/python")" "$top/python/run"
	python3 "$check" hostile "$top/hostile.pb"
}

# SOURCE in all formats, each in a file of its name; -peak, so that something is in use.
export_all() { # SOURCE
	local format options=()
	for format in pprof $texts; do
		options+=("--$format" "$format")
	done
	"$heaptap" export --peak "${options[@]}" "$1" 2>export.err
}

# alloc_objects alloc_space inuse_objects inuse_space as go tool pprof reads a file.
go_totals() { # FILE
	pprof -symbolize=none -raw "$1" 2>/dev/null |
		awk '/^Locations/ { exit } /^ +-?[0-9]+ +-?[0-9]/ { for (i = 1; i <= 4; i++) s[i] += $i }
		     END { printf "%d %d %d %d\n", s[1], s[2], s[3], s[4] }'
}

# Every format has the sums of the protobuf, as far as it has them; DHAT's last are of the end, not of the peak.
same_sums() {
	local format expected got
	expected=$(go_totals pprof)
	read -ra want <<<"$expected"
	[ $((want[1] * want[3])) -gt 0 ] || fail "nothing in it: $expected"
	for format in $texts; do
		got=$(python3 "$check" totals "$format" "$format")
		case $format in
		folded) is "$got" "None None None ${want[3]}" "$format" ;;
		dhat) is "${got% * *}" "${want[0]} ${want[1]}" "$format" ;;
		*) is "$got" "$expected" "$format" ;;
		esac
	done
	is "$(go_totals gotext)" "$expected" "go tool pprof on Go's text"
	is "$(go_totals heapv2)" "$expected" "go tool pprof on heap profile text"
}

test_formats_agree_on_an_exact_run() {
	export_all "$top/known/run"
	same_sums
}

test_formats_agree_on_a_sampled_run() {
	export_all "$top/python/run"
	same_sums
}

test_formats_agree_on_hostile_names() {
	export_all "$top/hostile.pb"
	same_sums
}

# What we wrote, reported by us and by go tool pprof.
test_our_reader_reads_our_text() {
	local source format report
	for source in known/run python/run hostile.pb; do
		export_all "$top/$source"
		for format in gotext heapv2; do
			for report in top raw; do
				"$heaptap" $report -symbolize=none $format >actual
				pprof -symbolize=none -$report $format >expected 2>/dev/null
				same_files actual expected
			done
		done
	done
}

# TOOL TYPE PROGRAM: its first row is the function that known_blocks allocates in, with the megabytes of our protobuf.
perl_row() {
	local total
	"$1" --text --"$2" "$3" heapv2 >table 2>tool.err || fail "$1: $(cat tool.err)"
	total=$(pprof -top -unit=MB -sample_index="$2" pprof 2>/dev/null | sed -nE 's/.* of ([0-9.]+)MB total.*/\1/p')
	has table "^Total: $(printf '%.1f' "$total") MB$"
	is "$(awk 'NR == 2 { print $1, $NF }' table)" "$(printf '%.1f' "$total") allocate" "first row of $1 --$2"
}

test_perl_tools_name_what_they_read() {
	local tool
	export_all "$top/known/run"
	for tool in google-pprof jeprof; do
		perl_row $tool inuse_space "$victims/known_blocks"
		perl_row $tool alloc_space "$victims/known_blocks"
		"$tool" --text --alloc_objects "$victims/known_blocks" heapv2 >table 2>/dev/null
		has table "^Total: $(go_totals pprof | cut -d' ' -f1) objects\$|^Total: $(go_totals pprof | cut -d' ' -f1)\$"
	done
}

# Code that lies 2 MiB further in memory than in the file, as what lld links does by a few pages.
test_perl_tools_find_code_that_lies_elsewhere_in_the_file() {
	local memory file
	gcc -O1 -g -fno-builtin -w -Wl,--section-start=.text=0x200000 -o moved "$HEAPTAP_SOURCE/tests/victims/known_blocks.c"
	read -r memory file < <(readelf -WS moved | sed -nE 's/.* \.text +PROGBITS +([0-9a-f]+) +([0-9a-f]+) .*/0x\1 0x\2/p')
	[ $((memory)) -ne $((file)) ] || fail "it does not"
	"$heaptap" run -q -r 1 -i 0 -o . -- ./moved >/dev/null
	export_all "$(run_dir .)"
	perl_row google-pprof alloc_space "$PWD/moved"
	perl_row jeprof alloc_space "$PWD/moved"
}

# Objects of a few bytes are where a sampling rate in the header would bend numbers: heap_v2/1 makes 1 byte 1.58.
test_perl_tools_do_not_scale() {
	"$heaptap" run -q -r 1 -i 0 -o . -- "$victims/tiny_blocks" >/dev/null
	export_all "$(run_dir .)"
	local tool want
	want=$(go_totals pprof | cut -d' ' -f1)
	for tool in google-pprof jeprof; do
		"$tool" --text --alloc_objects "$victims/tiny_blocks" heapv2 >table 2>/dev/null
		is "$(sed -nE 's/^Total: ([0-9]+).*/\1/p' table)" "$want" "objects by $tool"
	done
}

go_program() { # NAME: source on stdin
	mkdir -p "$1"
	cat >"$1/main.go"
	GO111MODULE=off GOCACHE=$top/go-cache GOFLAGS='' go build -o "$1/program" "$1/main.go"
}

# Take the columns out, let Go's own text/tabwriter set them again.
test_columns_are_set_like_gos() {
	go_program tabs <<-'END'
		package main

		import (
			"io"
			"os"
			"text/tabwriter"
		)

		func main() {
			w := tabwriter.NewWriter(os.Stdout, 1, 8, 1, '\t', 0)
			io.Copy(w, os.Stdin)
			w.Flush()
		}
	END
	local source
	for source in known/run python/run hostile.pb; do
		export_all "$top/$source"
		python3 "$check" one-tab <gotext | tabs/program >expected
		same_files gotext expected
		[ "$(grep -c '^#' gotext)" -gt 20 ] || fail "no frames"
	done
}

# PC - OFFSET is where nm says the function begins, whatever the program was moved by.
test_offsets_are_from_the_functions_entry() {
	local pc offset entries
	export_all "$top/known/run"
	sed -nE 's/^#\t(0x[0-9a-f]+)\t+(allocate|main)\+(0x[0-9a-f]+)\t.*/\2 \1 \3/p' gotext | sort -u >frames
	nm "$victims/known_blocks" | awk '$3 == "allocate" || $3 == "main" { print $3, $1 }' | sort >symbols
	is "$(lines symbols)" 2
	while read -r name pc offset; do
		entries=$((pc - offset - 0x$(awk -v n="$name" '$1 == n { print $2 }' symbols)))
		[ $((entries % 4096)) -eq 0 ] || fail "$name: $pc - $offset is not a function's start"
		echo $entries
	done <frames | sort -u >moved
	is "$(lines moved)" 1 "places the program was loaded at"
	[ "$(lines frames)" -gt 5 ] || fail "only $(lines frames) frames"
}

# A Go program's own heap?debug=1: the same lines with the same shapes in the same order, then ours.
test_statistics_have_gos_lines() {
	go_program heap <<-'END'
		package main

		import (
			"os"
			"runtime/pprof"
		)

		func main() { pprof.Lookup("heap").WriteTo(os.Stdout, 1) }
	END
	export_all "$top/known/run"
	local f
	heap/program >go.txt
	for f in go.txt gotext; do
		sed -n '/^# runtime.MemStats/,$p' "$f" | grep -v '^# heaptap: ' |
			sed -E 's/[0-9.]+(e-?[0-9]+)?/N/g; s/(N ){255}N/N.../' >"$f.shape"
	done
	same_files gotext.shape go.txt.shape
	[ "$(lines gotext.shape)" -gt 25 ] || fail "no statistics"
	has gotext '^# TotalAlloc = [1-9]'
	has gotext '^# heaptap: .* are exact counts$'
}

test_dhat_viewer_takes_it() {
	[ -e $viewer ] || skip "no $viewer on this machine"
	local source
	for source in known/run python/run hostile.pb; do
		export_all "$top/$source"
		node "$e2e/formats_viewer.js" $viewer dhat >tree
		is "$(cut -d' ' -f1,2 tree)" "$(go_totals pprof | cut -d' ' -f1,2)" "total of $source"
		[ $source = hostile.pb ] || is "$(cut -d' ' -f3 tree)" "$(go_totals pprof | cut -d' ' -f4)" "peak of $source"
	done
}

test_standard_output() {
	local format
	export_all "$top/known/run"
	for format in pprof $texts; do
		"$heaptap" export --peak "--$format" - "$top/known/run" >out 2>/dev/null
		same_files out "$format"
	done
}

test_what_a_format_cannot_say_is_refused_and_nothing_is_written() {
	local format
	python3 "$check" difference difference.pb
	python3 "$check" cpu cpu.pb
	for format in speedscope dhat folded gotext heapv2; do
		refuses 1 'below 0' "$heaptap" export --csv ok --$format bad difference.pb
		is "$(ls bad ok 2>/dev/null)" '' "files left by --$format"
	done
	for format in dhat gotext heapv2; do
		refuses 1 'not a heap profile' "$heaptap" export --$format bad cpu.pb
	done
	"$heaptap" export --csv c.csv --json c.json --pprof c.pb --speedscope c.json2 --folded c.folded cpu.pb
	"$heaptap" export --csv d.csv --json d.json --pprof d.pb difference.pb
	has d.csv '^1,2,-3,-4,'
}

test_limits_of_servers() {
	local limited
	python3 "$check" many many.pb
	"$heaptap" export --limit --pprof limited.gz --csv limited.csv many.pb 2>err
	has err 'lightest stacks are one now'
	is "$(go_totals limited.gz)" "$(go_totals many.pb)" "sums"
	is "$(lines limited.csv)" 16001
	limited=$(gzip -dc limited.gz | wc -c)
	[ "$limited" -le $((4 << 20)) ] || fail "$limited bytes"
}

test_bad_usage() {
	refuses 2 'in which format' "$heaptap" export "$top/known/run"
	refuses 2 'both write to same' "$heaptap" export --csv same --dhat same "$top/known/run"
	refuses 2 'both write to -' "$heaptap" export --csv - --dhat - "$top/known/run"
	refuses 1 'nowhere/x' "$heaptap" export --csv nowhere/x "$top/known/run"
}

run_tests
