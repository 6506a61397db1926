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

/* Every allocation was recorded, since the start: none was weighted, and the count agrees; it takes requests of 0
 * bytes for 1. */
static bool is_exact(const struct snapshot *s, uint64_t bytes, uint64_t objects)
{
	const struct snapshot_audit *a = &s->audit;

	if (s->rate != 1 || s->total.var_alloc_bytes > 0 || a->untracked || a->corrupt)
		return false;
	return (!a->counted && !a->uncounted) || bytes + objects >= a->counted;
}

static void of_totals(const struct snapshot *s, struct memstats *m)
{
	const struct snapshot_values *v = &s->total;

	m->total_alloc = rounded(v->alloc_bytes, WEIGHT_BYTES_SHIFT);
	m->mallocs = rounded(v->alloc_count, WEIGHT_COUNT_SHIFT);
	m->frees = rounded(v->free_count, WEIGHT_COUNT_SHIFT);
	m->alloc = rounded(v->alloc_bytes - v->free_bytes, WEIGHT_BYTES_SHIFT);
	m->heap_objects = rounded(v->alloc_count - v->free_count, WEIGHT_COUNT_SHIFT);
	m->own_space = s->audit.own_space;
	m->is_exact = is_exact(s, m->total_alloc, m->mallocs);
	m->is_counted = !m->is_exact && (s->audit.counted || s->audit.uncounted);
	if (m->is_counted)
		m->total_alloc = s->audit.counted;
	m->uncounted = s->audit.uncounted;
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
	struct memstats m = { .why_unknown = "only a running process's memory can be read" };
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
static void print_collector(const struct memstats *m, FILE *out)
{
	line(out, "GCSys", 0);
	line(out, "OtherSys", m->other_sys);
	line(out, "NextGC", 0);
	line(out, "LastGC", 0);
	ring(out, "PauseNs");
	ring(out, "PauseEnd");
	line(out, "NumGC", 0);
	line(out, "NumForcedGC", 0);
	fputs("# GCCPUFraction = 0\n# DebugGC = false\n", out);
}

static void print_kinds(const struct memstats *m, FILE *out)
{
	if (m->is_exact) {
		fputs("# heaptap: Alloc, TotalAlloc, Mallocs, Frees, HeapObjects are exact counts\n", out);
		return;
	}
	if (!m->has_errors) {
		fputs("# heaptap: Alloc, TotalAlloc, Mallocs, Frees, HeapObjects are sums of the records\n", out);
		return;
	}
	fprintf(out, "# heaptap: Alloc (+- %.0f), ", m->error_alloc);
	if (!m->is_counted)
		fprintf(out, "TotalAlloc (+- %.0f), ", m->error_total_alloc);
	fputs("Mallocs, Frees, HeapObjects are estimates (95 % intervals)\n", out);
	if (m->is_counted && m->uncounted)
		fprintf(out,
			"# heaptap: TotalAlloc is a count; running threads may have allocated %" PRIu64
			" bytes more\n",
			m->uncounted);
	else if (m->is_counted)
		fputs("# heaptap: TotalAlloc is an exact count\n", out);
}

static void print_memory(const struct memstats *m, FILE *out)
{
	if (m->why_unknown) {
		fprintf(out,
			"# heaptap: Sys, HeapSys, HeapIdle, HeapReleased, Stack, OtherSys, MaxRSS are not known: "
			"%s\n",
			m->why_unknown);
		return;
	}
	if (m->has_resident)
		fprintf(out,
			"# heaptap: resident memory: %" PRIu64 " bytes of the process alone, %" PRIu64
			" with its share of what others have, too\n",
			m->private_resident, m->proportional);
	if (!m->anonymous)
		return;
	fprintf(out, "# heaptap: anonymous memory: %" PRIu64 " bytes, %" PRIu64 " of them swapped; ", m->anonymous,
		m->swapped);
	if (m->alloc <= m->anonymous)
		fprintf(out, "objects in use explain %.1f %%\n", 100.0 * (double)m->alloc / (double)m->anonymous);
	else
		fputs("objects in use are more: what was never touched takes none\n", out);
}

void memstats_print(const struct memstats *m, FILE *out)
{
	fputs("\n# runtime.MemStats\n", out);
	print_heap(m, out);
	pair(out, "Stack", m->stack_inuse, m->stack_sys);
	pair(out, "MSpan", 0, 0);
	pair(out, "MCache", 0, 0);
	line(out, "BuckHashSys", 0);
	print_collector(m, out);
	line(out, "MaxRSS", m->max_rss);
	print_kinds(m, out);
	print_memory(m, out);
}
