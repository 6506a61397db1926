/* collectord/live/save.c - see save.h.
 *
 * Everything goes through directory descriptors and O_NOFOLLOW; names are ours (a number and a reason), except for
 * the subdirectory, which is one checked component. */
#include "collectord/live/save.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectord/live/loop.h"
#include "collectord/live/retain.h"
#include "collectord/live/snap.h"
#include "collectord/live/offload.h"

#define MAX_OFFLOADS 2u /* copies of us that encode at a time */
#define TURN_MS 10      /* until one of them may be through */

struct save_dir {
	LIST_ENTRY(save_dir) link;
	unsigned refs;
	int fd;
	uint32_t next; /* number of the next file */
	bool is_lost;  /* removed behind our back */
	struct retain_dir *kept;
	char name[sizeof(((struct saver *)0)->subdir)];
};

/* One snapshot on its way: encoded here or by a copy of us, then written.  The loop's callback outlives a saver
 * that goes away early. */
struct save_write {
	struct save_env *env;
	struct saver *saver; /* or NULL */
	struct offload *offload;
};

/* In the order in which they are taken when several are wanted. */
static const enum snapshot_reason by_urgency[] = {
	SNAPSHOT_SIGNAL, SNAPSHOT_ASKED, SNAPSHOT_PEAK, SNAPSHOT_TIMER, SNAPSHOT_EXIT,
};

/* One more than the highest number there: never write over what an earlier session left. */
static uint32_t first_free_number(int dirfd)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	uint32_t highest = 0;
	struct dirent *e;

	if (!d) {
		if (fd >= 0)
			close(fd);
		return 1;
	}
	while ((e = readdir(d))) {
		char *end;
		unsigned long n = strtoul(e->d_name, &end, 10);

		if (end != e->d_name && *end == '-' && n > highest && n < UINT32_MAX)
			highest = (uint32_t)n;
	}
	closedir(d);
	return highest + 1;
}

