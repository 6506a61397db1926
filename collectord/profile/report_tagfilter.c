/* collectord/profile/report_tagfilter.c - tagfocus, tagignore, tagshow, taghide; see report_work.h.
 *
 * A tag filter is [KEY=]VALUE.  A VALUE like 64kb, 1kb:, :1mb or 1kb:1mb is a range that numeric labels may lie in,
 * anything else a comma list of expressions for string labels: without KEY all of them must match "key:value" of
 * some label, with KEY one of them a value of it. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/profile/report_work.h"

struct tag_filter {
	bool set, is_range, has_low, has_high;
	char *text; /* a copy, cut into pieces */
	const char *key, *unit;
	double low, high;
	struct regex **expressions;
	size_t n_expressions;
};

static void tag_filter_done(struct tag_filter *t)
{
	for (size_t i = 0; i < t->n_expressions; i++)
		regex_free(t->expressions[i]);
	free(t->expressions);
	free(t->text);
}

/* --- ranges ------------------------------------------------------------------------------------------ */

struct bound {
	size_t length;
	int64_t value;
	char unit[64];
};

/* "64kb" at `text`: false if there is no number there, or none that fits. */
static bool read_bound(const char *text, struct bound *b)
{
	const char *digits = text + (*text == '+' || *text == '-'), *end = digits;
	size_t letters = 0;

	while (isdigit((unsigned char)*end))
		end++;
	while (isalpha((unsigned char)end[letters]))
		letters++;
	errno = 0;
	b->value = strtoll(text, NULL, 10);
	if (end == digits || errno || letters >= sizeof(b->unit))
		return false;
	memcpy(b->unit, end, letters);
	b->unit[letters] = '\0';
	b->length = (size_t)(end + letters - text);
	return true;
}

/* Is the whole of `value` a range? */
static bool read_range(struct report *r, struct tag_filter *t, const char *value)
{
	struct bound low, high;
	const char *unit, *rest;
	bool open_low = *value == ':';

	if (!read_bound(value + open_low, &low))
		return false;
	t->low = t->high = report_scale(low.value, low.unit, low.unit, &unit);
	t->unit = report_format_string(r, "%s", unit);
	t->has_low = !open_low;
	t->has_high = true;
	rest = value + open_low + low.length;
	if (!*rest)
		return true;
	if (open_low || *rest++ != ':')
		return false;
	t->has_high = *rest;
	if (!*rest)
		return true;
	if (!read_bound(rest, &high) || rest[high.length])
		return false;
	t->high = report_scale(high.value, high.unit, t->unit, &unit);
	return !strcmp(unit, t->unit);
}

static bool in_range(const struct report *r, const struct tag_filter *t, const struct profile_sample *s)
{
	for (uint32_t i = 0; i < s->n_labels; i++) {
		const struct profile_label *l = &s->labels[i];
		const char *unit;
		double v;

		if (l->str || (t->key && strcmp(l->key, t->key)))
			continue;
		v = report_scale(l->num, report_label_unit(r, l->key), t->unit, &unit);
		if (!strcmp(unit, t->unit) && (!t->has_low || v >= t->low) && (!t->has_high || v <= t->high))
			return true;
	}
	return false;
}

/* --- expressions ------------------------------------------------------------------------------------- */

static bool matches_label(struct report *r, const struct tag_filter *t, const struct regex *re,
			  const struct profile_sample *s)
{
	for (uint32_t i = 0; i < s->n_labels; i++) {
		const struct profile_label *l = &s->labels[i];

		if (!l->str)
			continue;
		if (t->key ? !strcmp(l->key, t->key) && regex_matches(re, l->str)
			   : regex_matches(re, report_format_string(r, "%s:%s", l->key, l->str)))
			return true;
	}
	return false;
}

static bool tag_matches(struct report *r, const struct tag_filter *t, const struct profile_sample *s)
{
	if (t->is_range)
		return in_range(r, t, s);
	for (size_t i = 0; i < t->n_expressions; i++) {
		bool is = matches_label(r, t, t->expressions[i], s);

		if (is == !!t->key)
			return is;
	}
	return !t->key;
}

