#!/bin/bash
# tests/hazards/invisible_runtimes.sh - language runtimes and a parallel build are what they are without heaptap.
. "$(dirname "$0")/twice.bash"
need python3 node make gcc

setup() {
	start_daemon
}

test_python_threads_and_subprocesses() {
	cat >program.py <<-'PY'
		import errno, os, signal, subprocess, sys, threading, time
		done = []
		def work(k):
		    done.append(sum(len(str(i) * (k + 1)) for i in range(3000)))
		threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
		[t.start() for t in threads]; [t.join() for t in threads]
		print(sorted(done))
		for close in True, False:
		    p = subprocess.run([sys.executable, "-c", "import os,sys; print(sorted(os.listdir('/proc/self/fd')), sys.stdin.read()); sys.exit(4)"],
		                       input="piped", capture_output=True, text=True, close_fds=close)
		    print(p.returncode, p.stdout, p.stderr)
		print(subprocess.run(["kill -9 $$"], shell=True).returncode)
		signal.signal(signal.SIGALRM, lambda *a: print("alarm")); signal.setitimer(signal.ITIMER_REAL, 0.01); signal.pause()
		f = open("/dev/null"); print(f.fileno()); os.closerange(3, 100)
		try: os.read(3, 1)
		except OSError as e: print(errno.errorcode[e.errno])
		pid = os.fork()
		if pid == 0: x = [bytes(i) for i in range(2000)]; os._exit(len(x) % 256)
		print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
		print(os.posix_spawn("/bin/echo", ["echo", "spawned"], {}) > 0, os.wait()[1])
		raise SystemExit(6)
	PY
	normalise='s/, .[0-9]+., .[0-9]+.\]//'
	unseen python3 "$PWD/program.py"
	is "$(<bare.status)" 6
}

# The manager, trackers and pools of multiprocessing pass descriptors and count them.
test_python_multiprocessing() {
	cat >program.py <<-'PY'
		import multiprocessing as mp, os
		def square(x): junk = [bytes(500) for _ in range(200)]; return x * x
		def child(q): q.put(sorted(os.environ.get("SEEN", "no")))
		if __name__ == "__main__":
		    for way in "fork", "spawn":
		        c = mp.get_context(way)
		        with c.Pool(3) as pool: print(way, sum(pool.map(square, range(500)))); pool.close(); pool.join()
		        q = c.Queue(); p = c.Process(target=child, args=(q,)); p.start(); print(q.get()); p.join(); print(p.exitcode)
		        p = c.Process(target=os.abort); p.start(); p.join(); print(p.exitcode)
	PY
	# Which worker starts first decides what descriptors the others inherit; pool threads end when they like.
	normalise='s/fds:.*rlimits:/fds: N rlimits:/; s/Threads: [0-9]+/Threads: N/; s/(pipe_handle|tracker_fd|parent_pid)=[0-9]+/\1/g'
	normalise+='; s/main\([0-9]+\)/main()/g'
	# The resource tracker outlives its parent: whether its end is seen is a race, also bare.
	normalise+='; /resource_tracker/d'
	unseen python3 "$PWD/program.py"
}

test_node() {
	cat >program.js <<-'JS'
		const cp = require("child_process"), fs = require("fs"), zlib = require("zlib"), crypto = require("crypto");
		const { Worker, isMainThread, parentPort } = require("worker_threads");
		if (!isMainThread) { parentPort.postMessage(Buffer.alloc(1e6).length); } else {
		    const text = "x".repeat(1e5) + "y".repeat(1e5);
		    console.log(crypto.createHash("sha256").update(zlib.gunzipSync(zlib.gzipSync(text))).digest("hex"));
		    const r = cp.spawnSync("sh", ["-c", "ls /proc/self/fd | wc -l; exit 3"]); console.log(r.status, String(r.stdout));
		    new Worker(__filename).on("message", m => console.log(m)).on("exit", () => {
		        try { null.x } catch (e) { console.error(e.message) }
		        fs.readFile(__filename, (e, d) => { console.log(d.length); process.exitCode = 9; }); });
		}
	JS
	normalise='s/Threads: [0-9]+/Threads: N/'
	unseen node "$PWD/program.js"
	is "$(<bare.status)" 9
}

test_java() {
	need java
	cat >P.java <<-'JAVA'
		class P {
		    static volatile Object[] kept = new Object[1000];
		    public static void main(String[] a) throws Exception {
		        Thread[] t = new Thread[4];
		        for (int k = 0; k < 4; k++) (t[k] = new Thread(() -> { for (int i = 0; i < 300000; i++) kept[i % 1000] = new byte[i % 700]; })).start();
		        for (Thread x : t) x.join();
		        try { kept = null; kept[0] = 1; } catch (NullPointerException e) { System.out.println("caught"); }
		        try { deep(0); } catch (StackOverflowError e) { System.out.println("deep"); }
		        System.gc(); System.out.println(new ProcessBuilder("sh", "-c", "exit 3").start().waitFor()); System.exit(4);
		    }
		    static int deep(int n) { return deep(n + 1) + 1; }
		}
	JAVA
	normalise='s/Threads: [0-9]+/Threads: N/; s/hsperfdata_[a-z]*\/[0-9]+/perf/g'
	ways='exact attached'
	java --list-modules 2>/dev/null | grep -q jdk.compiler || skip "java here has no compiler"
	unseen java -XX:TieredStopAtLevel=1 -Xmx64m -XX:+UseSerialGC "$PWD/P.java"
	is "$(<bare.status)" 4
}

test_make_j_with_gcc() {
	prepare() {
		local i
		for i in 1 2 3 4 5 6; do
			printf '#include <stdio.h>\nint f%d(int x) { printf("%%d\\n", x * %d); return x; }\n' "$i" "$i" >"f$i.c"
		done
		printf 'int f1(int), f6(int);\nint main(void) { return f1(2) + f6(3); }\n' >main.c
		printf 'int broken(\n' >bad.c
		printf 'o := $(patsubst %%.c,%%.o,$(wildcard f*.c main.c))\nprog: $o\n\t@gcc -flto=2 -o $@ $^\n%%.o: %%.c\n\t@gcc -O2 -c $<\n' >Makefile
		printf 'bad: bad.o\nsub:\n\t@+$(MAKE) -s --no-print-directory prog\n' >>Makefile
	}
	# gcc's temporary names, make's jobserver pipe, and whether SIGCHLD came during a wait or a read.
	normalise='s|/cc[A-Za-z0-9]{6}|/ccX|g; s/cc[A-Za-z0-9]{6}\./ccX./g; s/COLLECT_GCC_OPTIONS.{100}/OPTIONS/g'
	normalise+='; s/ fds:.*rlimits:/ fds: N rlimits:/; s/errno: [24] /errno: N /; s/-j[0-9]* --jobserver-auth=[0-9,]+/jobs/g'
	unseen bash -c 'make -s -j4 sub; echo $?; ./prog; echo $?; make -s bad; echo $?; rm -f prog *.o'
}

run_tests
