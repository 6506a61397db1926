/* collectord/profile/jit_names.c - see jit_names.h.
 *
 * The path is in a directory where everybody may write, and we may be root: what is opened is checked by its
 * descriptor.  The text is read, not mapped (who cuts a mapped file kills its reader), and only as long as it was
 * when it was opened: a live process goes on writing. */
#include "collectord/profile/jit_names.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectord/profile/perfmap.h"

#define MAX_MAP (128u << 20) /* bytes; the map of a large node program has some 10 MiB */

/* Changed while the process ran.  One that lives on may have gone on writing after the moment of the profile. */
static bool is_of_the_run(const struct profile *p, const struct stat *st)
{
	int64_t changed = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;

	return changed >= p->time_nanos - p->duration_nanos && !(p->process.ended && changed > p->time_nanos);
}

static bool is_fit(const struct profile *p, const struct stat *st)
{
	return S_ISREG(st->st_mode) && (st->st_uid == p->process.uid || st->st_uid == 0) && st->st_size > 0 &&
	       st->st_size <= (off_t)MAX_MAP && is_of_the_run(p, st);
}

static int read_all(int fd, size_t size, char **ret_text, size_t *ret_len)
{
	char *text = malloc(size);
	size_t len = 0;
	ssize_t n = 1;

	if (!text)
		return -ENOMEM;
	while (len < size && n) {
		n = read(fd, text + len, size - len);
		if (n < 0 && errno != EINTR) {
			free(text);
			return -errno;
		}
		len += n > 0 ? (size_t)n : 0;
	}
	*ret_text = text;
	*ret_len = len;
	return 0;
}

/* 0, or why there is no map to believe. */
static int read_map(const struct profile *p, const char *path, char **ret_text, size_t *ret_len)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	int r = -EPERM;

	if (fd < 0)
		return -errno;
	if (!fstat(fd, &st) && is_fit(p, &st))
		r = read_all(fd, (size_t)st.st_size, ret_text, ret_len);
	close(fd);
	return r;
}

static bool is_asked(const struct profile_location *l)
{
	return l->mapping == PROFILE_NONE && !l->n_lines;
}

static int by_address(const void *a, const void *b)
{
	const struct perfmap_claim *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

/* The addresses to ask for; one location each, as equal ones are one location.  NULL when out of memory. */
static struct perfmap_claim *collect(const struct profile *p, size_t *ret_n)
{
	struct perfmap_claim *claims = calloc(p->n_locations + 1, sizeof(*claims));
	size_t n = 0;

	for (size_t i = 0; claims && i < p->n_locations; i++)
		if (is_asked(&p->locations[i]))
			claims[n++].address = p->locations[i].address;
	if (n)
		qsort(claims, n, sizeof(*claims), by_address);
	*ret_n = n;
	return claims;
}

/* Without a system name pprof leaves the name as it is; it would take "<...>" out of Python's. */
static int name_location(struct profile *p, struct profile_location *l, const struct perfmap_claim *c)
{
	const char *name = c->disputed ? JIT_DISPUTED : profile_string_n(p, c->name, c->name_len);
	struct profile_line *line = profile_alloc(p, 1, sizeof(*line));
	uint32_t function = name && line ? profile_add_function(p, name, "", "", 0) : PROFILE_NONE;

	if (function == PROFILE_NONE)
		return -ENOMEM;
	line->function = function;
	l->lines = line;
	l->n_lines = 1;
	return 0;
}

static int apply(struct profile *p, const struct perfmap_claim *claims, size_t n, size_t *named)
{
	for (size_t i = 0; i < p->n_locations; i++) {
		struct profile_location *l = &p->locations[i];
		const struct perfmap_claim key = { .address = l->address }, *c;

		if (!is_asked(l))
			continue;
		c = bsearch(&key, claims, n, sizeof(*claims), by_address);
		if (!c->covered)
			continue;
		if (name_location(p, l, c))
			return -ENOMEM;
		++*named;
	}
	return 0;
}

static int name_by_map(struct profile *p, const char *path, struct perfmap_claim *claims, size_t n, size_t *named)
{
	char *text = NULL;
	size_t len = 0;
	int r = read_map(p, path, &text, &len);

	if (r)
		return r;
	r = perfmap_resolve(text, len, claims, n);
	if (!r)
		r = apply(p, claims, n, named);
	free(text);
	return r;
}

int jit_names_add_from(struct profile *p, const char *path, size_t *named)
{
	size_t n;
	struct perfmap_claim *claims = collect(p, &n);
	int r = claims ? 0 : -ENOMEM;

	if (n)
		r = name_by_map(p, path, claims, n, named);
	free(claims);
	return r == -ENOMEM ? r : 0;
}

int jit_names_add(struct profile *p, size_t *named)
{
	char path[sizeof("/tmp/perf-.map") + 10];

	if (!p->process.pid)
		return 0;
	snprintf(path, sizeof(path), "/tmp/perf-%" PRIu32 ".map", p->process.pid);
	return jit_names_add_from(p, path, named);
}
