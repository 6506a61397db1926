/* collectord/http/job.c - see job.h. */
#include "collectord/http/job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectord/live/clock.h"

#define MAX_WORKERS 4u
#define MAX_WORKERS_PER_USER 2u
#define MAX_COPIES 2u /* of us, encoding large snapshots at a time */
#define MAX_JOBS 128u
#define MAX_JOBS_PER_USER 32u
#define MAX_DIFFERENCES_PER_USER 8u /* each holds a snapshot while it waits */
#define QUEUE_MS 45000              /* for a turn; pprof waits 65 s */
#define NAMES_MS 40000              /* for a worker that reads symbols */
#define PLAIN_MS 20000              /* for one that does not */
#define RETRY_MS 20
#define LOOK_MS 1000
#define NS_PER_S 1000000000ull
#define PAUSE_FACTOR 4u /* times the processor time a snapshot took, before the next is taken */

/* A snapshot's bytes. */
struct buffer {
	void *at;
	size_t len;
	bool is_mapped; /* else malloc'ed */
};

enum job_state {
	JOB_QUEUED,   /* for a snapshot */
	JOB_ENCODING, /* a copy of us makes it */
	JOB_WAITING,  /* until the seconds are over */
	JOB_WORKING,
};

struct job {
	TAILQ_ENTRY(job) link;
	struct jobs *all;
	struct job_request q;
	enum job_state state;
	uint64_t until_ns; /* JOB_WAITING: CLOCK_MONOTONIC */
	struct buffer before, now;
	struct loop_timer *timer;
	struct offload *offload;
	struct worker *worker;
	void (*done)(void *arg, enum job_end how, struct bytes answer);
	void *arg;
};

struct jobs {
	struct loop *loop;
	struct collector *collector;
	const char *cache; /* or NULL */
	struct workers *workers;
	struct loop_timer *turn;
	uint64_t next_turn_ns; /* CLOCK_MONOTONIC: not before */
	uint32_t last_viewer;
	TAILQ_HEAD(, job) list;
};

static void buffer_done(struct buffer *b)
{
	if (b->is_mapped)
		munmap(b->at, b->len);
	else
		free(b->at);
}

static void job_free(struct job *j)
{
	TAILQ_REMOVE(&j->all->list, j, link);
	worker_cancel(j->worker);
	offload_cancel(j->offload);
	loop_timer_free(j->timer);
	buffer_done(&j->before);
	buffer_done(&j->now);
	free(j);
}

static void finish(struct job *j, enum job_end how, struct bytes answer)
{
	void (*done)(void *, enum job_end, struct bytes) = j->done;
	void *arg = j->arg;

	loop_timer_set(j->all->turn, 0); /* a worker may be free */
	job_free(j);
	done(arg, how, answer);
}

/* --- workers ------------------------------------------------------------------------------------------------- */

static void work(struct job *j);

static void on_worked(void *arg, int result, struct bytes answer)
{
	struct job *j = arg;

	j->worker = NULL;
	if (result == -EFBIG) {
		finish(j, JOB_LARGE, answer);
	} else if (result && j->q.flags & TASK_NAMES) {
		j->q.flags &= ~TASK_NAMES;
		work(j);
	} else {
		finish(j, result ? JOB_FAILED : JOB_DONE, answer);
	}
}

static void work(struct job *j)
{
	const struct task t = {
		.magic = TASK_MAGIC,
		.kind = j->q.kind,
		.flags = j->q.flags,
		.pid = j->q.pid,
		.uid = j->q.uid,
		.len = { [TASK_BEFORE] = j->before.len,
			 [TASK_SNAPSHOT] = j->now.len,
			 [TASK_ADDRESSES] = j->q.n_addresses,
			 [TASK_CACHE] = j->all->cache ? strlen(j->all->cache) + 1 : 0 },
	};
	const struct task_parts parts = { .at = { [TASK_BEFORE] = j->before.at,
						  [TASK_SNAPSHOT] = j->now.at,
						  [TASK_ADDRESSES] = j->q.addresses,
						  [TASK_CACHE] = j->all->cache } };

	j->state = JOB_WORKING;
	loop_timer_set(j->timer, -1);
	if (worker_start(j->all->workers, &t, &parts, t.flags & TASK_NAMES ? NAMES_MS : PLAIN_MS, on_worked, j,
			 &j->worker))
		finish(j, JOB_FAILED, (struct bytes){ 0 });
}

