#!/usr/bin/env python3
"""tests/hazards/restart_loads.py - restarts.py with programs of other kinds, and with people who ask.

usage: restart_loads.py BUILD storms|plugins|asked KILLS [SEED]        exit 1 and lines that say what is wrong

storms: many short threads, forked children and executed programs, most of which end while no collector runs.  plugins:
objects are loaded and unloaded.  asked: somebody asks all the time, over the socket and over HTTP, switches stacks by
thread on and off and takes snapshots; an answer may fail, when who gives it is killed, but it comes to an end.  In
each case every process has the totals, stack by stack, that it has without faults; only a program that begins among kills may go without.
"""
import os
import random
import signal
import socket
import subprocess
import sys

import restarts

build, load, kills = restarts.build, sys.argv[2], int(sys.argv[3])
victims = build + "/tests/victims/"
PROGRAMS = {
    "storms": [victims + "storms", "12", "20"],
    "plugins": [victims + "plugins", victims + "reuse_a.so", victims + "reuse_b.so", "40", "10"],
    "asked": [victims + "bursts", "40", "20"],
}
LIMIT = 60


def over_http(path, target):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(LIMIT)
        s.connect(path)
        s.send(b"GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n" % target.encode())
        while s.recv(65536):
            pass


def ask(sock, http, pid, n):
    """The n-th question.  Whether it was answered; a question that takes too long, or kills who asks, is an error."""
    pid = str(pid)
    questions = (["set", pid, f"threads={'off' if n // 7 % 2 else 'on'}"], ["snapshot", pid], ["top", pid], ["ps"])
    if n % 7 >= len(questions):
        try:
            over_http(http, ("/metrics", "/debug/pprof/", f"/pid/{pid}/debug/pprof/heap")[n % 3])
        except TimeoutError:
            raise
        except OSError:
            return False
        return True
    command, *rest = questions[n % 7]
    r = subprocess.run([build + "/heaptap", command, *rest], stdin=subprocess.DEVNULL, timeout=LIMIT,
                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=dict(os.environ, HEAPTAP_SOCKET=sock))
    assert r.returncode in (0, 1), f"{command}: status {r.returncode}: {r.stderr}"
    return r.returncode == 0


def ask_on(sock, http, pids, out):
    """Until we are killed; counts go to a file."""
    asked = answered = 0
    try:
        while True:
            answered += ask(sock, http, random.choice(pids), asked)
            asked += 1
            with open(out + ".new", "w") as f:
                f.write(f"{asked} {answered}")
            os.rename(out + ".new", out)
    except BaseException as e:  # whatever it is: a test is told
        with open(out, "w") as f:
            f.write(f"wrong: {e!r}")


class Asked(restarts.Load):
    """One who asks beside each wave with faults."""

    def __init__(self, *args):
        self.http = os.path.dirname(os.getcwd()) + "/h"
        self.asker, self.asked, self.answered, self.wrong = 0, 0, 0, []
        super().__init__(*args, options=("--http-socket", self.http))

    def launch(self, n):
        super().launch(n)
        if n == 1:
            return
        self.asker = os.fork()
        if self.asker == 0:
            try:
                ask_on(os.path.dirname(os.getcwd()) + "/sock", self.http, [p.pid for p in self.running], "asker.out")
            finally:
                os._exit(0)

    def settle(self):
        self.stop_asking()
        self.manager.await_note("READY", LIMIT)
        over_http(self.http, "/metrics")
        super().settle()

    def stop_asking(self):
        if not self.asker:
            return
        os.kill(self.asker, signal.SIGKILL)
        os.waitpid(self.asker, 0)
        self.asker = 0
        said = open("asker.out").read() if os.path.exists("asker.out") else "0 0"
        if said.startswith("wrong"):
            self.wrong.append(said)
            return
        asked, answered = map(int, said.split())
        self.asked += asked
        self.answered += answered

    def end(self):
        self.stop_asking()
        super().end()


def main():
    restarts.begin(sys.argv[4] if len(sys.argv) > 4 else None)
    beside = (Asked if load == "asked" else restarts.Load)("/heaptap-collectord", PROGRAMS[load])
    if load == "storms":
        beside.executes, beside.pace = True, 0.4  # executed programs have to come to attach
    try:
        problems = restarts.test(beside, kills)
    finally:
        beside.end()
    if load == "asked":
        print(f"{beside.asked} questions, {beside.answered} answered")
        problems += beside.wrong
    print("\n".join(problems), end="\n" if problems else "")
    sys.exit(bool(problems))


main()
