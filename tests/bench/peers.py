#!/usr/bin/python3
"""tests/bench/peers.py - what heaptap costs beside its peers: one table of ratios to the bare program.

usage: tests/bench/peers.py [BUILD] [--rounds N] [--only ROW,...] [--json FILE]

Every round runs a row's program once in each way, in turn, so that a busy moment hits all of them; a cell is the
median over the rounds of that round's ratio to its own bare run: wall time, and in the second table CPU time of
everything that was started (collectors and compressors included), in the third the largest resident set of one
process.  Peers come from Debian: heaptrack, jemalloc, gperftools.  A peer that is not installed leaves its column out
and says so.
"""
import argparse
import glob
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

LIBRARIES = '/usr/lib/*/'
REDIS_PORT = 36379


def library(pattern):
    found = sorted(glob.glob(LIBRARIES + pattern))
    return found[0] if found else None


class Way:
    """One way to run a program: words before it, variables around it."""

    def __init__(self, name, words=(), needs=None, **env):
        self.name, self.words, self.env = name, list(words), env
        self.missing = None if needs is None or needs[1] else needs[0]


def ways(build):
    heaptap, shim = build + '/heaptap', build + '/libheaptap.so'
    jemalloc, tcmalloc = library('libjemalloc.so.2'), library('libtcmalloc.so.4')
    run = [heaptap, 'run', '-q', '-i', '0', '-o', 'snapshots']
    return [
        Way('bare'),
        Way('pass', LD_PRELOAD=shim, HEAPTAP_SOCKET='/nonexistent/heaptap'),
        Way('heaptap', run + ['--']),
        Way('exact', run + ['-r', '1', '--']),
        Way('heaptrack', ['heaptrack', '-r', '-o', 'heaptrack.out'], ('heaptrack', shutil.which('heaptrack'))),
        Way('jemalloc', needs=('libjemalloc2', jemalloc), LD_PRELOAD=jemalloc or ''),
        Way('je prof', needs=('libjemalloc2', jemalloc), LD_PRELOAD=jemalloc or '',
            MALLOC_CONF='prof:true,lg_prof_sample:19,prof_final:true,prof_prefix:je'),
        Way('tcmalloc', needs=('libgoogle-perftools4', tcmalloc), LD_PRELOAD=tcmalloc or ''),
        Way('tc sample', needs=('libgoogle-perftools4', tcmalloc), LD_PRELOAD=tcmalloc or '',
            TCMALLOC_SAMPLE_PARAMETER='524288'),
    ]


DICTS = """
for _ in range(6):
    kept = {i: "value %d" % i for i in range(200000)}
    words = [str(i) for i in range(200000)]
"""

LOAD = """
CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, size INTEGER);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400000)
    INSERT INTO t SELECT i, 'name ' || (i * 7919 % 50000) || ' of some length', i * 13 FROM n;
CREATE INDEX by_name ON t(name);
SELECT count(*), count(DISTINCT name) FROM t;
"""

SOURCE = """
#include <algorithm>
#include <map>
#include <regex>
#include <string>
#include <unordered_map>
#include <vector>
int main(int argc, char **argv)
{
	std::map<std::string, std::vector<std::string>> m;
	std::regex word("[a-z]+");
	for (int i = 0; i < argc; i++)
		for (std::sregex_iterator it, end; it != end; ++it)
			m[argv[i]].push_back(it->str());
	std::unordered_map<std::string, std::map<int, std::string>> u;
	return (int)(m.size() + u.size());
}
"""


def write_inputs():
    for name, text in (('dicts.py', DICTS), ('load.sql', LOAD), ('source.cc', SOURCE)):
        with open(name, 'w', encoding='ascii') as f:
            f.write(text)
    subprocess.run(['g++', '-E', 'source.cc', '-o', 'source.ii'], check=True)


def cc1plus():
    out = subprocess.run(['g++', '-print-prog-name=cc1plus'], stdout=subprocess.PIPE, check=True)
    return out.stdout.decode().strip()


