/* tests/unit/test_scribble.c - one program writes at random all over its region, without end, while it is read and
 * while people ask about it; another one is exact all the while.
 *
 * SECONDS_OF_SCRIBBLING says how long (`make check-long`: a minute under AddressSanitizer).  Half of the scribblers
 * leave the lanes' heads alone: an impossible head ends a session at once, and then nobody reads the rest. */
#include "tests/unit/control_fixture.h"
#include "tests/unit/session_fixture.h"

static bool spares_heads; /* of the next scribbler, which is a fork of us */

static uint64_t noise(void)
{
	static uint64_t x = 0x9e3779b97f4a7c15;

	x ^= x << 13;
	x ^= x >> 7;
	return x ^= x << 17;
}

/* Values that pass for sizes, ids, indexes and addresses more often than noise does. */
static uint64_t rubbish(void)
{
	const uint64_t bits = noise();

	return noise() >> bits % 64 | (bits & 1 ? bits << 32 : 0);
}

static void scribble(struct abi_region *r)
{
	struct abi_header h;
	uint64_t *words = (void *)r->header, n, lanes = (uint64_t)((char *)r->lanes - (char *)r->header) / 8;
	const uint64_t n_lanes = r->geo.lanes * sizeof(*r->lanes) / 8;

	abi_header_init(&h, &r->geo);
	n = h.region_size / 8;
	alarm(0);
	for (unsigned i = 0;; i++) {
		/* Half of the stores go to the lanes and the tables' beginnings: most of a region is never used. */
		const uint64_t at = i % 2 ? noise() % n : noise() % (2 * (lanes + n_lanes));
		struct abi_event e =
			event((uint8_t)noise(), rubbish(), (uint32_t)rubbish(), (uint32_t)noise() % 64);

		if (at < n && !(spares_heads && at - lanes < n_lanes))
			*(volatile uint64_t *)(words + at) = rubbish();
		if (i % 16 == 0)
			shim_emit(r, &e);
	}
}

static unsigned long length(void)
{
	const char *s = getenv("SECONDS_OF_SCRIBBLING");

	return s ? strtoul(s, NULL, 10) : 2;
}

static void ask_about(struct bench *b)
{
	const struct control_request q = good_request(CONTROL_LIST);
	struct reply a = ask_bench(b, &q);

	cr_assert_eq(reply_error(&a), 0);
}

/* Scribblers one after the other; the honest one's events in *n. */
static void scribblers(struct bench *b, struct abi_region *honest, uint64_t *n)
{
	const double end = seconds() + (double)length();
	const uint32_t stack = shim_stack(honest, 0x4000, 6);
	unsigned met = 0;

	for (; seconds() < end || met < 4; met++) {
		struct fake p;
		const unsigned before = b->started;

		spares_heads = met % 2;
		p = fake_start(b->sock, scribble);
		TURN_UNTIL(b->loop, b->started == before + 1);
		for (int i = 0; i < 200 && collector_pending(b->c) > 1; i++) {
			emit(honest, ABI_EVENT_ALLOC, 1000 + (*n)++ % 1000, stack);
			cr_assert_eq(loop_turn(b->loop, 1), 0);
			if (i % 64 == 20)
				ask_about(b);
		}
		fake_kill(&p);
		TURN_UNTIL(b->loop, collector_pending(b->c) == 1);
		waitpid(p.pid, NULL, 0);
		close(p.ready);
	}
}

ParameterizedTestParameters(scribble, another_program_is_exact_meanwhile)
{
	static char backends[][8] = { "uring", "epoll" };

	return cr_make_param_array(char[8], backends, 2);
}

ParameterizedTest(char (*backend)[8], scribble, another_program_is_exact_meanwhile, .timeout = 600)
{
	struct bench b;
	struct abi_region honest;
	struct snapshot *s;
	uint64_t n = 0, bytes = 0;

	bench_start(&b, *backend, (struct collector_config){ .rate = 1, .skip_empty = true });
	bench_attach_self(&b, &honest);
	scribblers(&b, &honest, &n);
	for (uint64_t i = 0; i < n; i++)
		bytes += 1000 + i % 1000;
	collector_shutdown(b.c);
	TURN_UNTIL(b.loop, collector_pending(b.c) == 0);
	s = bench_snapshot(&b, b.last);
	cr_assert_eq(s->total.allocs, n);
	cr_assert_eq(s->total.alloc_bytes >> 8, bytes);
	cr_assert_eq(s->audit.corrupt, 0);
	snapshot_free(s);
	bench_stop(&b);
}
