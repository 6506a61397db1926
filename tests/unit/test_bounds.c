/* tests/unit/test_bounds.c - what the programs of one user may take of the collector, all together. */
#include "tests/unit/session_fixture.h"

static void many_stacks(struct abi_region *r)
{
	for (uint64_t i = 0; i < 3000; i++)
		emit(r, ABI_EVENT_ALLOC, 16, shim_stack(r, 0x100000 + 64 * i, 20));
}

/* The one that takes the most ends, with what it has; the user's others go on. */
BACKENDS(bounds, user_above_the_limit_loses_the_largest_session)
{
	struct bench b;
	struct abi_region honest;
	struct fake p;

	bench_start(&b, *backend, (struct collector_config){ .rate = 1, .max_memory_per_user = 1 << 20 });
	bench_attach_self(&b, &honest);
	alloc_three_free_one(&honest);
	p = fake_start(b.sock, many_stacks);
	TURN_UNTIL(b.loop, fake_ready(&p));
	TURN_UNTIL(b.loop, b.ended == 1);
	cr_assert_eq(b.view.id, 2);
	cr_assert(b.view.is_over_limit);
	cr_assert_eq(b.view.total.allocs, 3000);
	cr_assert_eq(collector_pending(b.c), 1);
	fake_kill(&p);
	assert_serves(&b);
	bench_stop(&b);
}
