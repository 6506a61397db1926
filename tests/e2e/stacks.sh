#!/bin/bash
# tests/e2e/stacks.sh - our stacks against libgcc's unwinder, in real programs and in every way to compile a victim.
#
# build/tests/tools/oracle.so is preloaded and walks twice at every ORACLE_EVERY-th allocation.  Prints the agreement
# of each program at the end.
. "$(dirname "$0")/../lib.sh"
oracle=$HEAPTAP_BUILD/tests/tools/oracle.so
[ -e "$oracle" ] || skip "no oracle in a sanitizer build"
sources=$HEAPTAP_SOURCE/tests/victims
trap 'sort "$top/table"; rm -rf "$top"' EXIT

# Run a command under the oracle; its table goes to the file NAME.
walk() { # NAME EVERY COMMAND...
	local name=$1 every=$2
	shift 2
	rm -f "$name.all"
	ORACLE_OUT=$PWD/$name.all ORACLE_EVERY=$every LD_PRELOAD=$oracle "$@" >"$name.out" 2>"$name.err" </dev/null ||
		fail "$name: exit status $?: $(tail -n 3 "$name.err")"
	# Only the program meant, not the shells and wrappers around it.
	cat "$name.all"
	grep -v '^ ' "$name.all" | grep -E "^[^ ]*/($name)[^/ ]* " >"$name" || fail "$name: nothing was checked"
}

# At least COUNT stacks were checked, 99.99 % of them equal, none wrong.
agrees() { # NAME COUNT [LABEL]
	awk -v least="$2" -v name="${3-$1}" '
		{ n += $2; equal += $3; differ += $6 }
		END {
			printf "%-40s %8d stacks, %.4f %% equal, %d differ\n", name, n, n ? 100 * equal / n : 0, differ
			exit !(n >= least && equal >= 0.9999 * n && differ == 0)
		}' "$1" >>"$top/table" || fail "$1 disagrees with libgcc"
}

# As above, but stacks may be longer than libgcc's: it gives up where there is no CFI.
agrees_as_far_as_libgcc_sees() { # NAME COUNT
	awk '{ $3 += $4; print }' "$1" >"$1.lenient"
	agrees "$1.lenient" "$2" "$1, as far as libgcc sees"
}

compiled() { # COMPILER SOURCE FLAG...
	local cc=$1 source=$2
	shift 2
	"$cc" -w -fno-builtin "$@" "$sources/$source" -o victim -lpthread
	walk victim 1 ./victim
	agrees victim 1000 "$source $cc $*"
}

each_way() { # COMPILER SOURCE
	local level flag
	for level in -O0 -O1 -O2 -O3 -Os; do
		for flag in -fomit-frame-pointer -fno-omit-frame-pointer; do
			echo "$1 $level $flag"
			compiled "$1" "$2" "$level" "$flag"
		done
	done
	for flag in -no-pie -fcf-protection -mno-red-zone -mstackrealign -fno-plt "-flto -g" -fstack-clash-protection; do
		echo "$1 -O2 $flag"
		# shellcheck disable=SC2086 # two flags
		compiled "$1" "$2" -O2 $flag
	done
}

test_c_as_gcc_compiles_it() {
	need gcc
	each_way gcc shapes.c
	compiled gcc shapes.c -O2 -freorder-blocks-and-partition
}

test_c_as_clang_compiles_it() {
	need clang
	each_way clang shapes.c
}

test_cxx_with_exceptions() {
	local level
	need g++ clang++
	for level in -O0 -O2 -Os; do
		compiled g++ exceptions.cc $level
		compiled clang++ exceptions.cc $level
	done
}

test_python3() {
	need python3
	cat >script.py <<-'PY'
		import asyncio, ctypes, decimal, json, re, sqlite3, threading
		d = {i: str(i) for i in range(20000)}
		json.loads(json.dumps(d))
		def deep(n):
		    return [n] if n == 0 else deep(n - 1) + [n]
		deep(400)
		t = [threading.Thread(target=deep, args=(300,)) for _ in range(4)]
		[x.start() for x in t], [x.join() for x in t]
		db = sqlite3.connect(":memory:")
		db.execute("create table t(a, b)")
		db.executemany("insert into t values (?, ?)", d.items())
		print(sum(len(re.sub("[aeiou]", "", b)) for a, b in db.execute("select * from t order by b")))
		libc = ctypes.CDLL(None)
		order = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
		numbers = (ctypes.c_int * 50)(*range(50, 0, -1))
		libc.qsort(numbers, 50, 4, order(lambda x, y: x[0] - y[0]))
	PY
	PYTHONMALLOC=malloc walk python3 3 python3 script.py
	agrees python3 50000
}

