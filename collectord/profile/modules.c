/* collectord/profile/modules.c - see modules.h. */
#include "collectord/profile/modules.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The main program: the module whose path the process said, else the first one announced. */
static size_t main_module(const struct snapshot *s)
{
	for (size_t i = 0; i < s->n_modules; i++)
		if (s->exe[0] && !strcmp(s->modules[i].path, s->exe))
			return i;
	return 0;
}

static int add_mapping(struct modules *m, struct profile *p, size_t i)
{
	const struct snapshot_module *from = &m->s->modules[i];
	char hex[2 * ABI_BUILD_ID_MAX + 1] = "";
	struct profile_mapping mapping = {
		.start = from->range.start,
		.limit = from->range.end,
		.file = from->path,
		.build_id = hex,
		.bias = from->range.bias,
	};

	for (uint32_t k = 0; k < from->build_id_len; k++)
		snprintf(hex + (size_t)2 * k, 3, "%02x", from->build_id[k]);
	m->mappings[i] = profile_add_mapping(p, &mapping);
	return m->mappings[i] == PROFILE_NONE ? -ENOMEM : 0;
}

int modules_init(struct modules *m, const struct snapshot *s, struct profile *p)
{
	size_t first = main_module(s);
	int r = 0;

	*m = (struct modules){ .s = s };
	m->mappings = calloc(s->n_modules + 1, sizeof(*m->mappings));
	if (!m->mappings)
		return -ENOMEM;
	for (size_t i = 0; i < s->n_modules && !r; i++)
		r = spans_add(&m->spans, s->modules[i].range.start, s->modules[i].range.end, (uint32_t)i);
	spans_sort(&m->spans);
	if (!r && s->n_modules)
		r = add_mapping(m, p, first);
	for (size_t i = 0; i < m->spans.n && !r; i++)
		if (m->spans.at[i].item != first)
			r = add_mapping(m, p, m->spans.at[i].item);
	return r;
}

void modules_done(struct modules *m)
{
	free(m->mappings);
	spans_done(&m->spans);
	*m = (struct modules){ 0 };
}

/* Of two modules that cover an address, the one a stack of `epoch` met.  A module can be announced with a newer
 * epoch than a stack that met it first (a dlclose in between): the oldest such one then. */
static bool better(uint32_t a, uint32_t b, uint32_t epoch)
{
	bool a_ok = a <= epoch, b_ok = b <= epoch;

	if (a_ok != b_ok)
		return a_ok;
	return a_ok ? a > b : a < b;
}

uint32_t modules_find(const struct modules *m, uint64_t address, uint32_t epoch)
{
	const struct snapshot_module *all = m->s->modules;
	uint32_t best = PROFILE_NONE;

	for (const struct span *s = spans_find(&m->spans, address); s; s = spans_outer(&m->spans, s, address))
		if (best == PROFILE_NONE || better(all[s->item].range.epoch, all[best].range.epoch, epoch))
			best = s->item;
	return best == PROFILE_NONE ? PROFILE_NONE : m->mappings[best];
}
