/* collectord/cli/report_hint.c - see report_hint.h.
 *
 * For one SOURCE without a base: what a difference has nothing of is news by itself. */
#include "collectord/cli/report_hint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/cli/say.h"

static bool has_any(const struct profile *p, const char *type)
{
	uint32_t t = profile_find_type(p, type);

	for (size_t i = 0; i < p->n_samples && t != PROFILE_NONE; i++)
		if (p->samples[i].values[t])
			return true;
	return false;
}

static bool has_labels(const struct profile *p)
{
	for (size_t i = 0; i < p->n_samples; i++)
		if (p->samples[i].n_labels)
			return true;
	return false;
}

/* Nothing was ever allocated, as far as samples tell. */
static void hint_at_others(const struct report_request *q)
{
	char others[1024];

	source_list_below(q->sources.sources.at[0], others, sizeof(others));
	if (*others)
		say("nothing was sampled in this program; others of its run: %s", others);
	else
		say("nothing was sampled in this program; `heaptap run -r 1` records every allocation");
}

static void hint_at_more(const struct profile *p, const struct report_request *q, const struct source_peak *peak)
{
	const char *where = peak->is_snapshot ? "snapshot" : "profile";

	if (peak->bytes > 0 && !peak->is_peak)
		say("nothing is in use in this snapshot; -peak shows the moment when most was, -alloc_space all "
		    "allocations");
	else if (has_any(p, "alloc_space"))
		say("nothing is in use in this %s; -alloc_space shows all allocations", where);
	else if (peak->is_snapshot)
		hint_at_others(q);
}

/* Would the same report of what was allocated show something? */
static bool succeeds_with_allocations(const struct profile *p, const struct report_request *q, int kind)
{
	struct report_options o = q->report;
	struct fault f = { "" };
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	int r;

	if (!out)
		return false;
	o.kind = kind;
	o.sample_index = "alloc_space";
	o.error = false;
	r = report_print(p, &o, out, &f);
	fclose(out);
	free(text);
	return !r;
}

static bool is_in_use(const char *type)
{
	return !strncmp(type, "inuse_", strlen("inuse_"));
}

void report_hint(const struct profile *p, const struct report_request *q, int kind, const struct source_peak *peak,
		 bool failed)
{
	const bool by_name = kind == REPORT_PEEK || kind == REPORT_LIST;
	const char *name;
	size_t type;

	if (q->sources.sources.n != 1 || *q->sources.base || *q->sources.diff_base || q->temporary || q->lifetime ||
	    q->sizes || kind == REPORT_COMMENTS || kind == REPORT_RAW || kind == REPORT_PROTO ||
	    (failed && !by_name) || report_sample_type(p, q->report.sample_index, &type, &(struct fault){ "" }))
		return;
	name = p->sample_types[type].type;
	if (!peak->is_snapshot && !is_in_use(name))
		return;
	if (kind == REPORT_TAGS && !has_labels(p))
		say("samples have no labels; `heaptap run --by-thread` gives them those of threads, -by_process of "
		    "processes");
	else if (!has_any(p, name))
		hint_at_more(p, q, peak);
	else if (failed && is_in_use(name) && succeeds_with_allocations(p, q, kind))
		say("such functions hold nothing in this %s; -alloc_space shows what they allocated%s",
		    peak->is_snapshot ? "snapshot" : "profile",
		    peak->bytes > 0 && !peak->is_peak ? ", -peak what they held when most was in use" : "");
}
