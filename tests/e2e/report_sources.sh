#!/bin/bash
# tests/e2e/report_sources.sh - what reports read (legacy text, DIR@N, several files), where they write, what they refuse.
. "$(dirname "$0")/../lib.sh"
need go python3

data=$HEAPTAP_SOURCE/tests/data/pprof

setup() {
	"$heaptap" run -q -r 1 -i 0 -o "$top" -- bash -c 'x=$(printf "%01000d" 1)'
	mv "$(run_dir "$top")" "$top/run"
}

test_legacy_text() {
	local file n=0
	export TZ=UTC
	for file in "$data"/legacy/*.txt; do
		[ "$(basename "$file")" != symbolized.txt ] || continue
		for report in raw top traces; do
			pprof -symbolize=none -$report "$file" >expected
			"$heaptap" $report -symbolize=none "$file" >actual
			same_files actual expected
		done
		n=$((n + 1))
	done
	[ $n -ge 6 ] || fail "only $n files"
}

test_damaged_legacy_text() {
	refuses 1 'symbolized.txt: not a ' "$heaptap" top "$data/legacy/symbolized.txt"
	echo 'heap profile: 1: 2 [3: 4] @ cpu' >kind
	refuses 1 "kind: .*kind 'cpu'|\\[...\\] @ heap" "$heaptap" top kind
	printf '%s\n' 'heap profile: 1: 2 [3: 4] @ heap_v2/512' '1: 2 [3: 4] @ 0x10' 'what is this' >line
	refuses 1 'line: malformed sample: what is this' "$heaptap" top line
	printf '%s\n' 'heap profile: 1: 2 [3: 4] @ heap_v2/512' '0: 2 [3: 4] @ 0x10' >zero
	refuses 1 'zero: malformed sample.*count was 0' "$heaptap" top zero
	printf '%s\n' 'heap profile: 1: 2 [3: 4] @ heap_v2/512' '1: 2 [3: 4] @ 0x11112222333344445' >wide
	refuses 1 'wide: malformed sample.*64 bits' "$heaptap" top wide
}

test_damaged_protobuf() {
	head -c 200 "$data/basic.pb.gz" >cut.gz
	refuses 1 'cut.gz: .*(trunca|ends early)' "$heaptap" top cut.gz
	printf '\x1f\x8bnothing' >noise
	refuses 1 'noise: ' "$heaptap" top noise
}

test_one_snapshot_of_a_directory() {
	local first last
	first=$(find "$top/run" -maxdepth 1 -name '0001-*.heaptap')
	last=$(last_snapshot "$top/run")
	"$heaptap" raw "$top/run@1" >actual 2>/dev/null
	"$heaptap" raw "$first" >expected 2>/dev/null
	same_files actual expected
	"$heaptap" raw "$top/run@final" >actual 2>/dev/null
	"$heaptap" raw "$last" >expected 2>/dev/null
	same_files actual expected
	"$heaptap" top "$top/run@peak" >actual 2>/dev/null
	"$heaptap" top -peak "$top/run" >expected 2>/dev/null
	same_files actual expected
	[ "$(lines actual)" -gt 5 ] || fail "an empty report: $(cat actual)"
	refuses 1 'run@99: no snapshot with this number' "$heaptap" top "$top/run@99"
	refuses 1 'run@soon: after the @ write' "$heaptap" top "$top/run@soon"
	mkdir -p early
	cp "$first" early/0001-timer.heaptap
	refuses 1 'early@final: the program has not ended' "$heaptap" top early@final
}

test_a_source_that_cannot_be_read_is_named_and_left_out() {
	"$heaptap" top "$data/basic.pb.gz" nowhere "$data/basic2.pb.gz" >actual 2>err
	"$heaptap" top "$data/basic.pb.gz" "$data/basic2.pb.gz" >expected
	same_files actual expected
	has err 'heaptap: nowhere: '
	has err 'heaptap: read 2 of 3 profiles'
}

test_output_file() {
	"$heaptap" tree -output=out.txt "$data/basic.pb.gz" >stdout 2>err
	"$heaptap" tree "$data/basic.pb.gz" >expected
	same_files out.txt expected
	is "$(cat stdout)" '' stdout
	has err 'Generating report in out.txt'
	status_of stdout err "$heaptap" tree -output=no-such-dir/x "$data/basic.pb.gz"
	is "$status" 1 "exit status"
	has err 'no-such-dir/x: No such file'
}

test_svg_is_a_picture_that_moves() {
	need dot
	"$heaptap" svg "$data/basic.pb.gz" >a.svg
	python3 - a.svg <<-'PY'
		import sys, xml.dom.minidom
		doc = xml.dom.minidom.parse(sys.argv[1])
		svg = doc.documentElement
		groups = {g.getAttribute("id"): g for g in doc.getElementsByTagName("g")}
		assert svg.getAttribute("width") == "100%" and not svg.getAttribute("viewBox"), svg.attributes.items()
		assert groups["graph0"].parentNode is groups["viewport"]
		assert groups["node1"].parentNode.parentNode in (groups["graph0"], groups["viewport"])
		assert "addEventListener('wheel'" in doc.getElementsByTagName("script")[0].firstChild.data
	PY
}

test_svg_without_graphviz() {
	mkdir -p bin
	refuses 1 'failed to execute dot.*Graphviz' env PATH="$PWD/bin" "$heaptap" svg "$data/basic.pb.gz"
}

test_folded_adds_up() {
	"$heaptap" folded -sample_index=alloc_space "$data/basic.pb.gz" >folded
	is "$(awk '{ s += $NF } END { printf "%d", s }' folded)" \
		"$(pprof -top -trim=false -unit=B -sample_index=alloc_space "$data/basic.pb.gz" 2>/dev/null | sed -nE 's/.*accounting for ([0-9]+)B.*/\1/p')"
	has_not folded '^;|;;|; '
}

