/* collectord/live/retain_scan.c - what an earlier collector left: snapshots, by age, and temporary files.
 *
 * Runs once, before anything is served.  No symbolic link is followed; what is no snapshot is not ours. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectord/live/retain_impl.h"
#include "collectord/profile/snapshot.h"

struct found {
	char *dir, *name;
	struct timespec changed;
	uint64_t bytes;
};

struct find {
	struct found *list;
	size_t n, room;
	int error;
};

static int by_age(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	if (x->changed.tv_sec != y->changed.tv_sec)
		return x->changed.tv_sec < y->changed.tv_sec ? -1 : 1;
	if (x->changed.tv_nsec != y->changed.tv_nsec)
		return x->changed.tv_nsec < y->changed.tv_nsec ? -1 : 1;
	return strcmp(x->name, y->name);
}

static bool ends_with(const char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);

	return n > m && !strcmp(name + n - m, suffix);
}

/* NNNN-REASON.heaptap */
static bool is_snapshot(const char *name)
{
	size_t digits = strspn(name, "0123456789");

	return digits && name[digits] == '-' && ends_with(name, SNAPSHOT_SUFFIX);
}

/* .NNNN-REASON.heaptap.RANDOM.tmp */
static bool is_temporary(const char *name)
{
	return *name == '.' && isdigit((unsigned char)name[1]) && strstr(name, SNAPSHOT_SUFFIX ".") &&
	       ends_with(name, ".tmp");
}

static void keep(struct find *f, const char *dir, const char *name, const struct stat *st)
{
	struct found one = { .changed = st->st_mtim, .bytes = (uint64_t)st->st_size }, *grown;

	if (f->n == f->room) {
		f->room = f->room ? 2 * f->room : 64;
		grown = reallocarray(f->list, f->room, sizeof(*grown));
		if (!grown) {
			f->error = -ENOMEM;
			return;
		}
		f->list = grown;
	}
	one.dir = strdup(dir);
	one.name = strdup(name);
	if (!one.dir || !one.name)
		f->error = -ENOMEM;
	f->list[f->n++] = one;
}

static DIR *open_dir(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

	if (!d && fd >= 0)
		close(fd);
	return d;
}

/* Files of directory `name`; with `below`, of those in it as well. */
static void look_into(struct find *f, int parent, const char *name, bool below)
{
	DIR *d = open_dir(parent, *name ? name : ".");
	struct dirent *e;
	struct stat st;

	while (d && !f->error && (e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
		    fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		if (below && S_ISDIR(st.st_mode))
			look_into(f, dirfd(d), e->d_name, false);
		else if (S_ISREG(st.st_mode) && is_temporary(e->d_name))
			unlinkat(dirfd(d), e->d_name, 0);
		else if (S_ISREG(st.st_mode) && is_snapshot(e->d_name))
			keep(f, name, e->d_name, &st);
	}
	if (d)
		closedir(d);
}

static int note(struct retain *r, const struct found *one)
{
	struct retain_dir *d = retain_open(r, one->dir);
	bool ok = d && retain_note(d, one->name, one->bytes);

	retain_close(d);
	return ok ? 0 : -ENOMEM;
}

int retain_scan(struct retain *r)
{
	struct find f = { 0 };

	look_into(&f, r->dirfd, "", true);
	if (f.n)
		qsort(f.list, f.n, sizeof(*f.list), by_age);
	for (size_t i = 0; i < f.n; i++) {
		if (!f.error)
			f.error = note(r, &f.list[i]);
		free(f.list[i].dir);
		free(f.list[i].name);
	}
	free(f.list);
	return f.error;
}
