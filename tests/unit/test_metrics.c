/* tests/unit/test_metrics.c - /metrics: who sees what, how many series there are, what a hostile name may do.
 *
 * promtool, a strict OpenMetrics parser and Prometheus itself judge the text in tests/e2e/metrics.sh. */
#include "collectord/http/metrics.h"
#include "tests/unit/live_fixture.h"

#define PROGRAMS 25u

TestSuite(metrics, .timeout = 60);

static char *text;

static const char *write_metrics(struct collector *c, const struct viewer *who, enum metrics_format format)
{
	const struct metrics_source s = { .collector = c, .who = who, .io_backend = "epoll" };
	size_t len;
	FILE *out;

	free(text);
	out = open_memstream(&text, &len);
	metrics_write(&s, format, out);
	fclose(out);
	return text;
}

/* Of the sample whose line begins with `name`. */
static uint64_t value_of(const char *name)
{
	char line[128];
	const char *at;

	snprintf(line, sizeof(line), "\n%s ", name);
	at = strstr(text, line);
	cr_assert_not_null(at, "no %s in:\n%s", name, text);
	return strtoull(at + strlen(line), NULL, 10);
}

static unsigned count(const char *what)
{
	unsigned n = 0;

	for (const char *at = text; (at = strstr(at, what)); at++)
		n++;
	return n;
}

/* --- labels and formats -------------------------------------------------------------------------------------- */

static void expect_label(const char *name, const char *expected)
{
	char *got = NULL;
	size_t len;
	FILE *out = open_memstream(&got, &len);

	metrics_label(name, out);
	fclose(out);
	cr_expect_str_eq(got, expected);
	free(got);
}

Test(metrics, a_label_is_one_line_of_utf8_whatever_the_name)
{
	expect_label("redis-server", "redis-server");
	expect_label("", "");
	expect_label("a\"} 1\nfake_metric 2", "a\\\"} 1\\\\x0afake_metric 2");
	expect_label("back\\slash", "back\\\\slash");
	expect_label("\x1b[31mred", "\\\\x1b[31mred");
	expect_label("bad\xff\xc3", "bad\\\\xff\\\\xc3");
	expect_label("gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f");
}

Test(metrics, who_does_not_ask_for_openmetrics_gets_plain_text)
{
	cr_expect_eq(metrics_format_of(NULL), METRICS_TEXT);
	cr_expect_eq(metrics_format_of("*/*"), METRICS_TEXT);
	cr_expect_eq(metrics_format_of("text/plain;version=0.0.4;q=0.5,*/*;q=0.1"), METRICS_TEXT);
	cr_expect_eq(metrics_format_of("application/openmetrics-text;version=1.0.0,text/plain;q=0.5"),
		     METRICS_OPENMETRICS);
}

/* --- a collector --------------------------------------------------------------------------------------------- */

static unsigned program; /* the number of the next one */

/* 1 to PROGRAMS, in an order in which large ones come early and late. */
static unsigned size_of(unsigned i)
{
	return i * 7 % PROGRAMS + 1;
}

static void allocate(struct abi_region *r)
{
	struct abi_event e = event(ABI_EVENT_ALLOC, 1000 * size_of(program), 1, shim_stack(r, 0x1000, 3));

	shim_emit(r, &e);
	if (program == 0) { /* it counts what it allocates */
		store_relaxed(&r->procs[0].allocated, 700);
		store_relaxed(&r->procs[0].counting, 1);
	}
}

static void start_all(struct bench *b, struct fake *fakes)
{
	for (program = 0; program < PROGRAMS; program++) {
		fakes[program] = fake_start(b->sock, allocate);
		TURN_UNTIL(b->loop, fake_ready(&fakes[program]));
	}
	collector_drain_all(b->c);
}

#define SUM(n) ((uint64_t)(n) * ((n) + 1) / 2 * 1000)

BACKENDS(metrics, the_largest_have_their_own_series_and_the_rest_one)
{
	const struct viewer all = { .uid = getuid(), .sees_all = true };
	struct fake fakes[PROGRAMS];
	struct bench b;
	char name[32];

	bench_start(&b, *backend, (struct collector_config){ .rate = 1 });
	start_all(&b, fakes);
	write_metrics(b.c, &all, METRICS_TEXT);
	cr_expect_eq(value_of("heaptap_sessions"), PROGRAMS);
	cr_expect_eq(value_of("heaptap_processes"), PROGRAMS);
	cr_expect_eq(value_of("heaptap_inuse_bytes"), SUM(PROGRAMS));
	cr_expect_eq(value_of("heaptap_inuse_objects"), PROGRAMS);
	cr_expect_eq(value_of("heaptap_allocated_bytes_total"), SUM(PROGRAMS) - 1000 + 700, "counted is believed");
	cr_expect_eq(value_of("heaptap_samples_total"), PROGRAMS);
	cr_expect_eq(count("\nheaptap_process_inuse_bytes{session="), METRICS_PROCESSES);
	cr_expect_eq(count("\nheaptap_process_allocated_bytes_total{session="), METRICS_PROCESSES);
	cr_expect_eq(value_of("heaptap_process_inuse_bytes{pid=\"other\"}"), SUM(PROGRAMS - METRICS_PROCESSES));
	cr_expect_eq(value_of("heaptap_process_inuse_objects{pid=\"other\"}"), PROGRAMS - METRICS_PROCESSES);
	cr_expect_eq(count("pid=\"other\""), 2, "no counter of others");
	for (unsigned i = 0; i < PROGRAMS; i++) {
		snprintf(name, sizeof(name), ",pid=\"%d\",uid=", fakes[i].pid);
		cr_expect_eq(count(name) != 0, size_of(i) > PROGRAMS - METRICS_PROCESSES, "program %u", i);
	}
	for (unsigned i = 0; i < PROGRAMS; i++)
		fake_kill(&fakes[i]);
	bench_stop(&b);
}