/* --- turns --------------------------------------------------------------------------------------------------- */

static bool wants_first(const struct job *j)
{
	return j->q.seconds && !j->before.at;
}

/* May this one take its snapshot now?  The last one only if a worker is there to take it. */
static bool is_ready(const struct job *j)
{
	const struct job *other;
	unsigned users = 0;

	if (j->state != JOB_QUEUED)
		return false;
	if (wants_first(j))
		return true;
	TAILQ_FOREACH(other, &j->all->list, link)
	{
		users += (other->state == JOB_WORKING || other->state == JOB_ENCODING) &&
			 other->q.viewer == j->q.viewer;
	}
	return !workers_are_busy(j->all->workers) && users < MAX_WORKERS_PER_USER;
}

/* Not of the user who was served last, if another one waits. */
static struct job *next_in_turn(const struct jobs *all)
{
	struct job *j, *first = NULL;

	TAILQ_FOREACH(j, &all->list, link)
	{
		if (!is_ready(j))
			continue;
		if (j->q.viewer != all->last_viewer)
			return j;
		first = first ? first : j;
	}
	return first;
}

static unsigned count(const struct jobs *all, enum job_state state)
{
	const struct job *j;
	unsigned n = 0;

	TAILQ_FOREACH(j, &all->list, link)
	{
		n += j->state == state;
	}
	return n;
}

/* Till the seconds are over, looking now and then whether the process is still there; false: they are. */
static bool wait_on(struct job *j)
{
	const uint64_t now = clock_read_ns(CLOCK_MONOTONIC);
	const int64_t rest_ms = now < j->until_ns ? (int64_t)((j->until_ns - now + 999999) / 1000000) : 0;

	if (rest_ms)
		loop_timer_set(j->timer, rest_ms < LOOK_MS ? rest_ms : LOOK_MS);
	return rest_ms > 0;
}

static void taken(struct job *j, int r)
{
	if (r) {
		finish(j, r == -ESRCH ? JOB_ENDED : JOB_FAILED, (struct bytes){ 0 });
	} else if (j->q.seconds && !j->now.at) {
		j->state = JOB_WAITING;
		j->until_ns = clock_read_ns(CLOCK_MONOTONIC) + (uint64_t)j->q.seconds * NS_PER_S;
		wait_on(j);
	} else {
		work(j);
	}
}

static int map(int fd, struct buffer *ret)
{
	struct stat st;
	void *at;

	if (fstat(fd, &st) || st.st_size <= 0)
		return -EIO;
	at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	*ret = (struct buffer){ at, (size_t)st.st_size, true };
	return 0;
}

static void on_encoded(void *arg, int result, int fd)
{
	struct job *j = arg;

	j->offload = NULL;
	loop_timer_set(j->all->turn, 0);
	if (!result)
		result = map(fd, wants_first(j) ? &j->before : &j->now);
	if (fd >= 0)
		close(fd);
	taken(j, result);
}

/* Take the snapshot it waits for, and go on. */
static void serve(struct job *j)
{
	struct buffer *to = wants_first(j) ? &j->before : &j->now;
	int r = collector_encode_aside(j->all->collector, j->q.session, j->q.pid,
				       count(j->all, JOB_ENCODING) < MAX_COPIES ? on_encoded : NULL, j, &j->offload,
				       &to->at, &to->len);

	if (r == -EAGAIN) { /* its turn comes again */
		j->all->next_turn_ns = clock_read_ns(CLOCK_MONOTONIC) + RETRY_MS * 1000000ull;
		return;
	}
	loop_timer_set(j->timer, -1);
	if (r == 1)
		j->state = JOB_ENCODING;
	else
		taken(j, r);
}