test_upstream_forms() {
	TZ=UTC "$heaptap" top -upstream "$data/basic.pb.gz" >top
	has top '^Time: [0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8} UTC$'
	"$heaptap" tags -upstream "$data/labels.pb.gz" >tags
	has tags ' Total .* of .* \('
}

test_of_several_bases_the_last_counts_as_in_pprof() {
	local p=$data/basic.pb.gz q=$data/basic2.pb.gz
	"$heaptap" raw -base="$p" -base="$q" "$p" >actual
	pprof -symbolize=none -raw -base="$p" -base="$q" "$p" >expected 2>/dev/null
	same_files actual expected
	"$heaptap" raw -base="$q" -base= "$p" >actual
	"$heaptap" raw "$p" >expected
	same_files actual expected
}

test_refused_command_lines() {
	local p=$data/basic.pb.gz how
	refuses 2 'peek: which functions' "$heaptap" peek
	refuses 2 'list: which SOURCE' "$heaptap" list main
	refuses 2 'tree: which SOURCE' "$heaptap" tree
	refuses 2 'focsu.*unknown option.*did you mean --focus' "$heaptap" top -focsu=x "$p"
	refuses 2 '^heaptap: -http=:80: unknown option' "$heaptap" top "$p" -http=:80
	refuses 2 '^heaptap: -http: unknown option' "$heaptap" top -http "$p"
	for how in weblist disasm png callgrind; do
		refuses 2 "^heaptap: $how: a report of .heaptap pprof.: write .heaptap pprof -$how.$" "$heaptap" $how main "$p"
	done
	refuses 2 'choose one' "$heaptap" top -lines -files "$p"
	refuses 2 'choose one' "$heaptap" top -cum -flat "$p"
	refuses 2 'nodefraction.*not a number' "$heaptap" top -nodefraction=much "$p"
	refuses 2 'nodecount.*not a whole number; write one' "$heaptap" top -nodecount=many "$p"
	refuses 2 '-peak shows what was in use.*leave out -peak or -alloc_space' "$heaptap" top -peak -alloc_space "$p"
	refuses 2 '-peak shows.*sample_index=0' "$heaptap" top -peak -sample_index=0 "$p"
	for how in hard force demangle=full local:hard; do
		refuses 2 'symbolize .*choose none, local or remote' "$heaptap" top -symbolize=$how "$p"
	done
	refuses 1 'base and -diff_base' "$heaptap" top -base="$p" -diff_base="$p" "$p"
	refuses 1 'base profile to normalize' "$heaptap" top -normalize "$p"
	refuses 1 'zero divisor' "$heaptap" top -divide_by=0 "$p"
	refuses 1 'sample_index "nosuch" must be one of' "$heaptap" top -sample_index=nosuch "$p"
	refuses 1 'no matches found for regexp: nosuch' "$heaptap" peek nosuch "$p"
	refuses 1 'incompatible|inconsistent' "$heaptap" top -symbolize=none "$p" "$data/legacy/same.txt"
}

test_help_shows_examples() {
	local report
	for report in top text tree peek traces tags list dot svg raw comments folded; do
		"$heaptap" $report --help >help
		has help "^  heaptap $report "
		has help 'focus REGEX'
		"$heaptap" help >all
		has all "^  $report "
	done
}

run_tests
