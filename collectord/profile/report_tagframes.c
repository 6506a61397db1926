/* collectord/profile/report_tagframes.c - tagroot and tagleaf: labels become frames; see report_work.h.
 *
 * A frame's function is named by the label's values, its file by the key; a sample without the label gets a frame
 * without a name. */
#include <errno.h>
#include <string.h>

#include "collectord/profile/report_work.h"

#define KEYS_MAX 64

struct frames {
	struct report *r;
	const char *roots[KEYS_MAX], *leaves[KEYS_MAX]; /* as they were given */
	size_t n_roots, n_leaves;
	uint32_t first_function, first_location; /* of those made here: they go in step */
	size_t room;                             /* for locations */
};

static size_t split(struct report *r, const char *list, const char *keys[KEYS_MAX])
{
	char *text = report_format_string(r, "%s", list), *key;
	size_t n = 0;

	while ((key = strsep(&text, ",")))
		if (*key && n < KEYS_MAX)
			keys[n++] = key;
	return n;
}

static bool has_units(const struct profile_sample *s, const char *key)
{
	for (uint32_t i = 0; i < s->n_labels; i++)
		if (!s->labels[i].str && !strcmp(s->labels[i].key, key) && *s->labels[i].unit)
			return true;
	return false;
}

/* The values of label `key`, joined by commas; *matched is set if there are any. */
static const char *values_of(struct report *r, const struct profile_sample *s, const char *key, bool *matched)
{
	bool units = has_units(s, key), some = false;
	char number[REPORT_NUMBER_MAX];
	const char *joined = "";

	for (uint32_t i = 0; i < s->n_labels; i++) {
		const struct profile_label *l = &s->labels[i];
		const char *value = l->str;

		if (strcmp(l->key, key))
			continue;
		if (!value) {
			report_number(number, l->num, units ? l->unit : "", units ? r->o.unit : "");
			value = number;
		}
		joined = report_format_string(r, "%s%s%s", joined, some ? "," : "", value);
		some = true;
	}
	*matched |= some;
	return joined;
}

static int append_location(struct frames *t, uint32_t function)
{
	struct profile *p = t->r->p;
	struct profile_line *line = profile_alloc(p, 1, sizeof(*line));

	if (!line || !profile_reserve(p, &p->locations, p->n_locations, &t->room, sizeof(*p->locations)))
		return -ENOMEM;
	line->function = function;
	p->locations[p->n_locations++] =
		(struct profile_location){ .mapping = PROFILE_NONE, .n_lines = 1, .lines = line };
	return 0;
}

/* The location of label `key` in a sample. */
static int frame_for(struct frames *t, const struct profile_sample *s, const char *key, bool *matched,
		     uint32_t *ret)
{
	uint32_t f = profile_add_function(t->r->p, values_of(t->r, s, key, matched), "", key, 0);
	uint32_t at = t->first_location + (f - t->first_function);
	int err = f == PROFILE_NONE ? -ENOMEM : 0;

	if (!err && at == t->r->p->n_locations)
		err = append_location(t, f);
	*ret = at;
	return err;
}

static int add_frames(struct frames *t, struct profile_sample *s, bool *roots_matched, bool *leaves_matched)
{
	size_t n = t->n_leaves + s->n_locations + t->n_roots;
	uint32_t *stack = profile_alloc(t->r->p, n, sizeof(*stack)), *at;
	int err = stack ? 0 : -ENOMEM;

	at = stack + t->n_leaves + s->n_locations;
	for (size_t i = t->n_roots; i-- > 0 && !err;)
		err = frame_for(t, s, t->roots[i], roots_matched, at++);
	at = stack;
	for (size_t i = t->n_leaves; i-- > 0 && !err;)
		err = frame_for(t, s, t->leaves[i], leaves_matched, at++);
	if (err)
		return err;
	if (s->n_locations)
		memcpy(at, s->locations, s->n_locations * sizeof(*at));
	s->locations = stack;
	s->n_locations = (uint32_t)n;
	return 0;
}

int report_add_tag_frames(struct report *r)
{
	struct frames t = { .r = r,
			    .first_function = (uint32_t)r->p->n_functions,
			    .first_location = (uint32_t)r->p->n_locations };
	bool roots_matched = false, leaves_matched = false;
	int err = 0;

	t.n_roots = split(r, r->o.tagroot, t.roots);
	t.n_leaves = split(r, r->o.tagleaf, t.leaves);
	for (size_t i = 0; i < r->p->n_samples && !err && (t.n_roots || t.n_leaves); i++)
		err = add_frames(&t, &r->p->samples[i], &roots_matched, &leaves_matched);
	report_no_match(r, !*r->o.tagroot || roots_matched, "TagRoot");
	report_no_match(r, !*r->o.tagleaf || leaves_matched, "TagLeaf");
	return err;
}
