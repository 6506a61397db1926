/* collectord/profile/prune.c - see prune.h.
 *
 * Expressions see simplified names: no leading dot, nothing from the first parenthesis that opens parameters. */
#include "collectord/profile/prune.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The name up to its parameters, malloc'ed. */
static char *simplify(const char *name)
{
	static const char *const reserved[] = { "(anonymous namespace)", "operator()" };
	const char *t, *from = name + (*name == '.');

	for (t = from; *t; t++) {
		size_t skip = 0;

		for (int i = 0; i < 2 && !skip; i++)
			if (!strncmp(t, reserved[i], strlen(reserved[i])))
				skip = strlen(reserved[i]);
		if (!skip && *t == '(')
			break;
		t += skip ? skip - 1 : 0;
	}
	return strndup(from, (size_t)(t - from));
}

enum { UNKNOWN, NO, YES }; /* verdict on a function */

struct pruner {
	struct profile *p;
	const struct regex *drop, *keep;
	unsigned char *verdicts; /* per function */
	bool *whole, *beneath;   /* per location: all of it goes; it is where stacks are cut */
};

static int pruner_init(struct pruner *u)
{
	u->verdicts = calloc(u->p->n_functions + 1, 1);
	u->whole = calloc(u->p->n_locations + 1, 1);
	u->beneath = calloc(u->p->n_locations + 1, 1);
	return u->verdicts && u->whole && u->beneath ? 0 : -ENOMEM;
}

static void pruner_done(struct pruner *u)
{
	free(u->verdicts);
	free(u->whole);
	free(u->beneath);
}

static bool matches(struct pruner *u, uint32_t function)
{
	char *name;
	bool is;

	if (u->verdicts[function] == UNKNOWN) {
		name = simplify(u->p->functions[function].name);
		is = name && *u->p->functions[function].name && regex_matches(u->drop, name) &&
		     !(u->keep && regex_matches(u->keep, name));
		u->verdicts[function] = is ? YES : NO;
		free(name);
	}
	return u->verdicts[function] == YES;
}

/* From the caller inwards, the first line that matches goes with all that is inlined in it. */
static void mark_drop(struct pruner *u, uint32_t at)
{
	struct profile_location *l = &u->p->locations[at];
	uint32_t i = l->n_lines;

	while (i && !matches(u, l->lines[i - 1].function))
		i--;
	if (!i)
		return;
	u->beneath[at] = true;
	if (i == l->n_lines) {
		u->whole[at] = true;
		return;
	}
	l->lines += i;
	l->n_lines -= i;
}

/* Marked frames at the root are not what was asked for: cut at the first one above the program's own. */
static void cut_drop(const struct pruner *u, struct profile_sample *s)
{
	bool found_own = false;

	for (uint32_t i = s->n_locations; i-- > 0;) {
		uint32_t at = s->locations[i], from;

		if (!u->beneath[at]) {
			found_own = true;
			continue;
		}
		if (!found_own)
			continue;
		from = u->whole[at] ? i + 1 : i;
		s->locations += from;
		s->n_locations -= from;
		return;
	}
}

static int compile_whole(const char *pattern, struct regex **ret)
{
	char *whole;
	int r;

	if (asprintf(&whole, "^(%s)$", pattern) < 0)
		return -ENOMEM;
	r = regex_compile(whole, ret, NULL);
	free(whole);
	return r;
}

int profile_drop_frames(struct profile *p)
{
	struct regex *drop = NULL, *keep = NULL;
	struct pruner u = { .p = p };
	int r;

	if (!*p->drop_frames)
		return 0;
	r = compile_whole(p->drop_frames, &drop);
	if (!r && *p->keep_frames)
		r = compile_whole(p->keep_frames, &keep);
	if (r) {
		r = r == -EINVAL ? 0 : r;
		goto out;
	}
	u.drop = drop;
	u.keep = keep;
	r = pruner_init(&u);
	for (uint32_t i = 0; !r && i < p->n_locations; i++)
		mark_drop(&u, i);
	for (size_t i = 0; !r && i < p->n_samples; i++)
		cut_drop(&u, &p->samples[i]);
	pruner_done(&u);
out:
	regex_free(drop);
	regex_free(keep);
	return r;
}

int profile_prune_from(struct profile *p, const struct regex *re)
{
	struct pruner u = { .p = p, .drop = re };
	int r = pruner_init(&u);

	for (uint32_t at = 0; !r && at < p->n_locations; at++) {
		struct profile_location *l = &p->locations[at];

		for (uint32_t i = 0; i < l->n_lines && !u.beneath[at]; i++)
			if (matches(&u, l->lines[i].function)) {
				u.beneath[at] = true;
				l->lines += i;
				l->n_lines -= i;
			}
	}
	for (size_t k = 0; !r && k < p->n_samples; k++) {
		struct profile_sample *s = &p->samples[k];

		for (uint32_t i = 0; i < s->n_locations; i++)
			if (u.beneath[s->locations[i]]) {
				s->locations += i;
				s->n_locations -= i;
				break;
			}
	}
	pruner_done(&u);
	return r;
}
