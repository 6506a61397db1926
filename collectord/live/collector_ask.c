/* collectord/live/collector_ask.c - what can be asked of a collector about one session or process; see collector.h.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "collectord/live/collector_impl.h"
#include "collectord/live/snap.h"

static struct session *find_session(struct collector *c, uint64_t id)
{
	struct session *s;

	LIST_FOREACH(s, &c->sessions, link)
	{
		if (s->id == id && !s->is_over)
			return s;
	}
	return NULL;
}

void collector_change(struct collector *c, uint64_t session, uint32_t rate, uint32_t max_depth, bool by_thread)
{
	struct session *s = find_session(c, session);

	if (s)
		session_change(s, rate, max_depth, by_thread);
}

void collector_drain_session(struct collector *c, uint64_t session)
{
	struct session *s = find_session(c, session);

	if (s)
		session_drain_now(s);
}

static struct process *find_process(struct collector *c, uint64_t session, uint32_t pid)
{
	struct session *s = find_session(c, session);

	return s ? session_find_pid(s, pid) : NULL;
}

int collector_snapshot(struct collector *c, uint64_t session, uint32_t pid, enum snapshot_reason why,
		       bool *ret_behind)
{
	struct process *p = find_process(c, session, pid);

	if (!p)
		return -ESRCH;
	*ret_behind = p->saver.write;
	saver_want(&p->saver, why);
	return 0;
}

static int encode(const void *arg, void **ret_buf, size_t *ret_len)
{
	const struct process *p = arg;

	return snap_encode(p, p->saver.seq + 1, SNAPSHOT_ASKED, ret_buf, ret_len);
}

int collector_encode_aside(struct collector *c, uint64_t session, uint32_t pid, offload_done *done, void *arg,
			   struct offload **ret_offload, void **ret_buf, size_t *ret_len)
{
	struct process *p = find_process(c, session, pid);

	if (p && !done && snap_is_large(p))
		return -EAGAIN;
	collector_drain_session(c, session);
	p = find_process(c, session, pid);
	if (!p)
		return -ESRCH;
	if (!snap_is_large(p))
		return encode(p, ret_buf, ret_len);
	if (!done)
		return -EAGAIN;
	return offload_start(c->env.loop, encode, p, done, arg, ret_offload) ? encode(p, ret_buf, ret_len) : 1;
}

bool collector_has(struct collector *c, uint64_t session, uint32_t pid)
{
	return find_process(c, session, pid) != NULL;
}

uint32_t collector_admin_gid(const struct collector *c)
{
	return c->config.admin_gid;
}

int collector_out_dir(const struct collector *c, char *buf, size_t size)
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", c->env.save.out_fd);
	n = readlink(link, buf, size);
	if (n < 0 || (size_t)n == size)
		return n < 0 ? -errno : -ENAMETOOLONG;
	buf[n] = '\0';
	return 0;
}

void collector_counts(const struct collector *c, struct collector_counts *ret)
{
	*ret = (struct collector_counts){
		.sessions = (uint32_t)collector_pending(c),
		.max_sessions = c->config.max_sessions,
		.max_sessions_per_user = c->config.max_sessions_per_user,
		.refused = c->refused,
		.turned_away = c->listener ? listener_turned_away(c->listener) : 0,
	};
}