static void on_turn(void *arg)
{
	struct jobs *all = arg;
	struct job *j = next_in_turn(all);
	uint64_t now = clock_read_ns(CLOCK_MONOTONIC), began;

	if (!j) {
		if (count(all, JOB_QUEUED))
			loop_timer_set(all->turn, RETRY_MS); /* a killed worker may take its time */
		return;
	}
	if (now >= all->next_turn_ns) {
		all->last_viewer = j->q.viewer;
		all->next_turn_ns = now;
		began = clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
		serve(j);
		all->next_turn_ns += PAUSE_FACTOR * (clock_read_ns(CLOCK_THREAD_CPUTIME_ID) - began);
	}
	if (count(all, JOB_QUEUED))
		loop_timer_set(all->turn,
			       now < all->next_turn_ns ? (int64_t)((all->next_turn_ns - now) / 1000000) + 1 : 0);
}

static void on_timer(void *arg)
{
	struct job *j = arg;

	if (j->state != JOB_WAITING) {
		finish(j, JOB_BUSY, (struct bytes){ 0 }); /* it waited too long for its turn */
	} else if (!collector_has(j->all->collector, j->q.session, j->q.pid)) {
		finish(j, JOB_ENDED, (struct bytes){ 0 });
	} else if (!wait_on(j)) {
		j->state = JOB_QUEUED;
		loop_timer_set(j->timer, QUEUE_MS);
		loop_timer_set(j->all->turn, 0);
	}
}

/* --- their life ---------------------------------------------------------------------------------------------- */

static bool is_crowded(const struct jobs *all, const struct job_request *q)
{
	const struct job *j;
	unsigned n = 0, users = 0, differences = 0;

	TAILQ_FOREACH(j, &all->list, link)
	{
		n++;
		users += j->q.viewer == q->viewer;
		differences += j->q.viewer == q->viewer && j->q.seconds;
	}
	return n >= MAX_JOBS || users >= MAX_JOBS_PER_USER ||
	       (q->seconds && differences >= MAX_DIFFERENCES_PER_USER);
}

int job_start(struct jobs *all, const struct job_request *q,
	      void (*done)(void *arg, enum job_end how, struct bytes answer), void *arg, struct job **ret)
{
	struct job *j;

	if (is_crowded(all, q))
		return -EBUSY;
	j = calloc(1, sizeof(*j));
	if (!j)
		return -ENOMEM;
	*j = (struct job){ .all = all, .q = *q, .done = done, .arg = arg };
	j->timer = loop_timer_new(all->loop, on_timer, j);
	if (!j->timer) {
		free(j);
		return -ENOMEM;
	}
	TAILQ_INSERT_TAIL(&all->list, j, link);
	loop_timer_set(j->timer, QUEUE_MS);
	loop_timer_set(all->turn, 0);
	*ret = j;
	return 0;
}

void job_cancel(struct job *j)
{
	if (!j)
		return;
	loop_timer_set(j->all->turn, 0);
	job_free(j);
}

struct jobs *jobs_new(struct loop *loop, struct collector *c, const char *cache)
{
	struct jobs *all = calloc(1, sizeof(*all));

	if (!all)
		return NULL;
	*all = (struct jobs){ .loop = loop, .collector = c, .cache = cache };
	TAILQ_INIT(&all->list);
	all->workers = workers_new(loop, MAX_WORKERS);
	all->turn = loop_timer_new(loop, on_turn, all);
	if (!all->workers || !all->turn) {
		jobs_free(all);
		return NULL;
	}
	return all;
}

void jobs_free(struct jobs *all)
{
	if (!all)
		return;
	while (!TAILQ_EMPTY(&all->list))
		job_free(TAILQ_FIRST(&all->list));
	workers_free(all->workers);
	loop_timer_free(all->turn);
	free(all);
}
