/* tests/unit/test_encode_limit.c - profiles within the limits of servers: sums stay, the heaviest stay, sizes hold.
 */
#include "collectord/profile/pprof.h"
#include "collectord/profile/pprof_inflate.h"
#include "collectord/profile/pprof_limit.h"
#include "tests/unit/encode_fixture.h"

static struct profile *q;
static size_t merged;

static void teardown(void)
{
	profile_free(q);
	encode_teardown();
}

TestSuite(encode_limit, .init = encode_setup, .fini = teardown);

/* `n` stacks of one frame each; the i-th weighs i. */
static void many_stacks(uint32_t n, int width)
{
	profile_free(p);
	p = profile_new();
	add_heap_types();
	profile_add_mapping(p, &(struct profile_mapping){ .file = "/bin/x", .build_id = "" });
	for (uint32_t i = 1; i <= n; i++) {
		char name[4096];
		uint32_t at;

		snprintf(name, sizeof(name), "%0*u", width, i);
		at = hostile_location(16 * i, name);
		add_sample(&at, 1, i, 64 * (int64_t)i);
	}
}

static size_t unpacked(void)
{
	void *buf, *plain;
	size_t n, len;

	cr_assert_eq(pprof_encode(q, &buf, &n), 0);
	cr_assert_eq(gunzip(buf, n, 1 << 30, &plain, &len, NULL), 0);
	free(buf);
	free(plain);
	return len;
}

static void check_sums(void)
{
	for (size_t t = 0; t < 4; t++) {
		int64_t sum = 0;

		for (size_t i = 0; i < q->n_samples; i++)
			sum += q->samples[i].values[t];
		cr_assert_eq(sum, total(t));
	}
}

static const char *name_of(const struct profile_sample *s)
{
	return q->functions[q->locations[s->locations[0]].lines[0].function].name;
}

Test(encode_limit, a_small_profile_stays_as_it_is)
{
	cr_assert_eq(pprof_limit(p, &q, &merged, &fault), 0);
	cr_assert_eq(merged, 0);
	cr_assert_eq(q->n_samples, p->n_samples);
	check_sums();
}

Test(encode_limit, more_stacks_than_allowed_become_one)
{
	many_stacks(20000, 1);
	cr_assert_eq(pprof_limit(p, &q, &merged, &fault), 0);
	cr_assert_eq(q->n_samples, PPROF_LIMIT_SAMPLES);
	cr_assert_eq(merged, 4001);
	check_sums();
	cr_assert_str_eq(name_of(&q->samples[0]), "20000");
	cr_assert_str_eq(name_of(&q->samples[PPROF_LIMIT_SAMPLES - 2]), "4002");
	cr_assert_str_eq(name_of(&q->samples[PPROF_LIMIT_SAMPLES - 1]), PPROF_LIMIT_NAME);
	cr_assert_eq(q->n_locations, PPROF_LIMIT_SAMPLES, "what nobody uses is gone");
}

Test(encode_limit, a_profile_that_is_too_large_loses_its_lightest_stacks)
{
	many_stacks(3000, 4000);
	cr_assert_eq(pprof_limit(p, &q, &merged, &fault), 0);
	cr_assert_leq(unpacked(), PPROF_LIMIT_BYTES);
	cr_assert_gt(unpacked(), PPROF_LIMIT_BYTES / 2);
	cr_assert_eq(merged + q->n_samples, 3001);
	check_sums();
	cr_assert_str_eq(name_of(&q->samples[q->n_samples - 1]), PPROF_LIMIT_NAME);
}
