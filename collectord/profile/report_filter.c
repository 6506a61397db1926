/* collectord/profile/report_filter.c - focus, ignore, hide, show, show_from, prune_from; see report_work.h.
 *
 * An expression is asked once per function and mapping, however many frames they have. */
#include <errno.h>
#include <stdlib.h>

#include "collectord/profile/prune.h"
#include "collectord/profile/report_work.h"

int report_regex(struct report *r, const char *option, const char *pattern, struct regex **ret)
{
	struct fault why = { "" };
	int err;

	*ret = NULL;
	if (!*pattern)
		return 0;
	err = regex_compile(pattern, ret, &why);
	return err == -EINVAL ? fault_set(r->fault, err, "parsing %s regexp: %s", option, why.text) : err;
}

void report_no_match(struct report *r, bool matched, const char *what)
{
	if (!matched && r->o.note)
		r->o.note(r->o.note_arg, report_format_string(r, "%s expression matched no samples", what));
}

/* --- one expression against one profile -------------------------------------------------------------- */

/* A zeroed filter matches nothing. */
struct filter {
	struct regex *re; /* NULL: not set */
	const char *name; /* for people */
	bool *functions, *mappings;
	bool matched;
};

static int filter_init(struct report *r, struct filter *f, const char *option, const char *name,
		       const char *pattern)
{
	const struct profile *p = r->p;
	int err = report_regex(r, option, pattern, &f->re);

	f->name = name;
	if (err || !f->re)
		return err;
	f->functions = calloc(p->n_functions + 1, 1);
	f->mappings = calloc(p->n_mappings + 1, 1);
	if (!f->functions || !f->mappings)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_functions; i++)
		f->functions[i] = regex_matches(f->re, p->functions[i].name) ||
				  regex_matches(f->re, p->functions[i].filename);
	for (size_t i = 0; i < p->n_mappings; i++)
		f->mappings[i] = regex_matches(f->re, p->mappings[i].file);
	return 0;
}

static void filter_done(struct filter *f)
{
	regex_free(f->re);
	free(f->functions);
	free(f->mappings);
}

static bool mapping_matches(const struct filter *f, const struct profile_location *l)
{
	return l->mapping != PROFILE_NONE && f->mappings[l->mapping];
}

static bool location_matches(const struct filter *f, const struct profile_location *l)
{
	for (uint32_t i = 0; i < l->n_lines; i++)
		if (f->functions[l->lines[i].function])
			return true;
	return mapping_matches(f, l);
}

/* Leave only the lines that match, or only those that do not.  A matching mapping speaks for all of them. */
static int keep_lines(struct profile *p, const struct filter *f, struct profile_location *l, bool matching)
{
	struct profile_line *lines;
	uint32_t n = 0;

	if (mapping_matches(f, l)) {
		l->n_lines = matching ? l->n_lines : 0;
		return 0;
	}
	lines = profile_alloc(p, l->n_lines, sizeof(*lines));
	if (!lines)
		return -ENOMEM;
	for (uint32_t i = 0; i < l->n_lines; i++)
		if (f->functions[l->lines[i].function] == matching)
			lines[n++] = l->lines[i];
	l->lines = lines;
	l->n_lines = n;
	return 0;
}

/* --- focus, ignore, hide, show ----------------------------------------------------------------------- */

enum verdict { INDIFFERENT, GOOD, BAD };

struct by_name {
	struct filter focus, ignore, hide, show;
	unsigned char *verdicts; /* per location */
	bool *hidden;
};

static int judge(struct profile *p, struct by_name *b, uint32_t at)
{
	struct profile_location *l = &p->locations[at];
	int err = 0;

	if (b->ignore.re && location_matches(&b->ignore, l)) {
		b->ignore.matched = true;
		b->verdicts[at] = BAD;
	} else if (!b->focus.re || location_matches(&b->focus, l)) {
		b->focus.matched = true;
		b->verdicts[at] = GOOD;
	}
	if (b->hide.re && location_matches(&b->hide, l)) {
		b->hide.matched = true;
		err = keep_lines(p, &b->hide, l, false);
		b->hidden[at] = !l->n_lines;
	}
	if (b->show.re && !err) {
		err = keep_lines(p, &b->show, l, true);
		if (!l->n_lines)
			b->hidden[at] = true;
		else
			b->show.matched = true;
	}
	return err;
}

static bool is_wanted(const struct by_name *b, const struct profile_sample *s)
{
	bool good = false;

	for (uint32_t i = 0; i < s->n_locations; i++) {
		if (b->verdicts[s->locations[i]] == BAD)
			return false;
		good |= b->verdicts[s->locations[i]] == GOOD;
	}
	return good;
}

