/* collectord/live/retain.c - see retain.h.  The index in memory; what is on disk at the start: retain_scan.c. */
#include "collectord/live/retain.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collectord/live/loop.h"
#include "collectord/live/retain_impl.h"

#define BATCH 64u /* files removed before the loop serves others */
#define PERIODIC "-timer"

void retain_dir_name(char *buf, size_t size, uint32_t uid, uint64_t session, uint32_t pid)
{
	snprintf(buf, size, "u%" PRIu32 "-s%" PRIu64 ".%" PRIu32, uid, session, pid);
}

static uint32_t user_of(const char *dir)
{
	char *end;
	unsigned long uid;

	if (dir[0] != 'u' || dir[1] < '0' || dir[1] > '9')
		return RETAIN_NOBODY;
	uid = strtoul(dir + 1, &end, 10);
	return !strncmp(end, "-s", 2) && uid < RETAIN_NOBODY ? (uint32_t)uid : RETAIN_NOBODY;
}

static struct retain_user *find_user(struct retain *r, uint32_t uid)
{
	struct retain_user *u;

	LIST_FOREACH(u, &r->users, link)
	{
		if (u->uid == uid)
			return u;
	}
	u = calloc(1, sizeof(*u));
	if (!u)
		return NULL;
	u->uid = uid;
	TAILQ_INIT(&u->files);
	LIST_INSERT_HEAD(&r->users, u, link);
	return u;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct retain_dir *)a)->name, ((const struct retain_dir *)b)->name);
}

/* Also of one that stands in no tree. */
static void dir_free(struct retain_dir *d)
{
	free(d->name);
	free(d);
}

static struct retain_dir *dir_new(struct retain *r, const char *name)
{
	struct retain_dir *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->retain = r;
	d->name = strdup(name);
	d->user = find_user(r, user_of(name));
	TAILQ_INIT(&d->files);
	if (!d->name || !d->user || !tsearch(d, &r->dirs, by_name)) {
		dir_free(d);
		return NULL;
	}
	return d;
}

static struct retain_dir *find_dir(struct retain *r, const char *name)
{
	const struct retain_dir key = { .name = (char *)name };
	void *found = tfind(&key, &r->dirs, by_name);

	return found ? *(struct retain_dir **)found : NULL;
}

struct retain_dir *retain_open(struct retain *r, const char *name)
{
	struct retain_dir *d = find_dir(r, name);

	if (!d)
		d = dir_new(r, name);
	if (d)
		d->users++;
	return d;
}

/* An empty directory that nobody writes into goes, too; the one above all stays. */
static void dir_put(struct retain_dir *d)
{
	struct retain *r = d->retain;

	if (d->users || !TAILQ_EMPTY(&d->files))
		return;
	if (*d->name)
		unlinkat(r->dirfd, d->name, AT_REMOVEDIR);
	tdelete(d, &r->dirs, by_name);
	dir_free(d);
}

void retain_close(struct retain_dir *d)
{
	if (!d)
		return;
	d->users--;
	dir_put(d);
}

static void count(struct retain_file *f, int64_t one)
{
	struct retain_user *u = f->dir->user;
	struct retain *r = f->dir->retain;
	int64_t bytes = one * (int64_t)f->bytes;

	u->n_files += (uint64_t)one;
	u->bytes += (uint64_t)bytes;
	r->counts.files += (uint64_t)one;
	r->counts.bytes += (uint64_t)bytes;
	f->dir->n_periodic += f->is_periodic ? (uint32_t)one : 0;
}

struct retain_file *retain_note(struct retain_dir *d, const char *name, uint64_t bytes)
{
	size_t n = strlen(name) + 1;
	struct retain_file *f = calloc(1, sizeof(*f) + n);

	if (!f)
		return NULL;
	memcpy(f->name, name, n);
	f->dir = d;
	f->bytes = bytes;
	f->is_periodic = strstr(name, PERIODIC);
	TAILQ_INSERT_TAIL(&d->files, f, in_dir);
	TAILQ_INSERT_TAIL(&d->user->files, f, in_user);
	count(f, 1);
	return f;
}

/* The file is gone, or will not go: out of the index. */
static void forget(struct retain_file *f)
{
	count(f, -1);
	TAILQ_REMOVE(&f->dir->files, f, in_dir);
	TAILQ_REMOVE(&f->dir->user->files, f, in_user);
	free(f);
}

static void drop(struct retain_file *f)
{
	struct retain_dir *d = f->dir;
	struct retain *r = d->retain;
	int fd = openat(r->dirfd, *d->name ? d->name : ".", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0 && unlinkat(fd, f->name, 0) == 0)
		r->counts.removed++;
	else if (errno != ENOENT)
		r->counts.errors++;
	if (fd >= 0)
		close(fd);
	forget(f);
	dir_put(d);
}

/* --- limits ---------------------------------------------------------------------------------------------- */

static bool is_over(uint64_t have, uint64_t limit)
{
	return limit && have > limit;
}

static struct retain_file *oldest_of(const struct retain_user *u)
{
	struct retain_file *f;

