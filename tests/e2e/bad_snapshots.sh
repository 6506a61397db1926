#!/bin/bash
# tests/e2e/bad_snapshots.sh - SOURCEs that are no snapshots: one clear line, exit 1, nothing written.
. "$(dirname "$0")/../lib.sh"
need python3

setup() {
	"$heaptap" run -q -r 1 -- sh -c 'exit 0'
	cp "$(last_snapshot "$(run_dir .)")" good.heaptap
}

# Both readers say the same, and export leaves no file.
both_refuse() { # REGEX SOURCE
	refuses 1 "$1" "$heaptap" top "$2"
	refuses 1 "$1" "$heaptap" export --pprof out.pb.gz "$2"
	[ ! -e out.pb.gz ] || fail "export left a file"
}

test_missing() {
	both_refuse 'no-such.*([Nn]o such file|does not exist)' no-such.heaptap
}

test_empty() {
	: >empty.heaptap
	both_refuse 'empty' empty.heaptap
}

test_truncated_anywhere() {
	local size cut
	size=$(stat -c %s "$top/good.heaptap")
	for cut in 1 8 100 $((size / 2)) $((size - 6)) $((size - 1)); do
		head -c "$cut" "$top/good.heaptap" >cut.heaptap
		both_refuse 'cut\.heaptap.*(truncated|cut off|incomplete|not a)' cut.heaptap
	done
	head -c $((size - 1)) "$top/good.heaptap" >cut.heaptap
	both_refuse 'truncated|cut|incomplete' cut.heaptap
}

test_foreign_files() {
	cp /bin/true elf
	both_refuse 'elf.*not a .*snapshot' elf
	echo 'just text' >text
	both_refuse 'not a .*snapshot' text
	head -c 100000 /dev/zero >zeros
	both_refuse 'not a .*snapshot' zeros
}

test_newer_version() {
	python3 - "$top/good.heaptap" <<-'PY'
		import sys, zlib, msgpack
		snap = msgpack.unpackb(open(sys.argv[1], "rb").read(), raw=False, strict_map_key=False)
		snap["heaptap"] = 9
		del snap["crc32"]
		body = msgpack.packb(snap)
		body = b"\xde" + (len(snap) + 1).to_bytes(2, "big") + body[3:] + msgpack.packb("crc32")
		open("newer.heaptap", "wb").write(body + b"\xce" + zlib.crc32(body).to_bytes(4, "big"))
	PY
	both_refuse 'newer' newer.heaptap
}

test_flipped_bits_are_noticed() {
	python3 - "$top/good.heaptap" <<-'PY'
		import sys
		data = bytearray(open(sys.argv[1], "rb").read())
		data[len(data) // 2] ^= 0x10
		open("flipped.heaptap", "wb").write(data)
	PY
	both_refuse 'flipped' flipped.heaptap
}

test_directories() {
	mkdir nothing
	both_refuse 'no snapshot' nothing
	mkdir -p two/heaptap.a.1 two/heaptap.b.2
	cp "$top/good.heaptap" two/heaptap.a.1/1.heaptap
	cp "$top/good.heaptap" two/heaptap.b.2/1.heaptap
	both_refuse 'heaptap\.a\.1.*heaptap\.b\.2|heaptap\.b\.2.*heaptap\.a\.1' two
	rm -r two/heaptap.b.2
	"$heaptap" top two >top
	"$heaptap" top "$top/good.heaptap" >expected
	same_files top expected
}

test_special_files_do_not_hang() {
	mkfifo fifo
	both_refuse 'fifo' fifo
	both_refuse '/dev/null' /dev/null
}

test_unwritable_export() {
	refuses 1 '/nowhere' "$heaptap" export --pprof /nowhere/out.pb.gz "$top/good.heaptap"
	refuses 1 'full' "$heaptap" export --pprof /dev/full "$top/good.heaptap"
}

test_export_to_stdout() {
	"$heaptap" export --pprof - "$top/good.heaptap" >stdout.pb.gz
	"$heaptap" export --pprof file.pb.gz "$top/good.heaptap"
	cmp stdout.pb.gz file.pb.gz
}

run_tests