static int try_below(const struct save_env *env, const char *name)
{
	int fd;

	if (*name && mkdirat(env->out_fd, name, 0750) && errno != EEXIST)
		return -errno;
	fd = openat(env->out_fd, *name ? name : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The directory above all may have been removed and made again: its descriptor stays the same number. */
static int open_below(const struct save_env *env, const char *name)
{
	int fd = try_below(env, name), above;

	if (fd != -ENOENT)
		return fd;
	above = open(env->out_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (above < 0)
		return fd;
	if (dup3(above, env->out_fd, O_CLOEXEC) >= 0)
		fd = try_below(env, name);
	close(above);
	return fd;
}

static int dir_open(struct save_env *env, const char *name, struct save_dir **ret)
{
	struct save_dir *d;
	int fd;

	LIST_FOREACH(d, &env->dirs, link)
	{
		if (!d->is_lost && !strcmp(d->name, name)) {
			d->refs++;
			*ret = d;
			return 0;
		}
	}
	fd = open_below(env, name);
	if (fd < 0)
		return fd;
	d = calloc(1, sizeof(*d));
	if (!d) {
		close(fd);
		return -ENOMEM;
	}
	d->refs = 1;
	d->fd = fd;
	d->next = first_free_number(fd);
	snprintf(d->name, sizeof(d->name), "%s", name);
	d->kept = env->retain ? retain_open(env->retain, name) : NULL;
	LIST_INSERT_HEAD(&env->dirs, d, link);
	*ret = d;
	return 0;
}

static void dir_close(struct save_dir *d)
{
	if (!d || --d->refs)
		return;
	LIST_REMOVE(d, link);
	close(d->fd);
	retain_close(d->kept);
	free(d);
}

static void on_kick(void *arg);

int saver_init(struct saver *v, struct save_env *env, struct process *p, const char *subdir,
	       void (*on_done)(struct process *p, enum snapshot_reason why, int result))
{
	if (strchr(subdir, '/') || !strcmp(subdir, ".") || !strcmp(subdir, "..") ||
	    strlen(subdir) >= sizeof(v->subdir))
		return -EINVAL;
	*v = (struct saver){ .env = env, .process = p, .on_done = on_done };
	v->kick = loop_timer_new(env->loop, on_kick, v);
	if (!v->kick)
		return -ENOMEM;
	snprintf(v->subdir, sizeof(v->subdir), "%s", subdir);
	return 0;
}

void saver_resume(struct saver *v, uint32_t seq, const char *last)
{
	v->seq = seq;
	snprintf(v->last, sizeof(v->last), "%.*s", (int)sizeof(v->last) - 1, last);
}

void saver_hold(struct saver *v)
{
	if (*v->last && v->env->retain && !v->newest)
		v->newest = retain_hold(v->env->retain, v->last);
}

void saver_done(struct saver *v)
{
	if (v->write && v->write->offload) {
		offload_cancel(v->write->offload);
		v->env->n_offloads--;
		free(v->write);
	} else if (v->write) {
		v->write->saver = NULL;
	}
	loop_timer_free(v->kick);
	retain_release(v->newest);
	dir_close(v->dir);
	*v = (struct saver){ 0 };
}

static void file_name(char *buf, size_t size, uint32_t number, enum snapshot_reason why)
{
	snprintf(buf, size, "%04u-%s" SNAPSHOT_SUFFIX, number, snapshot_reason_name(why));
}

/* The newest one of a program that lives stays, whatever the limits say. */
static void hold(struct saver *v)
{
	struct retain_file *before = v->newest;

	v->newest = v->dir->kept ? retain_add(v->dir->kept, v->writing, v->len) : NULL;
	retain_release(before);
}

/* Its directory was removed: the next snapshot makes it again. */
static void leave_lost(struct saver *v)
{
	if (v->dir)
		v->dir->is_lost = true;
	dir_close(v->dir);
	v->dir = NULL;
}

static void count_error(struct saver *v, int r)
{
	struct save_env *env = v->env;

	env->errors++;
	snprintf(env->last_error, sizeof(env->last_error), "cannot write %.80s/%s%s%s: %s", env->out_dir, v->subdir,
		 *v->subdir ? "/" : "", v->writing, strerror(-r));
}

/* The last thing: after on_done the saver may be gone. */
static void finished(struct saver *v, int result)
{
	enum snapshot_reason why = v->why;

	v->write = NULL;
	if (result == 0) {
		v->seq++;
		snprintf(v->last, sizeof(v->last), "%s%s%s", v->subdir, *v->subdir ? "/" : "", v->writing);
		hold(v);
	} else {
		count_error(v, result);
		if (result == -ENOENT)
			leave_lost(v);
	}
	if (v->wanted)
		loop_timer_set(v->kick, 0);
	v->on_done(v->process, why, result);
}

static void on_written(void *arg, int result)
{
	struct save_write *w = arg;
	struct saver *v = w->saver;

	free(w);
	if (v)
		finished(v, result);
}

static void write_made(struct save_write *w, int fd)
{
	struct saver *v = w->saver;
	off_t size = lseek(fd, 0, SEEK_END);
	void *map = size > 0 ? mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;

	if (map == MAP_FAILED) {
		on_written(w, -ENOMEM);
		return;
	}
	v->len = (uint64_t)size;
	loop_write_mapping(w->env->loop, v->dir->fd, v->writing, 0640, map, v->len, on_written, w);
}

static void on_made(void *arg, int result, int fd)
{
	struct save_write *w = arg;

	w->offload = NULL;
	w->env->n_offloads--;
	if (result) {
		on_written(w, result);
		return;
	}
	write_made(w, fd);
	close(fd);
}

static int encode(const void *arg, void **ret_buf, size_t *ret_len)
{
	const struct saver *v = arg;

	return snap_encode(v->process, v->seq + 1, v->why, ret_buf, ret_len);
}

/* 0: a copy works on it. */
static int delegate(struct saver *v, struct save_write *w)
{
	int r = offload_start(v->env->loop, encode, v, on_made, w, &w->offload);

	v->env->n_offloads += r == 0;
	return r;
}

static int encode_here(struct saver *v, struct save_write *w)
{
	void *buf;
	size_t len;
	int r = encode(v, &buf, &len);

	if (r)
		return r;
	v->len = len;
	loop_write_file(v->env->loop, v->dir->fd, v->writing, 0640, buf, len, on_written, w);
	return 0;
}

static int start(struct saver *v)
{
	int r = v->dir ? 0 : dir_open(v->env, v->subdir, &v->dir);

	v->number = v->dir ? v->dir->next++ : 0;
	file_name(v->writing, sizeof(v->writing), v->number, v->why);
	if (r)
		return r;
	v->write = malloc(sizeof(*v->write));
	if (!v->write)
		return -ENOMEM;
	*v->write = (struct save_write){ .env = v->env, .saver = v };
	/* Where no copy can be made, everybody waits. */
	if (snap_is_large(v->process) && delegate(v, v->write) == 0)
		return 0;
	r = encode_here(v, v->write);
	if (r) {
		free(v->write);
		v->write = NULL;
	}
	return r;
}

static void on_kick(void *arg)
{
	struct saver *v = arg;
	int r;

	if (v->write || !v->wanted)
		return;
	if (v->env->n_offloads >= MAX_OFFLOADS && snap_is_large(v->process)) {
		loop_timer_set(v->kick, TURN_MS);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(by_urgency); i++) {
		v->why = by_urgency[i];
		if (v->wanted & 1u << v->why)
			break;
	}
	v->wanted &= ~(1u << v->why);
	r = start(v);
	if (r)
		finished(v, r);
}

void saver_want(struct saver *v, enum snapshot_reason why)
{
	v->wanted |= 1u << why;
	if (!v->write)
		loop_timer_set(v->kick, 0);
}
