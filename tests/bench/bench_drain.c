/* tests/bench/bench_drain.c - how many events a second the collector enters into its books, on one processor.
 *
 * usage: bench_drain [BUILD]     Runs python3 at -r 1 before a collector that does not drain, so that lanes fill;
 * then replays what they hold, out of a private copy of the region, into books that know the stacks already. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "collectord/live/collector.h"
#include "collectord/live/drain.h"
#include "collectord/live/pack.h"

#define RUN "kept = {i: 'value %d' % i for i in range(60000)}; kept.clear(); words = [str(i) for i in range(60000)]"

enum { REPLAYS = 200 };

static bool started;

static void on_change(enum session_change what, const struct session_view *v, void *arg)
{
	(void)v;
	(void)arg;
	started |= what == SESSION_STARTED;
}

static void die(const char *what)
{
	fprintf(stderr, "bench_drain: %s\n", what);
	exit(1);
}

static pid_t launch(const char *build, const char *socket)
{
	pid_t pid = fork();
	char path[4096];

	if (pid)
		return pid;
	if (!realpath(build, path))
		_exit(127);
	strncat(path, "/libheaptap.so", sizeof(path) - strlen(path) - 1);
	setenv("LD_PRELOAD", path, 1);
	setenv("HEAPTAP_SOCKET", socket, 1);
	setenv("PYTHONMALLOC", "malloc", 1);
	execl("/usr/bin/python3", "python3", "-c", RUN, (char *)NULL);
	_exit(127);
}

/* The region the collector made is the only memfd of its size here. */
static int region_fd(void)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;
	char link[64], to[64];
	int found = -1;

	while (d && found < 0 && (e = readdir(d))) {
		ssize_t n;

		snprintf(link, sizeof(link), "/proc/self/fd/%.20s", e->d_name);
		n = readlink(link, to, sizeof(to) - 1);
		if (n > 0 && (to[n] = '\0', strstr(to, "memfd:heaptap")))
			found = atoi(e->d_name);
	}
	closedir(d);
	return found;
}

static void record(const char *build, struct abi_region *ret, int *ret_fd)
{
	static char dir[] = "/tmp/heaptap-bench.XXXXXX", socket[64];
	struct collector_config config = { .listen_fd = -1, .out_dir = dir, .rate = 1, .on_change = on_change };
	struct collector *c;
	struct abi_header h;
	struct loop *loop;
	struct fault f = { "" };
	struct stat st;
	void *base;
	pid_t pid;

	if (!mkdtemp(dir))
		die("no temporary directory");
	snprintf(socket, sizeof(socket), "%s/socket", dir);
	config.socket_path = socket;
	if (loop_new(&loop, &f) || collector_new(loop, &config, &c, &f))
		die(f.text);
	pid = launch(build, socket);
	while (!started && waitpid(pid, NULL, WNOHANG) == 0)
		loop_turn(loop, 100);
	waitpid(pid, NULL, 0);
	*ret_fd = region_fd();
	if (!started || *ret_fd < 0 || fstat(*ret_fd, &st))
		die("python3 was not recorded");
	*ret_fd = dup(*ret_fd);
	base = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, *ret_fd, 0);
	if (base == MAP_FAILED)
		die("no memory for a copy of the region");
	memcpy(&h, base, sizeof(h));
	if (!abi_header_ok(&h, (uint64_t)st.st_size))
		die("the region is not one");
	abi_region_map(ret, base, &h);
	collector_free(c);
	loop_free(loop);
	unlink(socket);
	rmdir(dir);
}

static struct ledger ledger;

static struct ledger *ledger_of(void *arg, uint32_t ordinal, bool *ret_begun)
{
	(void)arg;
	if (ret_begun)
		*ret_begun = false;
	return ordinal == 0 ? &ledger : NULL;
}

/* Nanoseconds of processor time. */
static double cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* What a session does after a pass (session_checkpoint()), for one ledger. */
static void checkpoint(struct state *st, const struct drain *d)
{
	static struct pack_writer w;

	if (state_begin_checkpoint(st, &w))
		die("no checkpoint");
	drain_pack(d, &w);
	books_pack(&ledger.books, &w);
	if (state_flip(st, &w))
		die("no checkpoint");
}

/* Enter all that the lanes hold once more; with a state if there is one. */
static uint64_t replay(const struct abi_region *r, const uint64_t *tails, int fd, struct drain_scratch *scratch,
		       struct state *st)
{
	struct drain_result res = { .more = true };
	struct drain d;
	uint64_t n = 0;

	drain_init(&d, r, fd, scratch, ledger_of, NULL);
	memcpy(d.tails, tails, sizeof(d.tails));
	d.spilled_mark = load_relaxed(&r->procs[0].spilled);
	d.state = st;
	while (res.more) {
		if (drain_pass(&d, 1, &res))
			die("the recorded region is corrupt");
		n += res.events;
		if (state_wants_checkpoint(st))
			checkpoint(st, &d);
	}
	drain_done(&d);
	return n;
}

static double best_rate(const struct abi_region *r, const uint64_t *tails, int fd, struct drain_scratch *scratch,
			struct state *st, uint64_t *ret_events)
{
	double best = 0;

	for (int i = 0; i < REPLAYS; i++) {
		double begin = cpu_ns(), rate;

		*ret_events = replay(r, tails, fd, scratch, st);
		rate = (double)*ret_events / (cpu_ns() - begin) * 1e3;
		best = rate > best ? rate : best;
	}
	return best;
}

/* With checkpoints it is the mean that counts: they come now and then. */
static double mean_rate(const struct abi_region *r, const uint64_t *tails, int fd, struct drain_scratch *scratch,
			struct state *st)
{
	double begin = cpu_ns();
	uint64_t n = 0;

	for (int i = 0; i < REPLAYS; i++)
		n += replay(r, tails, fd, scratch, st);
	return (double)n / (cpu_ns() - begin) * 1e3;
}

int main(int argc, char **argv)
{
	struct drain_scratch *scratch = malloc(sizeof(*scratch));
	uint64_t tails[ABI_MAX_LANES], n = 0;
	struct abi_region region;
	struct state *st = NULL;
	double best;
	int fd;

	record(argc > 1 ? argv[1] : "build", &region, &fd);
	for (uint32_t i = 0; i < region.geo.lanes; i++)
		tails[i] = load_relaxed(&region.lanes[i].tail);
	if (!scratch || books_init(&ledger.books, region.geo.stack_slots) || state_new(&st))
		die("out of memory");
	best = best_rate(&region, tails, fd, scratch, NULL, &n);
	printf("collector: %.1f million events a second on one processor (%llu events, %u stacks, best of %d "
	       "replays)\n",
	       best, (unsigned long long)n, ledger.books.n_buckets, REPLAYS);
	printf("mean: %.1f without a state that survives, %.1f with one, checkpoints included\n",
	       mean_rate(&region, tails, fd, scratch, NULL), mean_rate(&region, tails, fd, scratch, st));
	state_free(st);
	return n ? 0 : 1;
}
