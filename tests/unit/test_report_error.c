/* tests/unit/test_report_error.c - the ± columns against sums over all samples, function by function. */
#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/profile/report.h"

#define FUNCTIONS 12
#define DEPTH 6

static struct profile *p;

static void teardown(void)
{
	profile_free(p);
}

TestSuite(report_error, .fini = teardown);

/* Locations of one or two functions (inlined first), so that stacks recur and recurse. */
static void add_locations(unsigned *seed)
{
	for (uint32_t i = 0; i < 2 * FUNCTIONS; i++) {
		uint32_t l = profile_add_location(p, PROFILE_NONE, 16 + i), n = 1 + (uint32_t)rand_r(seed) % 2;

		p->locations[l].n_lines = n;
		p->locations[l].lines = profile_alloc(p, n, sizeof(struct profile_line));
		for (uint32_t k = 0; k < n; k++)
			p->locations[l].lines[k].function = (uint32_t)rand_r(seed) % FUNCTIONS;
	}
}

static void make_profile(unsigned seed, uint32_t samples)
{
	p = profile_new();
	profile_add_sample_type(p, "other", "count");
	profile_add_sample_type(p, "things", "count");
	for (uint32_t i = 0; i < FUNCTIONS; i++) {
		const char name[] = { 'f', (char)('a' + i), 0 };

		profile_add_function(p, name, name, "x.c", 1);
	}
	add_locations(&seed);
	for (uint32_t i = 0; i < samples; i++) {
		uint32_t stack[DEPTH], n = 1 + (uint32_t)rand_r(&seed) % DEPTH;

		for (uint32_t k = 0; k < n; k++)
			stack[k] = (uint32_t)rand_r(&seed) % (2 * FUNCTIONS);
		profile_add_sample(p, stack, n);
		p->samples[i].values[1] = 1000 + rand_r(&seed) % 100000;
		p->samples[i].variance = profile_alloc(p, 2, sizeof(double));
		p->samples[i].variance[1] = rand_r(&seed) % 5 ? rand_r(&seed) : 0;
	}
}

struct want {
	double flat, cum; /* variances */
	bool in_some;
};

static struct want expected(uint32_t function)
{
	struct want w = { 0 };

	for (size_t i = 0; i < p->n_samples; i++) {
		const struct profile_sample *s = &p->samples[i];
		bool in = false;

		for (uint32_t k = 0; k < s->n_locations; k++) {
			const struct profile_location *l = &p->locations[s->locations[k]];

			for (uint32_t j = 0; j < l->n_lines; j++)
				in |= l->lines[j].function == function;
		}
		w.in_some |= in;
		w.cum += in ? s->variance[1] : 0;
		w.flat += p->locations[s->locations[0]].lines[0].function == function ? s->variance[1] : 0;
	}
	return w;
}

static int functions_used(void)
{
	int n = 0;

	for (uint32_t i = 0; i < FUNCTIONS; i++)
		n += expected(i).in_some;
	return n;
}

static int print(struct report_options *o, char **ret, struct fault *f)
{
	size_t n;
	FILE *out = open_memstream(ret, &n);
	int r;

	o->error = true;
	r = report_print(p, o, out, f);
	fclose(out);
	return r;
}

static void check_rows(struct report_options *o, int rows)
{
	char *text = NULL, *at;
	long long flat_error, cum_error;
	struct fault f = { "" };
	char name[16];
	int found = 0;

	cr_assert_eq(print(o, &text, &f), 0, "%s", f.text);
	at = strstr(text, " flat ");
	cr_assert_not_null(at);
	cr_assert(strstr(text, "\n      flat         \xc2\xb1  flat%   sum%        cum         \xc2\xb1   cum%\n"),
		  "%s", text);
	for (at = strchr(at, '\n') + 1; *at; at = strchr(at, '\n') + 1) {
		struct want w;

		cr_assert_eq(sscanf(at, "%*d %lld %*f%% %*f%% %*d %lld %*f%% %15s", &flat_error, &cum_error, name),
			     3, "%s", at);
		w = expected((uint32_t)(name[1] - 'a'));
		cr_assert_eq(flat_error, llround(1.96 * sqrt(w.flat)), "%s", name);
		cr_assert_eq(cum_error, llround(1.96 * sqrt(w.cum)), "%s", name);
		found++;
	}
	cr_assert_eq(found, rows, "%s", text);
	free(text);
}

Test(report_error, every_row_sums_the_samples_it_counts)
{
	for (unsigned seed = 1; seed <= 50; seed++) {
		struct report_options o = REPORT_OPTIONS_DEFAULT;

		make_profile(seed, 60);
		o.trim = false;
		check_rows(&o, functions_used());
		o.trim = true;
		o.cum = true;
		o.node_count = 5;
		check_rows(&o, 5);
		profile_free(p);
	}
	p = NULL;
}

/* What was focused on is all that counts; shares of time are not asked for here. */
Test(report_error, samples_filtered_out_do_not_count)
{
	struct report_options o = REPORT_OPTIONS_DEFAULT;
	char *text = NULL, want[64];
	double variance = 0;

	make_profile(7, 60);
	for (size_t i = 0; i < p->n_samples; i++)
		if (p->locations[p->samples[i].locations[0]].lines[0].function == 0)
			p->samples[i].n_locations = 1;
	for (size_t i = 0; i < p->n_samples; i++) {
		bool in = false;

		for (uint32_t k = 0; k < p->samples[i].n_locations; k++)
			for (uint32_t j = 0; j < p->locations[p->samples[i].locations[k]].n_lines; j++)
				in |= p->locations[p->samples[i].locations[k]].lines[j].function == 0;
		variance += in ? p->samples[i].variance[1] : 0;
	}
	o.focus = "^fa$";
	o.hide = "^f[^a]$";
	cr_assert_eq(print(&o, &text, NULL), 0);
	snprintf(want, sizeof(want), " %lld ", llround(1.96 * sqrt(variance)));
	cr_assert(strstr(text, want), "%s lacks %s", text, want);
	cr_assert(strstr(text, "% fa") || strstr(text, "%  fa"), "%s", text);
	free(text);
}

static void refuses(struct report_options *o, const char *part)
{
	struct fault f = { "" };
	char *text = NULL;

	cr_assert_eq(print(o, &text, &f), -EINVAL);
	cr_assert(strstr(f.text, part), "%s", f.text);
	free(text);
}

Test(report_error, what_cannot_be_said_is_refused)
{
	struct report_options o = REPORT_OPTIONS_DEFAULT;

	make_profile(1, 5);
	o.kind = REPORT_TREE;
	refuses(&o, "top report");
	o.kind = REPORT_TOP;
	o.mean = true;
	refuses(&o, "-mean");
	o.mean = false;
	p->samples[4].variance = NULL;
	refuses(&o, "heaptap snapshot");
}
