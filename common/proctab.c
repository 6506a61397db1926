/* common/proctab.c - see proctab.h. */
#include "common/proctab.h"

#include "common/spill.h"

static bool take(struct abi_proc *p)
{
	uint32_t unused = ABI_PROC_FREE;

	return load_relaxed(&p->state) == ABI_PROC_FREE &&
	       cas_acquire(&p->state, &unused, ABI_PROC_CLAIMED); /* P, pairs with O */
}

static void fill(struct abi_proc *p, uint32_t ordinal, const struct proc_info *info)
{
	store_relaxed(&p->pid, info->pid);
	store_relaxed(&p->parent, info->parent == UINT32_MAX ? ordinal : info->parent);
	store_relaxed(&p->parent_pid, info->parent_pid);
	store_relaxed(&p->start_ns, info->start_ns);
	store_relaxed(&p->own_space, info->own_space);
}

int proc_take(const struct abi_region *r, const struct proc_info *info)
{
	uint32_t n = r->geo.procs, at = add_relaxed(&r->cursors->procs, 1) % n;

	for (uint32_t i = 0; i < n; i++, at = at + 1 == n ? 0 : at + 1) {
		struct abi_proc *p = &r->procs[at];

		if (!take(p))
			continue;
		if (spill_reserve(r, at)) {
			fill(p, at, info);
			return (int)at;
		}
		store_release(&p->state, ABI_PROC_FREE); /* O, untouched */
		break;
	}
	add_relaxed(&r->cursors->refused, 1);
	return -1;
}

void proc_activate(const struct abi_region *r, uint32_t ordinal)
{
	store_release(&r->procs[ordinal].state, ABI_PROC_ACTIVE); /* M, pairs with N */
}

void proc_give_back(const struct abi_region *r, uint32_t ordinal)
{
	store_release(&r->procs[ordinal].state, ABI_PROC_FREE); /* O, pairs with P */
}

int proc_claim(const struct abi_region *r, const struct proc_info *info)
{
	int ordinal = proc_take(r, info);

	if (ordinal >= 0)
		proc_activate(r, (uint32_t)ordinal);
	return ordinal;
}

bool proc_read(const struct abi_region *r, uint32_t ordinal, bool heard, struct proc_info *ret)
{
	struct abi_proc *p = &r->procs[ordinal];
	uint32_t state = load_acquire(&p->state); /* N, pairs with M; of what was heard, B pairs with A */

	if (state != ABI_PROC_ACTIVE && (!heard || state != ABI_PROC_CLAIMED))
		return false;
	*ret = (struct proc_info){
		.pid = load_relaxed(&p->pid),
		.parent = load_relaxed(&p->parent),
		.parent_pid = load_relaxed(&p->parent_pid),
		.start_ns = load_relaxed(&p->start_ns),
		.own_space = load_relaxed(&p->own_space),
	};
	return true;
}

void proc_release(const struct abi_region *r, uint32_t ordinal)
{
	struct abi_proc *p = &r->procs[ordinal];

	store_relaxed(&p->spilled, 0);
	store_relaxed(&p->untracked, 0);
	store_relaxed(&p->stack_full, 0);
	store_relaxed(&p->truncated, 0);
	store_relaxed(&p->module_full, 0);
	store_relaxed(&p->spill_full, 0);
	store_relaxed(&p->allocated, 0);
	store_relaxed(&p->counting, 0);
	store_relaxed(&p->pid, 0); /* a successor of this collector sees that it is done: process_state.c */
	store_release(&p->state, ABI_PROC_FREE); /* O, pairs with P */
}
