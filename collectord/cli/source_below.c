/* collectord/cli/source_below.c - other programs of the same run, below a directory of snapshots; see source.h. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "collectord/cli/size.h"
#include "collectord/cli/source.h"
#include "collectord/profile/snapshot.h"
#include "common/weight.h"

#define OTHERS_MAX 1000
#define OTHERS_NAMED 3

struct other {
	char *dir;
	double peak;
};

static int by_peak(const void *a, const void *b)
{
	double x = ((const struct other *)a)->peak, y = ((const struct other *)b)->peak;

	return x < y ? 1 : x > y ? -1 : 0;
}

/* Peak of the newest snapshot of a directory; 0 if there is none that can be read. */
static double peak_in(const char *dir)
{
	struct snapshot *s = NULL;
	struct stat st;
	struct fault f;
	char *path = NULL;
	double ret = 0;

	if (stat(dir, &st) || !S_ISDIR(st.st_mode) || source_resolve(dir, &path, &f))
		return 0;
	if (snapshot_read_file(path, &s, &f) == 0)
		ret = (double)s->total.peak_bytes / (1 << WEIGHT_BYTES_SHIFT);
	snapshot_free(s);
	free(path);
	return ret;
}

static size_t find_others(const char *source, struct other *list, size_t room)
{
	DIR *d = opendir(source);
	struct dirent *e;
	size_t n = 0;

	while (d && n < room && (e = readdir(d))) {
		struct other o = { 0 };

		if (e->d_name[0] == '.' || asprintf(&o.dir, "%s/%s", source, e->d_name) < 0)
			continue;
		o.peak = peak_in(o.dir);
		if (o.peak > 0)
			list[n++] = o;
		else
			free(o.dir);
	}
	if (d)
		closedir(d);
	return n;
}

void source_list_below(const char *source, char *buf, size_t size)
{
	struct other list[OTHERS_MAX];
	size_t n = find_others(source, list, OTHERS_MAX), used = 0;
	char peak[SIZE_TEXT_MAX];

	*buf = '\0';
	qsort(list, n, sizeof(*list), by_peak);
	for (size_t i = 0; i < n; i++) {
		if (i < OTHERS_NAMED && used < size)
			used += (size_t)snprintf(buf + used, size - used, "%s%s (%s at its peak)", i ? ", " : "",
						 list[i].dir, size_text(peak, list[i].peak));
		free(list[i].dir);
	}
}
