#!/usr/bin/env python3
"""tests/hazards/syscalls.py - are the system calls of a traced run those of the bare one, but for the constructor's?

usage: syscalls.py compare BARE TRACED [ordered|counted|kinds]   exit 1 and lines that say what differs
       syscalls.py constructor TRACED                    "NAME N" for each of the constructor's calls, N counted per name
       syscalls.py waited TRACED                         milliseconds the first program slept in the constructor's polls

BARE and TRACED are prefixes of `strace -ff -o` logs.  Processes are matched by their place in the tree.  Each exec'ed
image is looked at from where the loader has finished (it unmaps ld.so.cache last): what the traced one does more must
be one run of calls at the very start, all of kinds that the constructor may use.  counted: the rest may come in another
order and differ in detail (handlers of SIGCHLD).  kinds: for threads that race, only that no kind of call appears that the bare run does not know.
"""
import glob, re, sys

CONSTRUCTOR = set("""socket connect getsockopt sendto recvmsg ppoll clock_gettime fcntl lseek mmap munmap madvise close getppid
getpid geteuid gettid readlinkat prctl prlimit64 mprotect mlock2 mlock munlock sched_yield""".split())
# Their number depends on when signals and wake-ups come, and on where the kernel lets the heap begin.
BY_CHANCE = {"brk", "restart_syscall", "rt_sigreturn", "futex", "sched_yield", "clock_nanosleep"}


def calls(path):
    """(name, whole line normalised) of each finished call; None marks where the loader of an image is done."""
    cache = False
    for line in open(path, errors="replace"):
        m = re.match(r"(?:\d+\.\d+ )?([a-z0-9_]+)\((.*)", line)
        if not m:
            continue
        name, rest = m.groups()
        if name in BY_CHANCE or "ERESTART" in rest or "EINTR" in rest:
            continue
        if name in ("execve", "execveat") and rest.rstrip().endswith("= 0"):
            yield "exec", "exec"
            cache = False
            continue
        if name == "openat" and "/etc/ld.so.cache" in rest:
            cache = True
        yield name, normalise(name, rest)
        if name == "munmap" and cache:
            cache = False
            yield None, None


def normalise(name, rest):
    if name == "getrandom":
        return name
    if name == "read":  # random bytes, too
        rest = re.sub(r'"(\\.|[^"])*"', "TEXT", rest)
    rest = re.sub(r"\{.*\}|/\*.*?\*/", "{}", rest)
    rest = re.sub(r"0x[0-9a-f]+", "A", rest)
    rest = re.sub(r"\b\d{3,}\b", "N", rest)
    return name + "(" + re.sub(r"\s+", " ", rest).strip()


def images(path):
    """Per exec'ed image, the calls since its loader was done; first those of before any exec."""
    out, now = [], []
    for name, text in calls(path):
        if name == "exec":
            out.append(now)
            now = []
        elif name is None:
            now = []
        else:
            now.append((name, text))
    return out + [now]


def tree(prefix):
    """Logs in the order of creation: [(place, path)], place being the path of child numbers from the first process."""
    logs = {int(p.rsplit(".", 1)[1]): p for p in glob.glob(prefix + ".*") if p.rsplit(".", 1)[1].isdigit()}
    born = {}
    for pid, path in logs.items():
        born[pid] = [int(m.group(1)) for m in re.finditer(r"^(?:\d+\.\d+ )?v?(?:fork|clone3?)\(.*\) = (\d+)$",
                                                         open(path, errors="replace").read(), re.M)]
    root = set(logs) - {c for cs in born.values() for c in cs}
    out = []

    def walk(pid, place):
        if pid in logs:
            out.append((place, logs[pid]))
            for i, child in enumerate(born[pid]):
                walk(child, place + (i,))
    for pid in sorted(root):
        walk(pid, ())
    return out


def compare(bare, traced, how):
    a, b = tree(bare), tree(traced)
    if not a:
        return ["no log of the bare run"]
    if how == "kinds":
        known = {n for _, p in a for im in images(p) for n, _ in im}
        new = {n for _, p in b for im in images(p) for n, _ in im[constructor_length(im):] if n not in known}
        return [f"kinds of calls that the bare run does not know: {sorted(new)}"] if new else []
    if [p for p, _ in a] != [p for p, _ in b]:
        return [f"other processes: bare {[p for p, _ in a]}, traced {[p for p, _ in b]}"]
    problems = []
    for (place, x), (_, y) in zip(a, b):
        xs, ys = images(x), images(y)
        if len(xs) != len(ys):
            problems.append(f"process {place}: {len(xs) - 1} programs bare, {len(ys) - 1} traced")
            continue
        for k, (bare_calls, traced_calls) in enumerate(zip(xs, ys)):
            if how == "counted":
                n = max(len(traced_calls) - len(bare_calls), 0)
                bare_calls = sorted((c, c) for c, _ in bare_calls)
                traced_calls = traced_calls[:n] + sorted((c, c) for c, _ in traced_calls[n:])
            problems += [f"process {place}, program {k}: {p}" for p in extra(bare_calls, traced_calls)]
    return problems


def extra(bare, traced):
    n = len(traced) - len(bare)
    prefix, rest = traced[:max(n, 0)], traced[max(n, 0):]
    out = [f"the constructor may not call {text}" for name, text in prefix if name not in CONSTRUCTOR]
    for (_, want), (_, got) in zip(bare, rest):
        if want != got:
            return out + [f"{len(bare)} calls bare, {len(traced)} traced; first difference: bare {want}, traced {got}"]
    return out + ([f"{-n} calls are missing"] if n < 0 else [])


def constructor_length(image):
    """Up to the first call that is no kind of the constructor's."""
    for i, (name, _) in enumerate(image):
        if name not in CONSTRUCTOR:
            return i
    return len(image)


def first_program(traced):
    place, path = tree(traced)[0]
    return open(path, errors="replace").read().splitlines()


def constructor(traced):
    """Counted from the start of the log, as strace --inject counts."""
    seen, inside, out = {}, None, []
    for line in first_program(traced):
        m = re.match(r"([a-z0-9_]+)\(", line)
        if not m:
            continue
        name = m.group(1)
        seen[name] = seen.get(name, 0) + 1
        if inside is None and "/etc/ld.so.cache" in line:
            inside = False
        elif inside is False and name == "munmap":
            inside = True
        elif inside and name not in CONSTRUCTOR:
            break
        elif inside:
            out.append(f"{name} {seen[name]}")
    return out


def waited(traced):
    total = 0.0
    for line in first_program(traced):
        m = re.match(r"ppoll\(.*\{tv_sec=(\d+), tv_nsec=(\d+)\}.*= 0 \(Timeout\)", line)
        if m:
            total += int(m.group(1)) * 1e3 + int(m.group(2)) / 1e6
    return total


def main():
    what, *rest = sys.argv[1:]
    if what == "constructor":
        print("\n".join(constructor(*rest)))
    elif what == "waited":
        print(int(waited(*rest) + 0.5))
    else:
        problems = compare(rest[0], rest[1], rest[2] if len(rest) > 2 else "ordered")
        print("\n".join(problems), end="\n" if problems else "")
        sys.exit(bool(problems))


main()