static uint64_t sessions_of(struct bench *b, const struct viewer *who)
{
	write_metrics(b->c, who, METRICS_TEXT);
	return value_of("heaptap_sessions");
}

BACKENDS(metrics, counters_keep_what_the_dead_did)
{
	const struct viewer all = { .uid = getuid(), .sees_all = true }, own = { .uid = getuid() };
	const struct viewer other = { .uid = getuid() + 1 };
	struct fake fakes[PROGRAMS];
	struct bench b;

	bench_start(&b, *backend, (struct collector_config){ .rate = 1 });
	start_all(&b, fakes);
	for (unsigned i = 0; i < PROGRAMS; i++)
		fake_kill(&fakes[i]);
	TURN_UNTIL(b.loop, b.ended == PROGRAMS);
	TURN_UNTIL(b.loop, sessions_of(&b, &all) == 0);
	for (int i = 0; i < 2; i++) {
		cr_expect_eq(sessions_of(&b, i ? &own : &all), 0);
		cr_expect_eq(value_of("heaptap_processes"), 0);
		cr_expect_eq(value_of("heaptap_inuse_bytes"), 0);
		cr_expect_eq(value_of("heaptap_ended_processes_total"), PROGRAMS);
		cr_expect_eq(value_of("heaptap_allocated_bytes_total"), SUM(PROGRAMS) - 1000 + 700);
		cr_expect_eq(value_of("heaptap_samples_total"), PROGRAMS);
		cr_expect_eq(value_of("heaptap_snapshots_total"), PROGRAMS);
	}
	write_metrics(b.c, &other, METRICS_TEXT);
	cr_expect_eq(value_of("heaptap_ended_processes_total"), 0);
	cr_expect_eq(value_of("heaptap_allocated_bytes_total"), 0);
	bench_stop(&b);
}

BACKENDS(metrics, another_user_sees_nothing)
{
	const struct viewer other = { .uid = getuid() + 1 };
	struct abi_region r;
	struct bench b;

	bench_start(&b, *backend, (struct collector_config){ .rate = 1 });
	bench_attach_self(&b, &r);
	program = 1; /* of 8000 bytes */
	allocate(&r);
	collector_drain_all(b.c);
	write_metrics(b.c, &other, METRICS_OPENMETRICS);
	cr_expect_eq(value_of("heaptap_sessions"), 0);
	cr_expect_eq(value_of("heaptap_inuse_bytes"), 0);
	cr_expect_eq(count("{session="), 0);
	cr_expect_null(strstr(text, "snapshot_errors"), "what is the collector's");
	cr_expect_eq(value_of("heaptap_drain_lag_seconds"), 0);
	cr_expect_str_eq(text + strlen(text) - 7, "\n# EOF\n");
	write_metrics(b.c, &(struct viewer){ .uid = getuid() }, METRICS_TEXT);
	cr_expect_eq(value_of("heaptap_inuse_bytes"), 8000);
	cr_expect_null(strstr(text, "# EOF"));
	bench_stop(&b);
}

static double lag_of(struct bench *b)
{
	const struct viewer all = { .sees_all = true };

	return strtod(strstr(write_metrics(b->c, &all, METRICS_TEXT), "\nheaptap_drain_lag_seconds ") + 27, NULL);
}

/* Nobody reads what was written: the lag grows until the next pass. */
BACKENDS(metrics, lag_is_the_time_since_lanes_were_read)
{
	const struct timespec nap = { .tv_nsec = 50000000 };
	const double limit = seconds() + LIMIT_S;
	struct abi_region r;
	struct bench b;

	bench_start(&b, *backend, (struct collector_config){ .rate = 1 });
	bench_attach_self(&b, &r);
	nanosleep(&nap, NULL);
	cr_expect_geq(lag_of(&b), 0.049);
	do
		collector_drain_all(b.c);
	while (lag_of(&b) >= 0.049 && seconds() < limit);
	cr_expect_lt(seconds(), limit);
	bench_stop(&b);
}
