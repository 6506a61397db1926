/* collectord/live/collector_config.c - what a collector is told: checked, its limits taken, its directory opened;
 * told anew; see collector.h. */
#include "collectord/live/collector.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectord/live/collector_impl.h"

/* One collector a directory: a second one would remove what the first one keeps. */
static int lock_out_dir(const struct collector *c, struct fault *f)
{
	if (flock(c->env.save.out_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	return fault_set(f, -EADDRINUSE, "another collector writes into %s: stop it or choose another directory",
			 c->config.out_dir);
}

int collector_open_dir(struct collector *c, struct fault *f)
{
	const char *dir = c->config.out_dir;

	if (c->config.makes_dir)
		mkdir(dir, 0750); /* what comes of it shows at once */
	c->env.save.out_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->env.save.out_fd < 0)
		return fault_set(f, -errno,
				 "cannot open the directory for snapshots, %s: %s; create it or choose another",
				 dir, strerror(errno));
	if (faccessat(c->env.save.out_fd, ".", W_OK | X_OK, AT_EACCESS))
		return fault_set(
			f, -errno,
			"cannot write snapshots into %s: %s; change its permissions or choose another directory",
			dir, strerror(errno));
	return c->config.makes_dir ? lock_out_dir(c, f) : 0;
}

int collector_check(const struct collector_config *config, struct fault *f)
{
	if (config->rate < 1 || config->rate > ABI_MAX_RATE)
		return fault_set(f, -EINVAL, "sampling rate %u is out of range: 1 to %u bytes", config->rate,
				 ABI_MAX_RATE);
	if (config->max_depth > ABI_MAX_DEPTH)
		return fault_set(f, -EINVAL, "stack depth %u is out of range: 1 to %u", config->max_depth,
				 ABI_MAX_DEPTH);
	return 0;
}

void collector_take_limits(struct collector *c, const struct collector_config *config)
{
	c->config.rate = config->rate;
	c->config.interval_s = config->interval_s;
	c->config.admin_gid = config->admin_gid;
	c->config.max_memory_per_user = config->max_memory_per_user;
	c->config.max_processes_per_user = config->max_processes_per_user;
	c->config.retain = config->retain;
	c->config.max_sessions = config->max_sessions ? config->max_sessions : COLLECTOR_MAX_SESSIONS;
	c->config.max_sessions_per_user =
		config->max_sessions_per_user ? config->max_sessions_per_user : COLLECTOR_MAX_SESSIONS_PER_USER;
}

int collector_reload(struct collector *c, const struct collector_config *config, struct fault *f)
{
	bool is_new = config->interval_s != c->config.interval_s;
	struct session *s;
	int r = collector_check(config, f);

	if (r)
		return r;
	collector_take_limits(c, config);
	retain_set_limits(c->env.save.retain, &config->retain);
	LIST_FOREACH(s, &c->sessions, link)
	{
		struct process *p;

		LIST_FOREACH(p, &s->processes, link)
		{
			if (is_new)
				process_schedule(p);
		}
	}
	return 0;
}

void collector_raise_descriptors(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}