test_sqlite3() {
	need sqlite3
	walk sqlite3 3 sqlite3 :memory: "
		create table t(a, b);
		with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)
		    insert into t select i, hex(i * 7919) from n;
		create index by_b on t(b);
		select count(*), max(b) from t where b like '%A%' group by a % 7 order by 2;"
	agrees sqlite3 5000
}

test_git() {
	need git
	git -c init.defaultBranch=main init -q repo
	cp "$HEAPTAP_SOURCE"/*/*.[ch] repo
	git -C repo add .
	git -C repo -c user.name=a -c user.email=b commit -qm first
	walk git 1 git -C repo log -p --stat --all
	agrees git 1000
}

test_perl() {
	need perl
	walk perl 1 perl -e 'use POSIX; use List::Util "sum"; my %h; $h{$_} = "x" x $_ for 1 .. 2000;
		my @s = sort { $h{$a} cmp $h{$b} } keys %h; s/x+/y/ for values %h; print sum(map { length } values %h), "\n"'
	agrees perl 5000
}

test_cc1plus() {
	need g++
	cp "$sources/exceptions.cc" .
	walk cc1plus 20 g++ -std=c++17 -O2 -c exceptions.cc
	agrees cc1plus 10000
}

test_redis_server() {
	need redis-server redis-benchmark redis-cli
	ORACLE_OUT=$PWD/redis.all ORACLE_EVERY=5 LD_PRELOAD=$oracle redis-server --port 0 --unixsocket "$PWD/s" --save '' >log 2>&1 &
	wait_for 20 redis-cli -s s ping
	redis-benchmark -s s -q -n 3000 -t set,get,lpush,zadd,hset >/dev/null
	redis-cli -s s eval 'local t = {} for i = 1, 2000 do t[i] = i .. "x" end return #t' 0
	redis-cli -s s shutdown nosave || true
	wait
	grep -E '^/.*redis' redis.all >redis
	agrees redis 3000
}

# V8 makes code at run time, and its builtins have no CFI: libgcc stops there.
test_node() {
	need node
	cat >script.js <<-'JS'
		const a = [];
		for (let i = 0; i < 50000; i++) a.push({ x: i, s: 'k' + i });
		const f = n => n ? f(n - 1) : JSON.stringify(a).length;
		console.log(f(50), require('zlib').gzipSync(Buffer.alloc(1e5)).length);
		a.sort((x, y) => y.x - x.x).map(o => o.s.replace(/\d+/, m => m * 2));
		setTimeout(() => require('fs').readdirSync('/usr/bin'), 1);
	JS
	walk node 5 node script.js
	agrees_as_far_as_libgcc_sees node 5000
}

test_fortran() {
	need gfortran
	cat >grow.f90 <<-'F90'
		program grow
		  implicit none
		  integer, allocatable :: a(:)
		  character(len=:), allocatable :: s
		  integer :: i
		  a = [integer ::]
		  s = ''
		  do i = 1, 2000
		    a = [a, i]
		    s = s // 'x'
		  end do
		  print *, sum(a), len(s)
		end program
	F90
	gfortran -O2 grow.f90 -o grow
	walk grow 1 ./grow
	agrees grow 2000
}

# A Rust program with a thread per processor, and with one.
test_ripgrep() {
	need rg
	walk rg 1 rg --no-ignore --threads 8 --sort none -c 'in[it]+\b' "$HEAPTAP_SOURCE"/{common,preload,collectord,tests,scripts}
	mv rg.all many
	walk rg 1 rg --no-ignore -j1 -n -i --stats 'static.*\(void\)|[a-z]{9}_\w+' "$HEAPTAP_SOURCE"/{preload,collectord}
	cat many rg.all | grep -E '^/.*/rg ' >rg
	agrees rg 3000
}

# Go's own code has no CFI, and C runs on another stack than its Go caller: both walks end at the border.
test_go_with_cgo() {
	need go gcc
	cat >cgo.go <<-'GO'
		package main

		// #include <stdlib.h>
		// static int fill(int n) { char *p = malloc(n); int r = p != 0; p[0] = 1; free(p); return r; }
		// static int deep(int n) { return n ? deep(n - 1) + fill(n) : fill(100); }
		import "C"

		func main() {
			done := make(chan int)
			for i := 0; i < 8; i++ {
				go func() {
					sum := 0
					for k := 1; k < 50; k++ {
						sum += int(C.deep(20))
					}
					done <- sum
				}()
			}
			for i := 0; i < 8; i++ {
				<-done
			}
			C.exit(0) // Go's own exit runs no destructor, and the oracle reports in one
		}
	GO
	HOME=$PWD GOCACHE=$PWD/cache GOFLAGS=-mod=mod go build -o cgo cgo.go || skip "go cannot build here"
	walk cgo 1 ./cgo
	agrees_as_far_as_libgcc_sees cgo 2000
}

run_tests