static int read_expressions(struct report *r, struct tag_filter *t, char *value, const char *option)
{
	size_t room = 1;
	int err = 0;

	for (const char *c = value; *c; c++)
		room += *c == ',';
	t->expressions = calloc(room, sizeof(struct regex *));
	if (!t->expressions)
		return -ENOMEM;
	while (value && !err) {
		char *piece = strsep(&value, ",");
		struct fault why = { "" };

		err = regex_compile(piece, &t->expressions[t->n_expressions], &why);
		if (!err)
			t->n_expressions++;
		else if (err == -EINVAL)
			fault_set(r->fault, err, "parsing %s regexp: %s", option, why.text);
	}
	return err;
}

static int tag_filter_init(struct report *r, struct tag_filter *t, const char *option, const char *text)
{
	char *value, *equals;

	if (!*text)
		return 0;
	t->set = true;
	value = t->text = strdup(text);
	if (!value)
		return -ENOMEM;
	equals = strchr(value, '=');
	if (equals) {
		*equals = '\0';
		t->key = *value ? value : NULL;
		value = equals + 1;
	}
	t->is_range = read_range(r, t, value);
	if (!t->is_range)
		return read_expressions(r, t, value, option);
	if (r->o.note)
		r->o.note(r->o.note_arg,
			  report_format_string(r, "%s:Interpreted '%s' as range, not regexp", option, value));
	return 0;
}

static void filter_samples(struct report *r, const struct tag_filter *focus, const struct tag_filter *ignore)
{
	bool any_focused = false, any_ignored = false;
	size_t n = 0;

	for (size_t i = 0; i < r->p->n_samples; i++) {
		const struct profile_sample *s = &r->p->samples[i];
		bool focused = !focus->set || tag_matches(r, focus, s);
		bool ignored = ignore->set && tag_matches(r, ignore, s);

		any_focused |= focused;
		any_ignored |= ignored;
		if (focused && !ignored)
			r->p->samples[n++] = *s;
	}
	r->p->n_samples = n;
	report_no_match(r, !focus->set || any_focused, "TagFocus");
	report_no_match(r, !ignore->set || any_ignored, "TagIgnore");
}

/* --- tagshow, taghide -------------------------------------------------------------------------------- */

struct tag_names {
	struct regex *show, *hide;
	bool any_shown, any_hidden;
};

static int filter_labels(struct profile *p, struct tag_names *t, struct profile_sample *s)
{
	struct profile_label *left = profile_alloc(p, s->n_labels, sizeof(*left));
	uint32_t n = 0;

	if (!left)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->n_labels; i++) {
		bool show = !t->show || regex_matches(t->show, s->labels[i].key);
		bool hide = t->hide && regex_matches(t->hide, s->labels[i].key);

		t->any_shown |= show;
		t->any_hidden |= hide;
		if (show && !hide)
			left[n++] = s->labels[i];
	}
	s->labels = left;
	s->n_labels = n;
	return 0;
}

static int filter_tag_names(struct report *r)
{
	struct tag_names t = { 0 };
	int err = report_regex(r, "tagshow", r->o.tagshow, &t.show);

	if (!err)
		err = report_regex(r, "taghide", r->o.taghide, &t.hide);
	for (size_t i = 0; i < r->p->n_samples && !err && (t.show || t.hide); i++)
		err = filter_labels(r->p, &t, &r->p->samples[i]);
	if (!err) {
		report_no_match(r, !t.show || t.any_shown, "TagShow");
		report_no_match(r, !t.hide || t.any_hidden, "TagHide");
	}
	regex_free(t.show);
	regex_free(t.hide);
	return err;
}

struct report_tag_filters {
	struct tag_filter focus, ignore;
};

int report_tag_filters_new(struct report *r, struct report_tag_filters **ret)
{
	struct report_tag_filters *t = calloc(1, sizeof(*t));
	int err = t ? tag_filter_init(r, &t->focus, "tagfocus", r->o.tagfocus) : -ENOMEM;

	if (!err)
		err = tag_filter_init(r, &t->ignore, "tagignore", r->o.tagignore);
	if (err)
		report_tag_filters_free(t);
	else
		*ret = t;
	return err;
}

void report_tag_filters_free(struct report_tag_filters *t)
{
	if (!t)
		return;
	tag_filter_done(&t->focus);
	tag_filter_done(&t->ignore);
	free(t);
}

int report_filter_tags(struct report *r, const struct report_tag_filters *t)
{
	if (t->focus.set || t->ignore.set)
		filter_samples(r, &t->focus, &t->ignore);
	return filter_tag_names(r);
}
