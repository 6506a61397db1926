/* collectord/cli/source_profile.c - see source_profile.h.
 *
 * Every profile is merged, were it only with itself: pprof adds up equal samples and forgets zero ones, and so do
 * the reports. */
#include "collectord/cli/source_profile.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/cli/say.h"
#include "collectord/profile/merge.h"
#include "collectord/profile/snapshot.h"

static int load_one(const char *source, bool peak, struct profile **ret, struct source_peak *ret_peak,
		    struct fault *f)
{
	const char *at = strrchr(source, '@');
	char *path = NULL;
	int r = source_resolve(source, &path, f);

	if (!r)
		r = source_load(path, peak || (at && !strcmp(at, "@peak")), ret, ret_peak, f);
	free(path);
	return r;
}

/* "server (4711)", and the number by itself.  A profile of other tools has its own name. */
static int label_process(struct profile *p, const char *source)
{
	const char *exe = p->origin ? p->origin->exe : source, *slash = strrchr(exe, '/');
	char *text = NULL;
	int n = p->origin ? asprintf(&text, "%s (%" PRIu32 ")", slash ? slash + 1 : exe, p->origin->pid)
			  : asprintf(&text, "%s", source);
	int r = n < 0 ? -ENOMEM : profile_label_all(p, SOURCE_PROCESS_LABEL, text);

	if (n >= 0)
		free(text);
	return !r && p->origin ? profile_label_all_number(p, SOURCE_PID_LABEL, p->origin->pid) : r;
}

/* All of a list as one.  What cannot be read is named and left out, as long as something is left. */
static int load_list(const struct source_list *list, bool by_process, bool peak, struct profile **ret,
		     struct source_peak *ret_peak, struct fault *f)
{
	struct profile **all = calloc(list->n + 1, sizeof(*all));
	struct source_peak one = { 0 };
	size_t n = 0;
	int r = all ? 0 : -ENOMEM;

	for (size_t i = 0; all && i < list->n; i++) {
		r = load_one(list->at[i], peak, &all[n], &one, f);
		if (!r && by_process && label_process(all[n], list->at[i])) {
			profile_free(all[n]);
			r = fault_set(f, -ENOMEM, "out of memory");
		}
		if (r && (list->n == 1 || r == -ENOMEM))
			break;
		if (r)
			say("%s", f->text);
		else if (!n++)
			*ret_peak = one;
	}
	if (n && r != -ENOMEM) {
		if (n < list->n)
			say("read %zu of %zu profiles", n, list->n);
		r = profile_merge(all, n, ret, f);
	} else if (!n && list->n > 1) {
		r = fault_set(f, -ENOENT, "none of the %zu sources could be read", list->n);
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

static int subtract(const struct source_request *q, struct profile **p, struct fault *f)
{
	const struct source_list list = { { is_given(q->base) ? q->base : q->diff_base }, 1 };
	struct profile *base = NULL, *merged = NULL;
	struct source_peak peak;
	double *minus = NULL;
	int r = load_list(&list, q->by_process, q->peak, &base, &peak, f);

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

int source_read_all(const struct source_request *q, struct profile **ret, struct source_peak *ret_peak,
		    struct fault *f)
{
	struct profile *p = NULL;
	bool compares = is_given(q->base) || is_given(q->diff_base);
	int r;

	if (is_given(q->base) && is_given(q->diff_base))
		return fault_set(f, -EINVAL, "-base and -diff_base flags cannot both be specified");
	if (q->normalize && !compares)
		return fault_set(f, -EINVAL, "must have base profile to normalize by");
	r = load_list(&q->sources, q->by_process, q->peak, &p, ret_peak, f);
	if (!r && compares)
		r = subtract(q, &p, f);
	if (!r)
		r = profile_finish_names(p, q->demangle);
	if (r) {
		profile_free(p);
		return r == -ENOMEM ? fault_set(f, r, "out of memory") : r;
	}
	*ret = p;
	return 0;
}