static int remove_hidden(struct profile *p, const struct by_name *b, struct profile_sample *s)
{
	uint32_t n = 0, *left;

	while (n < s->n_locations && !b->hidden[s->locations[n]])
		n++;
	if (n == s->n_locations)
		return 0;
	left = profile_alloc(p, s->n_locations, sizeof(*left));
	if (!left)
		return -ENOMEM;
	n = 0;
	for (uint32_t i = 0; i < s->n_locations; i++)
		if (!b->hidden[s->locations[i]])
			left[n++] = s->locations[i];
	s->locations = left;
	s->n_locations = n;
	return 0;
}

/* Samples without a stack go even when nothing was asked for: pprof 1.19 has them in the total only. */
static int apply_by_name(struct report *r, struct by_name *b)
{
	struct profile *p = r->p;
	size_t n = 0;
	int err = 0;

	b->verdicts = calloc(p->n_locations + 1, 1);
	b->hidden = calloc(p->n_locations + 1, 1);
	if (!b->verdicts || !b->hidden)
		return -ENOMEM;
	for (uint32_t i = 0; i < p->n_locations && !err; i++)
		err = judge(p, b, i);
	for (size_t i = 0; i < p->n_samples && !err; i++) {
		struct profile_sample *s = &p->samples[i];

		if (!is_wanted(b, s))
			continue;
		err = remove_hidden(p, b, s);
		if (s->n_locations)
			p->samples[n++] = *s;
	}
	p->n_samples = n;
	return err;
}

/* --- show_from, prune_from --------------------------------------------------------------------------- */

/* Is this where a stack may begin?  Then what called the outermost matching line goes. */
static bool mark_show_from(const struct filter *f, struct profile_location *l)
{
	if (mapping_matches(f, l))
		return true;
	for (uint32_t i = l->n_lines; i-- > 0;)
		if (f->functions[l->lines[i].function]) {
			l->n_lines = i + 1;
			return true;
		}
	return false;
}

static int show_from(struct report *r, struct filter *f)
{
	struct profile *p = r->p;
	bool *marked = calloc(p->n_locations + 1, 1);
	size_t n = 0;

	if (!marked)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_locations; i++) {
		marked[i] = mark_show_from(f, &p->locations[i]);
		f->matched |= marked[i];
	}
	for (size_t i = 0; i < p->n_samples; i++) {
		struct profile_sample *s = &p->samples[i];

		while (s->n_locations && !marked[s->locations[s->n_locations - 1]])
			s->n_locations--;
		if (s->n_locations)
			p->samples[n++] = *s;
	}
	p->n_samples = n;
	free(marked);
	return 0;
}

/* --- all of them ------------------------------------------------------------------------------------- */

/* All expressions are read before the first is applied: a bad one says so, and nothing else. */
struct filters {
	struct by_name by_name;
	struct filter show_from;
	struct report_tag_filters *tags;
	struct regex *prune;
};

static int filters_init(struct report *r, struct filters *f)
{
	const struct report_options *o = &r->o;
	int err = filter_init(r, &f->by_name.focus, "focus", "Focus", o->focus);

	if (!err)
		err = filter_init(r, &f->by_name.ignore, "ignore", "Ignore", o->ignore);
	if (!err)
		err = filter_init(r, &f->by_name.hide, "hide", "Hide", o->hide);
	if (!err)
		err = filter_init(r, &f->by_name.show, "show", "Show", o->show);
	if (!err)
		err = filter_init(r, &f->show_from, "show_from", "ShowFrom", o->show_from);
	if (!err)
		err = report_tag_filters_new(r, &f->tags);
	if (!err)
		err = report_regex(r, "prune_from", o->prune_from, &f->prune);
	return err;
}

static void filters_done(struct filters *f)
{
	struct filter *all[] = { &f->by_name.focus, &f->by_name.ignore, &f->by_name.hide, &f->by_name.show,
				 &f->show_from };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		filter_done(all[i]);
	free(f->by_name.verdicts);
	free(f->by_name.hidden);
	report_tag_filters_free(f->tags);
	regex_free(f->prune);
}

static void note_unmatched(struct report *r, const struct filter *f)
{
	report_no_match(r, !f->re || f->matched, f->name);
}

int report_filter(struct report *r)
{
	struct filters f = { 0 };
	int err = filters_init(r, &f);

	if (!err)
		err = apply_by_name(r, &f.by_name);
	if (!err) {
		note_unmatched(r, &f.by_name.focus);
		note_unmatched(r, &f.by_name.ignore);
		note_unmatched(r, &f.by_name.hide);
		note_unmatched(r, &f.by_name.show);
		if (f.show_from.re)
			err = show_from(r, &f.show_from);
		note_unmatched(r, &f.show_from);
	}
	if (!err)
		err = report_filter_tags(r, f.tags);
	if (!err && f.prune)
		err = profile_prune_from(r->p, f.prune);
	filters_done(&f);
	return err;
}
