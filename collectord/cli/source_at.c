/* collectord/cli/source_at.c - DIR@3, DIR@peak, DIR@final: one snapshot of a directory; see source.h. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "collectord/cli/source.h"
#include "collectord/profile/snapshot.h"

#define FINAL "-exit"

struct wanted {
	bool final;                /* the last that a program's end left */
	unsigned long long number; /* or the one with this number */
};

/* "0003-timer.heaptap" */
static bool is_wanted(const struct wanted *w, const char *name)
{
	size_t n = strlen(name), s = strlen(SNAPSHOT_SUFFIX), e = strlen(FINAL);

	if (n <= s || !isdigit((unsigned char)*name) || strcmp(name + n - s, SNAPSHOT_SUFFIX))
		return false;
	if (w->final)
		return n > s + e && !memcmp(name + n - s - e, FINAL, e);
	return strtoull(name, NULL, 10) == w->number;
}

static int find(const char *dir, const struct wanted *w, char **ret, struct fault *f)
{
	struct dirent **list;
	int n = scandir(dir, &list, NULL, versionsort), r = 0;
	char *path = NULL;

	if (n < 0)
		return fault_set(f, -errno, "%s: %s", dir, strerror(errno));
	for (int i = 0; i < n; i++) {
		if (!r && is_wanted(w, list[i]->d_name)) {
			free(path);
			r = asprintf(&path, "%s/%s", dir, list[i]->d_name) < 0 ? -ENOMEM : 0;
		}
		free(list[i]);
	}
	free(list);
	if (r)
		return fault_set(f, r, "%s: out of memory", dir);
	*ret = path;
	return 0;
}

static int find_in(const char *dir, const char *which, char **ret, struct fault *f)
{
	struct wanted w = { .final = !strcmp(which, "final") };
	char *end;
	int r;

	if (!strcmp(which, "peak"))
		return source_resolve(dir, ret, f);
	w.number = strtoull(which, &end, 10);
	if (!w.final && (!isdigit((unsigned char)*which) || *end))
		return fault_set(f, -EINVAL, "%s@%s: after the @ write a snapshot's number, peak or final", dir,
				 which);
	r = find(dir, &w, ret, f);
	if (!r && !*ret)
		r = fault_set(
			f, -ENOENT,
			w.final ? "%s@%s: the program has not ended, or left no snapshot when it did; leave out "
				  "the @ for its newest one"
				: "%s@%s: no snapshot with this number; `ls` shows which there are",
			dir, which);
	return r;
}

int source_resolve_at(const char *source, char **ret_path, struct fault *f)
{
	const char *at = strrchr(source, '@');
	struct stat st;
	char *dir;
	int r = 1;

	if (!at || at == source)
		return 1;
	dir = strndup(source, (size_t)(at - source));
	if (!dir)
		return fault_set(f, -ENOMEM, "%s: out of memory", source);
	if (!stat(dir, &st) && S_ISDIR(st.st_mode))
		r = find_in(dir, at + 1, ret_path, f);
	free(dir);
	return r;
}
