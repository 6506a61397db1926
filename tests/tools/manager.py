#!/usr/bin/env python3
"""tests/tools/manager.py - as much of a service manager as a daemon sees: its socket, its notifications, its store.

usage: manager.py [--type seqpacket|stream] [--watchdog SECONDS] [--restarts N] SOCKET NOTES COMMAND...
Binds SOCKET, starts COMMAND with it (LISTEN_FDS), writes each line that COMMAND notifies to NOTES, keeps the
descriptors it stores and gives them to its successor when it ends by a signal, at most N times.  TERM, HUP, USR1 are
passed on.  With --watchdog it sends SIGABRT when no WATCHDOG=1 came in time.  Exits with COMMAND's last status.

Restart tests import Manager.  Names and meanings as in sd_notify(3) and sd_listen_fds(3), systemd 252.
"""
import argparse
import array
import fcntl
import os
import select
import signal
import socket
import sys
import time


class Manager:
    def __init__(self, path, command, kind=socket.SOCK_SEQPACKET, notes=None, watchdog=0, env=None, log=None):
        self.command, self.notes, self.watchdog, self.env, self.log = command, notes, watchdog, env or {}, log
        self.store = []  # (name, fd)
        self.barriers = 0
        self.seen = set()
        self.pid, self.status = 0, None
        if os.path.exists(path):
            os.unlink(path)
        self.socket = socket.socket(socket.AF_UNIX, kind)
        self.socket.bind(path)
        self.socket.listen(4096)
        # An abstract name: paths of sockets are short.
        self.notify_path = f"@heaptap-manager-{os.getpid()}-{id(self):x}"
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind("\0" + self.notify_path[1:])
        self.notify.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)

    def start(self):
        """Start the daemon; its descriptors from 3 on are the socket and what was stored."""
        passed = [("heaptap-collectord.socket", self.socket.fileno())] + self.store
        env = dict(os.environ, NOTIFY_SOCKET=self.notify_path, LISTEN_FDS=str(len(passed)),
                   LISTEN_FDNAMES=":".join(name for name, _ in passed), **self.env)
        if self.watchdog:
            env["WATCHDOG_USEC"] = str(int(self.watchdog * 1e6))
        self.seen, self.status = set(), None
        self.alive_at = time.monotonic()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self.become([fd for _, fd in passed], env)
            finally:
                os._exit(127)

    def become(self, fds, env):
        # First out of the way of 3, 4, ...
        moved = [fcntl.fcntl(fd, fcntl.F_DUPFD, 3 + len(fds)) for fd in fds]
        if self.log:
            os.dup2(os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), 2)
        for i, fd in enumerate(moved):
            os.dup2(fd, 3 + i, inheritable=True)
        os.closerange(3 + len(fds), 4096)
        env["LISTEN_PID"] = env["WATCHDOG_PID"] = str(os.getpid())
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        os.execvpe(self.command[0], self.command, env)

    def hear(self, wait=0.0):
        """Take notifications until there are none for `wait` seconds."""
        while select.select([self.notify], [], [], wait)[0]:
            data, control, _, _ = self.notify.recvmsg(65536, socket.CMSG_SPACE(4 * 64))
            fds = array.array("i")
            for level, kind, payload in control:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    fds.frombytes(payload[:len(payload) - len(payload) % 4])
            self.act(data.decode().split("\n"), list(fds))
            wait = 0

    def act(self, lines, fds):
        said = dict(line.split("=", 1) for line in lines if "=" in line)
        if self.notes:
            with open(self.notes, "a") as f:
                f.write("".join(line + "\n" for line in lines if line))
        self.seen |= set(said)
        if "WATCHDOG" in said:
            self.alive_at = time.monotonic()
        if said.get("FDSTORE") == "1":
            assert said.get("FDPOLL") == "0", "a memfd cannot be polled: FDPOLL=0"
            self.store += [(said["FDNAME"], fd) for fd in fds]
            return
        if said.get("FDSTOREREMOVE") == "1":
            for name, fd in self.store:
                if name == said["FDNAME"]:
                    os.close(fd)
            self.store = [(name, fd) for name, fd in self.store if name != said["FDNAME"]]
        self.barriers += "BARRIER" in said
        for fd in fds:
            os.close(fd)

    def await_note(self, key, limit=60):
        end = time.monotonic() + limit
        while key not in self.seen:
            self.hear(0.05)
            if time.monotonic() > end or self.ended():
                raise SystemExit(f"no {key}=1 from the daemon")

    def ended(self):
        """The status the daemon ended with, or None."""
        if self.pid:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid == 0:
                return None
            self.pid, self.status = 0, status
        return self.status

    def wait(self, limit=60):
        """Until it has ended; what it said last is heard, too."""
        end = time.monotonic() + limit
        while self.ended() is None:
            if time.monotonic() > end:
                raise SystemExit("the daemon does not end")
            self.hear(0.02)
        self.hear(0)
        return self.status

    def signal(self, sig):
        if self.pid:
            os.kill(self.pid, sig)

    def check_watchdog(self):
        if self.watchdog and time.monotonic() - self.alive_at > self.watchdog:
            self.alive_at = time.monotonic()
            self.signal(signal.SIGABRT)
            self.signal(signal.SIGCONT)  # as systemd does


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--type", default="seqpacket")
    p.add_argument("--watchdog", type=float, default=0)
    p.add_argument("--restarts", type=int, default=0)
    p.add_argument("socket")
    p.add_argument("notes")
    p.add_argument("command", nargs=argparse.REMAINDER)
    a = p.parse_args()
    open(a.notes, "w").close()
    m = Manager(a.socket, a.command, getattr(socket, "SOCK_" + a.type.upper()), a.notes, a.watchdog)
    for s in signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1:
        signal.signal(s, lambda number, _: m.signal(number))
    m.start()
    while True:
        m.hear(0.02)
        m.check_watchdog()
        if m.ended() is None:
            continue
        if not os.WIFSIGNALED(m.status) or a.restarts == 0:
            break
        a.restarts -= 1
        m.start()
    m.hear(0)
    sys.exit(os.waitstatus_to_exitcode(m.status) & 0xff)


if __name__ == "__main__":
    main()
