/* collectord/cli/source.c - see source.h.
 *
 * Within a directory the newest snapshot is the one with the highest number in its name; times would be lost by a
 * copy.  Equal numbers (or none): the later modification, then the later name. */
#include "collectord/cli/source.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "collectord/cli/names.h"
#include "collectord/cli/say.h"
#include "collectord/cli/source_live.h"
#include "collectord/cli/source_url.h"
#include "collectord/profile/convert.h"
#include "collectord/profile/snapshot.h"
#include "common/weight.h"

#define DEPTH_MAX 3 /* directories above a run's own: DIR/heaptap.sh.1/python3.2 */
#define NAMED_MAX 4 /* choices listed in a fault */

struct candidate {
	uint64_t number;
	struct timespec mtime;
	char *path; /* malloc'ed; NULL: none yet */
};

static bool has_suffix(const char *name)
{
	size_t n = strlen(name), s = strlen(SNAPSHOT_SUFFIX);

	return n > s && name[0] != '.' && !strcmp(name + n - s, SNAPSHOT_SUFFIX);
}

static bool is_newer(const struct candidate *a, const struct candidate *b)
{
	if (!b->path || a->number != b->number)
		return !b->path || a->number > b->number;
	if (a->mtime.tv_sec != b->mtime.tv_sec)
		return a->mtime.tv_sec > b->mtime.tv_sec;
	if (a->mtime.tv_nsec != b->mtime.tv_nsec)
		return a->mtime.tv_nsec > b->mtime.tv_nsec;
	return strcmp(a->path, b->path) > 0;
}

static int consider(const char *dir, const char *name, struct candidate *best)
{
	struct candidate c = { .number = strtoull(name, NULL, 10) };
	struct stat st;

	if (asprintf(&c.path, "%s/%s", dir, name) < 0)
		return -ENOMEM;
	if (stat(c.path, &st) == 0 && S_ISREG(st.st_mode)) {
		c.mtime = st.st_mtim;
		if (is_newer(&c, best)) {
			free(best->path);
			*best = c;
			return 0;
		}
	}
	free(c.path);
	return 0;
}

/* The newest snapshot directly in `dir`; *ret NULL if there is none. */
static int newest_in(const char *dir, char **ret, struct fault *f)
{
	struct candidate best = { 0 };
	struct dirent *e;
	DIR *d = opendir(dir);
	int r = 0;

	if (!d)
		return fault_set(f, -errno, "%s: %s", dir, strerror(errno));
	while (!r && (e = readdir(d)))
		if (has_suffix(e->d_name))
			r = consider(dir, e->d_name, &best);
	closedir(d);
	if (r) {
		free(best.path);
		return fault_set(f, r, "%s: out of memory", dir);
	}
	*ret = best.path;
	return 0;
}

/* What was found below a directory without snapshots of its own. */
struct below {
	char *path; /* the first one found */
	unsigned n;
	char names[256]; /* of the directories, for the fault */
};

static int resolve_dir(const char *dir, unsigned depth, char **ret, struct fault *f);

static void note_below(struct below *b, const char *dir, const char *name, unsigned depth)
{
	size_t used = strlen(b->names);
	char *sub, *path = NULL;

	if (asprintf(&sub, "%s/%s", dir, name) < 0)
		return;
	if (resolve_dir(sub, depth + 1, &path, NULL) == 0 && path) {
		if (++b->n <= NAMED_MAX)
			snprintf(b->names + used, sizeof(b->names) - used, "%s%s", used ? ", " : "", name);
		if (b->path)
			free(path);
		else
			b->path = path;
	}
	free(sub);
}

static bool is_directory(const char *dir, const struct dirent *e)
{
	char *path;
	struct stat st;
	bool is = false;

	if (e->d_name[0] == '.' || (e->d_type != DT_DIR && e->d_type != DT_UNKNOWN))
		return false;
	if (asprintf(&path, "%s/%s", dir, e->d_name) < 0)
		return false;
	is = lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
	free(path);
	return is;
}