def rows(build):
    """(name, command, its standard input or None, what drives it if it is a server and says how long that took)."""
    victims = build + '/tests/victims/'
    return [
        ('pairs, 1 thread', [victims + 'work_pairs', '1', '20000000'], None, None),
        ('pairs, 2 threads', [victims + 'work_pairs', '2', '10000000'], None, None),
        ('tree, 16 384 stacks', [victims + 'work_tree', '100', '8'], None, None),
        ('python3, dicts', ['python3', 'dicts.py'], None, None),
        ('sqlite3, load', ['sqlite3', ':memory:'], 'load.sql', None),
        ('cc1plus, C++', [cc1plus(), '-quiet', '-O1', '-fpreprocessed', 'source.ii', '-o', '/dev/null'], None, None),
        ('redis SET, pipelined', ['redis-server', '--port', str(REDIS_PORT), '--save', '', '--daemonize', 'no'],
         None, redis_load),
    ]


def redis_load(child):
    """Drive the server, then end it as an operator would."""
    bench = ['redis-benchmark', '-p', str(REDIS_PORT), '-q', '-P', '16', '-r', '100000', '-d', '64', '-t', 'set']
    for _ in range(200):
        if subprocess.run(['redis-cli', '-p', str(REDIS_PORT), 'ping'], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode == 0:
            break
        if child.poll() is not None:
            raise SystemExit('peers: redis-server did not start')
        time.sleep(0.05)
    begin = time.monotonic()
    subprocess.run(bench + ['-n', '600000'], stdout=subprocess.DEVNULL, check=True)
    wall = time.monotonic() - begin
    subprocess.run(['redis-cli', '-p', str(REDIS_PORT), 'shutdown', 'nosave'], stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    return wall


def measure(way, command, feed, drive):
    """(wall seconds, CPU seconds, MiB) of one run; the way's own files are removed afterwards."""
    # time(1) stands between, or the largest resident set would be at least this interpreter's.
    words = ['/usr/bin/time', '-q', '-f', '%e %U %S %M', '-o', 'usage', 'env'] + \
        ['%s=%s' % pair for pair in way.env.items()] + way.words + command
    # Debian's programs: a version manager's `python3` is a script, and a peer would measure that.
    env = dict(os.environ, PYTHONMALLOC='malloc', PYTHONHASHSEED='0', PATH='/usr/bin:/bin:/usr/sbin:/sbin')
    stdin = open(feed, 'rb') if feed else subprocess.DEVNULL
    child = subprocess.Popen(words, stdin=stdin, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL, env=env, start_new_session=True)
    served = drive(child) if drive else None
    if child.wait():
        raise SystemExit('peers: %s failed with status %d' % (' '.join(words), child.returncode))
    with open('usage', encoding='ascii') as f:
        wall, user, system, kib = map(float, f.read().split())
    shutil.rmtree('snapshots', ignore_errors=True)
    for left in glob.glob('heaptrack.out*') + glob.glob('je.*'):
        os.unlink(left)
    return served or wall, user + system, kib / 1024


def row_of(columns, program, rounds):
    """Per column: the rounds' measurements."""
    got = {way.name: [] for way in columns}
    for _ in range(rounds):
        for way in columns:
            got[way.name].append(measure(way, *program))
    return got


def ratio(got, name, what):
    return statistics.median(mine[what] / bare[what] for mine, bare in zip(got[name], got['bare']))


def table(title, unit, what, columns, results):
    print('\n%-22s %10s' % (title, 'bare') + ''.join('%11s' % way.name for way in columns[1:]))
    for name, got in results:
        bare = statistics.median(m[what] for m in got['bare'])
        print('%-22s %7.2f %-2s' % (name, bare, unit) +
              ''.join('%11.3f' % ratio(got, way.name, what) for way in columns[1:]))


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split('\n\n')[1][7:])
    parser.add_argument('build', nargs='?', default='build')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--only', default='')
    parser.add_argument('--json', dest='out')
    args = parser.parse_args()
    build = os.path.abspath(args.build)
    out = os.path.abspath(args.out) if args.out else None
    columns = ways(build)
    for way in columns:
        if way.missing:
            print('no column "%s": %s is not installed' % (way.name, way.missing))
    columns = [way for way in columns if not way.missing]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    results = []
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)
        write_inputs()
        for name, *program in rows(build):
            if args.only and not any(word in name for word in args.only.split(',')):
                continue
            results.append((name, row_of(columns, program, args.rounds)))
            print('measured: ' + name, file=sys.stderr, flush=True)
        os.chdir('/')
    table('wall time', 's', 0, columns, results)
    table('CPU time, all', 's', 1, columns, results)
    table('largest resident set', 'MB', 2, columns, results)
    if out:
        with open(out, 'w', encoding='ascii') as f:
            json.dump(dict(results), f)


if __name__ == '__main__':
    main()
