/* collectord/http/task_symbol.c - see task_symbol.h.
 *
 * Go's clients send return addresses - 1, the perl tools send the leaf as it is: an address that is a function's
 * first byte came from a call at the end of the function before it, so the byte before it is looked up. */
#include "collectord/http/task_symbol.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/profile/encode_frame.h"
#include "collectord/profile/modules.h"
#include "collectord/profile/snapshot.h"
#include "collectord/profile/symbolize.h"

#define MAX_ADDRESSES 100000u

struct asked {
	uint64_t address; /* as asked */
	uint32_t location;
};

struct lookup {
	struct profile *p;
	struct modules modules;
	struct asked *asked; /* malloc'ed */
	size_t n;
};

/* One item: 0x hex, leading 0 octal, else decimal, as Go's ParseUint with base 0; false if it is none, or 0. */
static bool parse(const char *s, size_t len, uint64_t *ret)
{
	char text[32], *end;

	if (!len || len >= sizeof(text) || !isdigit((unsigned char)*s))
		return false;
	memcpy(text, s, len);
	text[len] = '\0';
	errno = 0;
	*ret = strtoull(text, &end, 0);
	return *end == '\0' && !errno && *ret;
}

static uint32_t locate(struct lookup *l, uint64_t address)
{
	return profile_add_location(l->p, modules_find(&l->modules, address, UINT32_MAX), address);
}

static int collect(struct lookup *l, const char *text, size_t len)
{
	const char *end = text + len;

	l->asked = calloc(MAX_ADDRESSES, sizeof(*l->asked));
	if (!l->asked)
		return -ENOMEM;
	while (text < end && l->n < MAX_ADDRESSES) {
		const char *plus = memchr(text, '+', (size_t)(end - text));
		size_t n = (size_t)((plus ? plus : end) - text);
		struct asked *a = &l->asked[l->n];

		if (parse(text, n, &a->address)) {
			a->location = locate(l, a->address);
			if (a->location == PROFILE_NONE)
				return -ENOMEM;
			l->n++;
		}
		text += n + 1;
	}
	return 0;
}

/* What turned out to be a function's first byte is asked again. */
static int move_entries(struct lookup *l)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct profile_location *at = &l->p->locations[l->asked[i].location];
		uint32_t before;

		if (!at->entry || at->entry != at->address)
			continue;
		before = locate(l, at->address - 1);
		if (before == PROFILE_NONE)
			return -ENOMEM;
		l->asked[i].location = before;
	}
	return 0;
}

static void print(const struct lookup *l, FILE *out)
{
	fputs("num_symbols: 1\n", out); /* any number above 0: there are symbols */
	for (size_t i = 0; i < l->n; i++) {
		const struct profile_location *at = &l->p->locations[l->asked[i].location];

		if (!at->n_lines)
			continue;
		fprintf(out, "0x%" PRIx64 " ", l->asked[i].address);
		encode_line(l->p->functions[at->lines[at->n_lines - 1].function].name, "", out);
		putc('\n', out);
	}
}

static int look_up(struct lookup *l, const struct snapshot *s, const char *text, size_t len, const char *cache)
{
	const struct symbolize_options o = { .cache = cache };
	int r = modules_init(&l->modules, s, l->p);

	l->p->process = (struct profile_process){ s->pid, s->uid, false };
	l->p->time_nanos = s->wall_ns;
	l->p->duration_nanos = s->elapsed_ns <= INT64_MAX ? (int64_t)s->elapsed_ns : 0;
	if (!r)
		r = collect(l, text, len);
	if (!r)
		r = profile_symbolize(l->p, &o, NULL);
	if (!r)
		r = move_entries(l);
	return r ? r : profile_symbolize(l->p, &o, NULL);
}

int task_symbol(const struct task *t, const struct task_parts *parts, FILE *out, struct fault *f)
{
	struct lookup l = { .p = profile_new() };
	struct snapshot *s = NULL;
	int r = l.p ? snapshot_decode(parts->at[TASK_SNAPSHOT], t->len[TASK_SNAPSHOT], &s, f) : -ENOMEM;

	if (!r && t->flags & TASK_NAMES)
		r = look_up(&l, s, parts->at[TASK_ADDRESSES], t->len[TASK_ADDRESSES], parts->cache);
	if (!r)
		print(&l, out);
	modules_done(&l.modules);
	free(l.asked);
	profile_free(l.p);
	snapshot_free(s);
	return r;
}