/* Look for the one directory below `dir` that has snapshots. */
static int resolve_below(const char *dir, unsigned depth, char **ret, struct fault *f)
{
	struct below b = { 0 };
	struct dirent **list;
	int n = scandir(dir, &list, NULL, alphasort);

	if (n < 0)
		return fault_set(f, -errno, "%s: %s", dir, strerror(errno));
	for (int i = 0; i < n; i++) {
		if (depth < DEPTH_MAX && is_directory(dir, list[i]))
			note_below(&b, dir, list[i]->d_name, depth);
		free(list[i]);
	}
	free(list);
	if (b.n == 1) {
		*ret = b.path;
		return 0;
	}
	free(b.path);
	if (b.n)
		return fault_set(f, -EINVAL, "%s: snapshots of %u programs below it; name one of: %s%s", dir, b.n,
				 b.names, b.n > NAMED_MAX ? ", ..." : "");
	return fault_set(f, -ENOENT, "%s: no snapshot (*%s) in this directory; `heaptap run -- PROGRAM` makes some",
			 dir, SNAPSHOT_SUFFIX);
}

static int resolve_dir(const char *dir, unsigned depth, char **ret, struct fault *f)
{
	char *path = NULL;
	int r = newest_in(dir, &path, f);

	if (!r && !path)
		r = resolve_below(dir, depth, &path, f);
	if (!r)
		*ret = path;
	return r;
}

int source_resolve(const char *source, char **ret_path, struct fault *f)
{
	struct stat st;
	int r;

	if (url_is(source))
		return url_fetch_one(source, &(struct url_options){ .seconds = 0 }, ret_path, f);
	r = stat(source, &st) ? source_resolve_at(source, ret_path, f) : 1;
	if (r <= 0)
		return r;
	if (stat(source, &st) && errno == ENOENT && source_may_be_live(source))
		return source_live(source, ret_path, f);
	if (stat(source, &st) && errno == EACCES)
		return fault_set(
			f, -EACCES,
			"%s: %s; a service's snapshots are for root and the group heaptap: of your running "
			"programs write the pid instead",
			source, strerror(EACCES));
	if (stat(source, &st))
		return fault_set(f, -errno, "%s: %s; name a snapshot (*%s), a directory of them or a URL", source,
				 strerror(errno), SNAPSHOT_SUFFIX);
	if (S_ISDIR(st.st_mode))
		return resolve_dir(source, 0, ret_path, f);
	*ret_path = strdup(source);
	return *ret_path ? 0 : fault_set(f, -ENOMEM, "%s: out of memory", source);
}

/* *ret becomes `p`, or that is freed. */
static int give_names(const char *path, struct profile *p,
		      int (*read)(struct profile *p, struct symbolize_stats *ret), struct profile **ret,
		      struct fault *f)
{
	struct symbolize_stats stats;
	int r = read(p, &stats);

	if (r) {
		profile_free(p);
		return fault_set(f, r, "%s: %s while reading symbols", path, strerror(-r));
	}
	names_say(&stats);
	*ret = p;
	return 0;
}

int source_load(const char *path, bool peak, struct profile **ret, struct source_peak *ret_peak, struct fault *f)
{
	struct snapshot *s = NULL;
	struct profile *p = NULL;
	int r = source_load_pprof(path, &p, f);

	*ret_peak = (struct source_peak){ 0 };
	if (r <= 0)
		return r ? r : give_names(path, p, names_read_foreign, ret, f);
	r = snapshot_read_file(path, &s, f);
	if (r)
		return r;
	r = profile_from_snapshot(s, peak ? CONVERT_PEAK : CONVERT_NOW, &p, f);
	*ret_peak = (struct source_peak){ .is_snapshot = true,
					  .is_live = source_was_live(path),
					  .is_peak = peak,
					  .bytes = (double)s->total.peak_bytes / (1 << WEIGHT_BYTES_SHIFT),
					  .elapsed_ns = s->peak_elapsed_ns,
					  .moment = profile_moment_of(s) };
	snapshot_free(s);
	return r ? r : give_names(path, p, names_read, ret, f);
}

int source_open_operand(const char *command, int n, char **operands, bool peak, struct profile **ret,
			struct source_peak *ret_peak)
{
	struct fault f = { "" };
	char *path = NULL;
	int r;

	if (n != 1) {
		say(n ? "%s: more than one SOURCE; `heaptap %s --help` shows how"
		      : "%s: which SOURCE? Name a snapshot or a directory of them; `heaptap %s --help` shows how",
		    n ? operands[1] : command, command);
		return EXIT_USAGE;
	}
	r = source_resolve(operands[0], &path, &f);
	if (!r)
		r = source_load(path, peak, ret, ret_peak, &f);
	free(path);
	return r ? say_fault(&f, EXIT_FAULT) : EXIT_OK;
}
