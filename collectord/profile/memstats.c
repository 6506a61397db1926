/* collectord/profile/memstats.c - see memstats.h. */
#include "collectord/profile/memstats.h"

#include <inttypes.h>
#include <math.h>

#include "collectord/profile/encode_frame.h"
#include "collectord/profile/snapshot.h"
#include "common/weight.h"

#define PAUSES 256 /* entries of Go's two rings of pauses: there is no collector here */

/* --- from a profile ---------------------------------------------------------------------------------- */

static uint64_t rounded(uint64_t v, unsigned shift)
{
	return (int64_t)v < 0 ? 0 : (v >> shift) + (v >> (shift - 1) & 1);
}

static double error_of(double variance)
{
	return variance > 0 && isfinite(variance) ? profile_error_95(variance) : 0;
}

static void of_totals(const struct snapshot *s, struct memstats *m)
{
	const struct snapshot_values *v = &s->total;

	m->total_alloc = rounded(v->alloc_bytes, WEIGHT_BYTES_SHIFT);
	m->mallocs = rounded(v->alloc_count, WEIGHT_COUNT_SHIFT);
	m->frees = rounded(v->free_count, WEIGHT_COUNT_SHIFT);
	m->alloc = rounded(v->alloc_bytes - v->free_bytes, WEIGHT_BYTES_SHIFT);
	m->heap_objects = rounded(v->alloc_count - v->free_count, WEIGHT_COUNT_SHIFT);
	m->is_exact = s->rate == 1;
	m->has_errors = true;
	m->error_alloc = error_of(v->var_inuse_bytes);
	m->error_total_alloc = error_of(v->var_alloc_bytes);
}

static uint64_t sum(const struct profile *p, size_t type)
{
	uint64_t n = 0;

	for (size_t i = 0; i < p->n_samples; i++)
		n += (uint64_t)p->samples[i].values[type];
	return n;
}

void memstats_of(const struct profile *p, struct memstats *ret)
{
	struct memstats m = { 0 };
	struct encode_heap t;

	if (p->origin) {
		of_totals(p->origin, &m);
	} else if (!encode_heap_types(p, "", &t, NULL)) {
		m.total_alloc = sum(p, t.alloc_space);
		m.mallocs = sum(p, t.alloc_objects);
		m.alloc = sum(p, t.inuse_space);
		m.heap_objects = sum(p, t.inuse_objects);
		m.frees = m.mallocs > m.heap_objects ? m.mallocs - m.heap_objects : 0;
	}
	*ret = m;
}

/* --- as Go prints them ------------------------------------------------------------------------------- */

static void line(FILE *out, const char *name, uint64_t value)
{
	fprintf(out, "# %s = %" PRIu64 "\n", name, value);
}

static void pair(FILE *out, const char *name, uint64_t in_use, uint64_t sys)
{
	fprintf(out, "# %s = %" PRIu64 " / %" PRIu64 "\n", name, in_use, sys);
}

static void ring(FILE *out, const char *name)
{
	fprintf(out, "# %s = [", name);
	for (int i = 0; i < PAUSES; i++)
		fputs(i ? " 0" : "0", out);
	fputs("]\n", out);
}

static void print_heap(const struct memstats *m, FILE *out)
{
	line(out, "Alloc", m->alloc);
	line(out, "TotalAlloc", m->total_alloc);
	line(out, "Sys", m->sys);
	line(out, "Lookups", 0);
	line(out, "Mallocs", m->mallocs);
	line(out, "Frees", m->frees);
	line(out, "HeapAlloc", m->alloc);
	line(out, "HeapSys", m->heap_sys);
	line(out, "HeapIdle", m->heap_idle);
	line(out, "HeapInuse", m->alloc);
	line(out, "HeapReleased", m->heap_released);
	line(out, "HeapObjects", m->heap_objects);
}

/* What only a garbage-collected runtime has. */
static void print_collector(FILE *out)
{
	line(out, "GCSys", 0);
	line(out, "OtherSys", 0);
	line(out, "NextGC", 0);
	line(out, "LastGC", 0);
	ring(out, "PauseNs");
	ring(out, "PauseEnd");
	line(out, "NumGC", 0);
	line(out, "NumForcedGC", 0);
	fputs("# GCCPUFraction = 0\n# DebugGC = false\n", out);
}

static void print_own(const struct memstats *m, FILE *out)
{
	if (m->is_exact)
		fputs("# heaptap: Alloc, TotalAlloc, Mallocs, Frees, HeapObjects are exact counts\n", out);
	else if (m->has_errors)
		fprintf(out,
			"# heaptap: Alloc (+- %.0f), TotalAlloc (+- %.0f), Mallocs, Frees, HeapObjects are "
			"estimates "
			"(95 %% intervals)\n",
			m->error_alloc, m->error_total_alloc);
	else
		fputs("# heaptap: Alloc, TotalAlloc, Mallocs, Frees, HeapObjects are sums of the records\n", out);
	if (m->anonymous)
		fprintf(out,
			"# heaptap: objects in use explain %" PRIu64 " of %" PRIu64
			" bytes of anonymous memory (%.1f %%)\n",
			m->alloc, m->anonymous, 100.0 * (double)m->alloc / (double)m->anonymous);
}

void memstats_print(const struct memstats *m, FILE *out)
{
	fputs("\n# runtime.MemStats\n", out);
	print_heap(m, out);
	pair(out, "Stack", m->stack_inuse, m->stack_sys);
	pair(out, "MSpan", 0, 0);
	pair(out, "MCache", 0, 0);
	line(out, "BuckHashSys", 0);
	print_collector(out);
	line(out, "MaxRSS", m->max_rss);
	print_own(m, out);
}
