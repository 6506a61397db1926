/* collectord/cli/source_profile.c - see source_profile.h.
 *
 * Every profile is merged, were it only with itself: pprof adds up equal samples and forgets zero ones, and so do
 * the reports. */
#include "collectord/cli/source_profile.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/cli/program_name.h"
#include "collectord/cli/say.h"
#include "collectord/profile/merge.h"
#include "collectord/profile/snapshot.h"

/* What is wrong with what came from a URL is told of the URL. */
static void name_url(const struct url_fetch *u, struct fault *f)
{
	const size_t n = strlen(u->path);
	struct fault of_path = *f;

	if (!strncmp(of_path.text, u->path, n))
		fault_set(f, 0, "%s%s", u->url, of_path.text + n);
}

static int load_url(const struct url_fetch *u, bool peak, struct profile **ret, struct source_peak *ret_peak,
		    struct fault *f)
{
	int r = u->result;

	if (r) {
		*f = u->why;
		return r;
	}
	r = source_load(u->path, peak, ret, ret_peak, f);
	if (r)
		name_url(u, f);
	return r;
}

static int load_one(const struct url_fetch *u, bool peak, struct profile **ret, struct source_peak *ret_peak,
		    struct fault *f)
{
	const char *at = strrchr(u->source, '@');
	char *path = NULL;
	int r;

	if (u->result || u->path)
		return load_url(u, peak, ret, ret_peak, f);
	r = source_resolve(u->source, &path, f);
	if (!r)
		r = source_load(path, peak || (at && !strcmp(at, "@peak")), ret, ret_peak, f);
	free(path);
	return r;
}

/* "server (4711)", and the number by itself.  A profile of other tools has its own name. */
static int label_process(struct profile *p, const char *source)
{
	char *text = NULL, name[PROGRAM_NAME_MAX];
	int n = p->origin ? asprintf(&text, "%s (%" PRIu32 ")",
				     program_name(p->origin->exe, p->origin->cmdline, name), p->origin->pid)
			  : asprintf(&text, "%s", source);
	int r = n < 0 ? -ENOMEM : profile_label_all(p, SOURCE_PROCESS_LABEL, text);

	if (n >= 0)
		free(text);
	return !r && p->origin ? profile_label_all_number(p, SOURCE_PID_LABEL, p->origin->pid) : r;
}

/* All `n_sources` as one.  What cannot be read is named and left out, as long as something is left. */
static int load_list(const struct url_fetch *sources, size_t n_sources, const struct source_request *q,
		     struct profile **ret, struct source_peak *ret_peak, struct fault *f)
{
	struct profile **all = calloc(n_sources + 1, sizeof(*all));
	struct source_peak one = { 0 };
	size_t n = 0;
	int r = all ? 0 : -ENOMEM;

	for (size_t i = 0; all && i < n_sources; i++) {
		r = load_one(&sources[i], q->peak, &all[n], &one, f);
		if (!r && q->by_process && label_process(all[n], sources[i].source)) {
			profile_free(all[n]);
			r = fault_set(f, -ENOMEM, "out of memory");
		}
		if (r && (n_sources == 1 || r == -ENOMEM))
			break;
		if (r)
			say("%s", f->text);
		else if (!n++)
			*ret_peak = one;
	}
	if (n && r != -ENOMEM) {
		if (n < n_sources)
			say("read %zu of %zu profiles", n, n_sources);
		r = profile_merge(all, n, ret, f);
	} else if (!n && n_sources > 1) {
		r = fault_set(f, -ENOENT, "none of the %zu sources could be read", n_sources);
	}
	for (size_t i = 0; i < n; i++)
		profile_free(all[i]);
	free(all);
	return r;
}

static bool is_given(const char *source)
{
	return source && *source;
}

int source_share_errors(struct profile *a, const struct source_peak *of_a, struct profile *b,
			const struct source_peak *of_b)
{
	if (of_a->is_peak || of_b->is_peak || !profile_same_run(&of_a->moment, &of_b->moment))
		return 0;
	return of_a->moment.elapsed_ns <= of_b->moment.elapsed_ns ? profile_share_errors(a, b)
								  : profile_share_errors(b, a);
}

static int subtract(const struct url_fetch *from, const struct source_request *q, struct source_peak *moment,
		    struct profile **p, struct fault *f)
{
	struct profile *base = NULL, *merged = NULL;
	struct source_peak peak;
	double *minus = NULL;
	int r = load_list(from, 1, q, &base, &peak, f);

	if (!r && q->sources.n == 1 && !q->peak && !q->normalize)
		r = source_share_errors(base, &peak, *p, moment);
	moment->is_shared = !r && (q->peak || moment->is_peak || peak.is_peak) &&
			    profile_same_run(&moment->moment, &peak.moment);
	if (!r && is_given(q->diff_base))
		r = profile_label_base(base);
	if (!r && q->normalize)
		r = profile_normalize(*p, base, f);
	if (!r) {
		minus = calloc(base->n_sample_types + 1, sizeof(*minus));
		r = minus ? 0 : -ENOMEM;
	}
	for (size_t i = 0; !r && i < base->n_sample_types; i++)
		minus[i] = -1;
	if (!r) {
		profile_scale(base, minus);
		r = profile_merge((struct profile *[]){ *p, base }, 2, &merged, f);
	}
	if (!r) {
		profile_free(*p);
		*p = merged;
	}
	profile_free(base);
	free(minus);
	return r;
}

/* The sources, and after them the base; all that is fetched is fetched at once.  True: something was. */
static bool fetch(const struct source_request *q, struct url_fetch *all, size_t n)
{
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		all[i].source = i < q->sources.n ? q->sources.at[i] : is_given(q->base) ? q->base : q->diff_base;
		any |= url_is(all[i].source);
	}
	if (any)
		url_fetch_all(all, n, &q->url);
	return any;
}

int source_read_all(const struct source_request *q, struct profile **ret, struct source_peak *ret_peak,
		    struct fault *f)
{
	static struct url_fetch all[SOURCES_MAX + 1]; /* too large for the stack */
	struct profile *p = NULL;
	bool compares = is_given(q->base) || is_given(q->diff_base), remote;
	int r;

	if (is_given(q->base) && is_given(q->diff_base))
		return fault_set(f, -EINVAL, "-base and -diff_base flags cannot both be specified");
	if (q->normalize && !compares)
		return fault_set(f, -EINVAL, "must have base profile to normalize by");
	memset(all, 0, sizeof(all));
	remote = fetch(q, all, q->sources.n + compares);
	r = load_list(all, q->sources.n, q, &p, ret_peak, f);
	if (!r && compares)
		r = subtract(&all[q->sources.n], q, ret_peak, &p, f);
	for (size_t i = 0; i < q->sources.n + compares; i++)
		url_done(&all[i]);
	if (!r)
		r = profile_finish_names(p, q->demangle);
	if (!r && remote)
		source_save(p);
	if (r) {
		profile_free(p);
		return r == -ENOMEM ? fault_set(f, r, "out of memory") : r;
	}
	*ret = p;
	return 0;
}
