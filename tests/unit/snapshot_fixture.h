/* tests/unit/snapshot_fixture.h - snapshots with known content, for the tests of profile/.
 *
 * The stacks are real: return addresses inside this very test program (backtrace()), its modules come from the
 * loader, so what symbolization must say is known.  Each test program includes it once. */
#pragma once

#include <elf.h>
#include <execinfo.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collectord/profile/snapshot.h"
#include "common/weight.h"

#define OBJECTS(n) ((uint64_t)(n) << WEIGHT_COUNT_SHIFT)
#define BYTES(n) ((uint64_t)(n) << WEIGHT_BYTES_SHIFT)

/* A GNU build-id note in `at`[0..n). */
static inline void fixture_build_id(struct snapshot_module *m, const char *at, size_t n)
{
	while (n > sizeof(ElfW(Nhdr))) {
		const ElfW(Nhdr) *h = (const void *)at;
		size_t name = (h->n_namesz + 3u) & ~3u, desc = (h->n_descsz + 3u) & ~3u;

		if (sizeof(*h) + name + desc > n)
			return;
		if (h->n_type == NT_GNU_BUILD_ID && h->n_descsz <= ABI_BUILD_ID_MAX &&
		    !memcmp(h + 1, "GNU", h->n_namesz)) {
			m->build_id_len = h->n_descsz;
			memcpy(m->build_id, (const char *)(h + 1) + name, h->n_descsz);
		}
		at += sizeof(*h) + name + desc;
		n -= sizeof(*h) + name + desc;
	}
}

static inline int fixture_add_module(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct snapshot *s = arg;
	struct snapshot_module *m;
	char self[PATH_MAX] = "";

	(void)size;
	s->modules = realloc(s->modules, (s->n_modules + 1) * sizeof(*s->modules));
	m = &s->modules[s->n_modules];
	memset(m, 0, sizeof(*m));
	m->range.start = UINT64_MAX;
	m->range.bias = info->dlpi_addr;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uint64_t start = info->dlpi_addr + p->p_vaddr, end = start + p->p_memsz;

		if (p->p_type == PT_NOTE)
			fixture_build_id(m, (const char *)start, p->p_memsz);
		if (p->p_type != PT_LOAD)
			continue;
		m->range.start = start < m->range.start ? start & ~4095ull : m->range.start;
		m->range.end = end > m->range.end ? end : m->range.end;
	}
	if (!s->n_modules && readlink("/proc/self/exe", self, sizeof(self) - 1) > 0)
		m->path = strdup(self);
	else
		m->path = strdup(info->dlpi_name[0] == '/' ? info->dlpi_name : "[vdso]");
	s->n_modules++;
	return 0;
}

/* A snapshot of this process with its modules and no stacks yet; free with snapshot_free(). */
static inline struct snapshot *fixture_snapshot(void)
{
	struct snapshot *s = calloc(1, sizeof(*s));

	s->pid = 4711;
	s->ppid = 1;
	s->uid = 1000;
	s->cmdline = strdup("fixture --with arguments");
	s->allocator = strdup("");
	s->session = 7;
	s->seq = 3;
	s->reason = SNAPSHOT_EXIT;
	s->wall_ns = 1700000000123456789;
	s->elapsed_ns = 2500000000;
	s->exit_known = 1;
	s->exit_status = 256;
	s->rate = 524288;
	s->peak_elapsed_ns = 1250000000;
	s->audit = (struct snapshot_audit){ .samples = 12, .frees = 5, .drained = 17 };
	dl_iterate_phdr(fixture_add_module, s);
	s->exe = strdup(s->modules[0].path);
	return s;
}

/* Append a stack that allocated `count` objects of `bytes` in all and freed half of both.  Returns it. */
static inline struct snapshot_stack *fixture_add_stack(struct snapshot *s, const uint64_t *frames, uint32_t n,
						       uint64_t count, uint64_t bytes)
{
	struct snapshot_stack *k;

	s->stacks = realloc(s->stacks, (s->n_stacks + 1) * sizeof(*s->stacks));
	k = &s->stacks[s->n_stacks++];
	memset(k, 0, sizeof(*k));
	k->frames = calloc(n + 1u, sizeof(*k->frames));
	if (n)
		memcpy(k->frames, frames, n * sizeof(*frames));
	k->n_frames = n;
	k->values = (struct snapshot_values){ .allocs = count,
					      .frees = count / 2,
					      .alloc_count = OBJECTS(count),
					      .alloc_bytes = BYTES(bytes),
					      .free_count = OBJECTS(count) / 2,
					      .free_bytes = BYTES(bytes) / 2,
					      .peak_count = OBJECTS(count),
					      .peak_bytes = BYTES(bytes),
					      .var_alloc_count = (double)count,
					      .var_alloc_bytes = (double)bytes,
					      .var_inuse_count = (double)count / 2,
					      .var_inuse_bytes = (double)bytes / 2 };
	return k;
}

/* Append the stack of the caller: its return address here is the leaf. */
static NOINLINE UNUSED struct snapshot_stack *fixture_add_here(struct snapshot *s, uint64_t count, uint64_t bytes)
{
	void *found[64];
	uint64_t frames[64];
	int n = backtrace(found, 64), skip = 0;

	while (skip < n && found[skip] != __builtin_return_address(0)) /* this function, a sanitizer's wrapper */
		skip++;
	for (int i = skip; i < n; i++)
		frames[i - skip] = (uintptr_t)found[i];
	return fixture_add_stack(s, frames, (uint32_t)(n - skip), count, bytes);
}