	TAILQ_FOREACH(f, &u->files, in_user)
	{
		if (!f->is_held)
			return f;
	}
	return NULL;
}

static bool user_is_over(const struct retain *r, const struct retain_user *u)
{
	return is_over(u->n_files, r->limits.files_per_user) || is_over(u->bytes, r->limits.bytes_per_user);
}

/* What goes next, or NULL: the limits are kept, or what is left is held. */
static struct retain_file *next_to_go(const struct retain *r)
{
	bool too_many = is_over(r->counts.files, r->limits.files);
	bool too_much = is_over(r->counts.bytes, r->limits.bytes);
	struct retain_file *f, *ret = NULL;
	const struct retain_user *u;
	uint64_t most = 0;

	LIST_FOREACH(u, &r->users, link)
	{
		uint64_t has = too_much ? u->bytes : u->n_files;

		if (user_is_over(r, u) && (f = oldest_of(u)))
			return f;
		if ((too_many || too_much) && has > most && (f = oldest_of(u))) {
			most = has;
			ret = f;
		}
	}
	return ret;
}

static void enforce(void *arg)
{
	struct retain *r = arg;

	for (unsigned i = 0; i < BATCH && !r->is_waiting; i++) {
		struct retain_file *f = next_to_go(r);

		if (!f)
			return;
		drop(f);
	}
	loop_timer_set(r->timer, r->is_waiting ? -1 : 0);
}

void retain_wait(struct retain *r, bool wait)
{
	r->is_waiting = wait;
	loop_timer_set(r->timer, wait ? -1 : 0);
}

/* The oldest periodic ones of a directory, above their number. */
static void enforce_keep(struct retain_dir *d)
{
	const struct retain_limits *l = &d->retain->limits;
	struct retain_file *f, *next;

	for (f = TAILQ_FIRST(&d->files); f && is_over(d->n_periodic, l->keep); f = next) {
		next = TAILQ_NEXT(f, in_dir);
		if (f->is_periodic && !f->is_held)
			drop(f);
	}
}

struct retain_file *retain_add(struct retain_dir *d, const char *name, uint64_t bytes)
{
	struct retain_file *f = retain_note(d, name, bytes);

	if (!f)
		return NULL;
	f->is_held = true;
	loop_timer_set(d->retain->timer, 0);
	return f;
}

void retain_release(struct retain_file *f)
{
	struct retain_dir *d;

	if (!f)
		return;
	d = f->dir;
	f->is_held = false;
	d->users++; /* not to be gone with its last file before we are through */
	enforce_keep(d);
	loop_timer_set(d->retain->timer, 0);
	retain_close(d);
}

struct retain_file *retain_hold(struct retain *r, const char *path)
{
	const char *slash = strchr(path, '/'), *name = slash ? slash + 1 : path;
	char *dir = strndup(path, slash ? (size_t)(slash - path) : 0);
	struct retain_dir *d = dir ? find_dir(r, dir) : NULL;
	struct retain_file *f = d ? TAILQ_LAST(&d->files, retain_files) : NULL;

	free(dir);
	while (f && strcmp(f->name, name) != 0)
		f = TAILQ_PREV(f, retain_files, in_dir);
	if (f)
		f->is_held = true;
	return f;
}

static void hold_newest(const void *node, VISIT order, void *arg)
{
	const struct retain_dir *d = *(struct retain_dir *const *)node;
	const char *at = strstr(d->name, "-s");
	const uint64_t *session = arg;
	char *end;

	if ((order != postorder && order != leaf) || !at || strtoull(at + 2, &end, 10) != *session || *end != '.')
		return;
	if (!TAILQ_EMPTY(&d->files))
		TAILQ_LAST(&d->files, retain_files)->is_held = true;
}

void retain_hold_session(struct retain *r, uint64_t session)
{
	twalk_r(r->dirs, hold_newest, &session);
}

void retain_set_limits(struct retain *r, const struct retain_limits *limits)
{
	r->limits = *limits;
	loop_timer_set(r->timer, 0);
}

void retain_count(const struct retain *r, struct retain_counts *ret)
{
	*ret = r->counts;
}

int retain_new(struct loop *loop, int dirfd, const struct retain_limits *limits, struct retain **ret)
{
	struct retain *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->dirfd = dirfd;
	r->limits = *limits;
	LIST_INIT(&r->users);
	r->timer = loop_timer_new(loop, enforce, r);
	if (!r->timer || retain_scan(r)) {
		retain_free(r);
		return -ENOMEM;
	}
	loop_timer_set(r->timer, 0);
	*ret = r;
	return 0;
}

static void free_dir(void *arg)
{
	dir_free(arg);
}

void retain_free(struct retain *r)
{
	struct retain_user *u;
	struct retain_file *f;

	if (!r)
		return;
	while ((u = LIST_FIRST(&r->users))) {
		while ((f = TAILQ_FIRST(&u->files))) {
			TAILQ_REMOVE(&u->files, f, in_user);
			free(f);
		}
		LIST_REMOVE(u, link);
		free(u);
	}
	tdestroy(r->dirs, free_dir);
	loop_timer_free(r->timer);
	free(r);
}
