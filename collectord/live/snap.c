/* collectord/live/snap.c - see snap.h.  Stacks' frames are lent to the encoder, modules are read from the region.
 */
#include "collectord/live/snap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/live/clock.h"
#include "collectord/live/process.h"
#include "collectord/live/session.h"
#include "common/modtab.h"

#define PATH_ROOM 4096
#define INLINE_STACKS 2048u /* encoded in a few milliseconds */

/* Entries that are not ready or not sound are left out: a module table is a help, not a book. */
static int read_modules(const struct abi_region *r, struct snapshot_module **ret, size_t *ret_n)
{
	uint32_t count = module_count(r);
	struct snapshot_module *m = calloc(count ? count : 1, sizeof(*m));
	char path[PATH_ROOM];
	size_t n = 0;

	*ret = m;
	*ret_n = 0;
	if (!m)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++) {
		struct module_info info;

		if (module_read(r, i, &info, path, sizeof(path)) != 1)
			continue;
		m[n].range.start = info.start;
		m[n].range.end = info.end;
		m[n].range.bias = info.bias;
		m[n].range.epoch = info.epoch;
		m[n].build_id_len = info.build_id_len;
		memcpy(m[n].build_id, info.build_id, sizeof(info.build_id));
		m[n].path = strdup(path);
		*ret_n = ++n;
		if (!m[n - 1].path)
			return -ENOMEM;
	}
	return 0;
}

static int read_stacks(const struct books *b, uint64_t now_ns, struct snapshot_stack **ret, size_t *ret_n)
{
	struct snapshot_stack *s = calloc(b->n_buckets, sizeof(*s));
	size_t n = 0;

	if (!s)
		return -ENOMEM;
	for (uint32_t i = 0; i < b->n_buckets; i++) {
		const struct bucket *k = &b->buckets[i];

		if (i == 0 && k->allocs == 0 && k->frees == 0 && k->inherits == 0)
			continue;
		s[n].flags = k->flags;
		s[n].epoch = k->epoch;
		s[n].n_frames = k->n_frames;
		s[n].frames = k->n_frames ? b->words + k->frames : NULL;
		books_values(b, k, &s[n].values);
		books_detail(k, now_ns, &s[n].detail);
		n++;
	}
	*ret = s;
	*ret_n = n;
	return 0;
}

bool snap_is_large(const struct process *p)
{
	return p->ledger.books.n_buckets > INLINE_STACKS;
}

int snap_encode(const struct process *p, uint32_t seq, enum snapshot_reason why, void **ret_buf, size_t *ret_len)
{
	const struct session *s = p->session;
	const struct books *b = &p->ledger.books;
	struct snapshot out = {
		.pid = p->pid,
		.ppid = p->ppid,
		.uid = s->uid,
		.exe = (char *)s->exe,
		.cmdline = (char *)s->cmdline,
		.allocator = (char *)s->allocator,
		.session = s->id,
		.seq = seq,
		.reason = why,
		.wall_ns = (int64_t)clock_read_ns(CLOCK_REALTIME),
		.elapsed_ns = process_time(p),
		.exit_known = p->exit_known,
		.exit_status = p->exit_status,
		.rate = s->rate,
		.peak_elapsed_ns = b->peak_elapsed_ns,
		.series = b->series.s,
	};
	int r;

	session_read_threads(p->session);
	books_total(b, &out.total);
	process_audit(p, &out.audit);
	r = read_modules(&s->region.map, &out.modules, &out.n_modules);
	if (!r)
		r = threads_list(&s->threads, &out.threads, &out.n_threads);
	if (!r)
		r = read_stacks(b, out.elapsed_ns, &out.stacks, &out.n_stacks);
	if (!r)
		r = snapshot_encode(&out, ret_buf, ret_len);
	for (size_t i = 0; i < out.n_modules; i++)
		free(out.modules[i].path);
	free(out.modules);
	free(out.threads);
	free(out.stacks);
	return r;
}
