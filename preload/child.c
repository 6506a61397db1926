/* preload/child.c - see child.h.
 *
 * fork()'s handlers run on the only thread there is, so they may write ordinary memory; they only take note.  The
 * telling goes through the live table once.  Entries carry the mark of the process that made them, so what another
 * thread of the child allocates meanwhile is told apart; one that frees looks how far the telling has come, and
 * tells of its block itself if need be.  Blocks at T = 1 are told one by one up to a limit, then by stack. */
#include "preload/child.h"

#include <pthread.h>
#include <sys/mman.h>

#include "common/proctab.h"
#include "preload/emit.h"
#include "preload/sampler.h"
#include "preload/sys.h"
#include "preload/unwind.h"

#define SINGLY (16u << 10) /* blocks told one by one, with their sizes and times */
#define SUMS (8u << 10)    /* stacks added up at a time */

/* Ordinary memory: a child has its parent's. */
static struct {
	uint32_t ordinal;             /* of the nearest ancestor that is recorded, this process included */
	uint32_t own_pid, parent_pid; /* of this process */
	uint64_t forked_ns;
	bool heritable; /* the process that forks is recorded, or would be */
	uint8_t mark;   /* of this process */
} self;

static struct sum {
	uint64_t blocks, bytes;
	uint32_t stack;
	uint32_t teller; /* whose sum: others are left over from an ancestor that was forked while it told */
} sums[SUMS];

static struct attach_page *page(void)
{
	return load_acquire(&attach.armed); /* W, pairs with V */
}

static uint32_t state(void)
{
	return page() ? load_acquire(&page()->child) : CHILD_NONE; /* who sees it move sees the holder */
}

/* In the parent, before fork(). */
static void prepare(void)
{
	uint32_t s = state();

	self.heritable = page() && (load_relaxed(&page()->holder) || (s != CHILD_NONE && s != CHILD_REFUSED));
}

/* fork() was called by a handler in the middle of an event, and the child will finish what its parent does: with
 * memory of its own, then, in place of the region. */
static void leave_region(void)
{
	const struct abi_header *h = attach.region.header;

	add_relaxed(&attach.region.cursors->refused, 1);
	sys_call6(SYS_mmap, (long)h, (long)h->region_size, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

/* 0 is the program's own.  When marks begin again there must be no old ones. */
static void take_mark(void)
{
	if (++self.mark)
		return;
	live_unmark();
	self.mark = 1;
}

/* In the child. */
static void note(void)
{
	uint32_t tid = attach_tid();

	if (!self.heritable || !tid || load_relaxed(&page()->holder))
		return;
	if (sampler.writing) {
		leave_region();
		return;
	}
	self.parent_pid = self.own_pid;
	self.own_pid = tid;
	self.forked_ns = attach_now();
	take_mark();
	attach.stream = (attach.stream ^ tid) * 0x9e3779b1u + (uint32_t)(self.forked_ns >> 20);
	unwind_forked();
	sampler_forked(&sampler);
	store_relaxed(&page()->child, CHILD_FRESH);
}

void child_init(uint32_t pid, uint32_t ordinal)
{
	self.own_pid = pid;
	self.ordinal = ordinal;
	/* Allocates only for the 49th handler, and this is the first.  Failing, children stay passive. */
	pthread_atfork(prepare, NULL, note);
}

bool child_is_fresh(void)
{
	return UNLIKELY(state() == CHILD_FRESH) && !load_relaxed(&attach.region.control->detached) &&
	       !load_relaxed(&attach.region.control->no_follow);
}

/* --- telling ------------------------------------------------------------------------------------------------- */

struct teller {
	uint32_t holder;
	uint32_t n; /* blocks told one by one */
};

static void flush(const struct teller *t, struct sum *s)
{
	if (s->teller == self.own_pid && s->blocks)
		emit_inherited_many(t->holder, s->stack, s->blocks, s->bytes);
	*s = (struct sum){ .teller = self.own_pid };
}

static void add_up(const struct teller *t, const struct live_entry *e)
{
	struct sum *s = &sums[e->stack % SUMS];

	if (s->teller != self.own_pid || s->stack != e->stack)
		flush(t, s);
	s->stack = e->stack;
	s->blocks++;
	s->bytes += e->size;
}

static void tell(const struct live_entry *e, void *arg)
{
	struct teller *t = arg;

	if (e->mark == self.mark)
		return;
	if (e->rate == 1 && t->n >= SINGLY) {
		add_up(t, e);
		return;
	}
	t->n++;
	emit_inherited(t->holder, e);
}

static void miss(uintptr_t p, void *arg)
{
	uint32_t n = load_relaxed(&page()->n_missed);

	(void)arg;
	if (n == ARRAY_SIZE(page()->missed))
		return;
	store_relaxed(&page()->missed[n], p);
	store_relaxed(&page()->n_missed, n + 1);
}

static void tell_all(uint32_t holder)
{
	struct teller t = { .holder = holder };

	live_each(&(struct live_walk){ .turns = &page()->told, .each = tell, .missed = miss, .arg = &t });
	for (uint32_t i = 0; t.n >= SINGLY && i < SUMS; i++)
		flush(&t, &sums[i]);
}

/* --- beginning ----------------------------------------------------------------------------------------------- */

/* The holder from now on: ours, or that of a thread that was faster.  No thread waits for another, which may have
 * been stopped at any point. */
static uint32_t claim(void)
{
	const struct abi_region *r = &attach.region;
	const struct proc_info me = { .pid = self.own_pid,
				      .parent = self.ordinal,
				      .parent_pid = self.parent_pid,
				      .start_ns = self.forked_ns,
				      .own_space = live_space() };
	uint32_t holder = 0;
	int ordinal = proc_take(r, &me);

	if (ordinal < 0)
		return attach_holder();
	if (!cas_acq_rel(&page()->holder, &holder, (uint32_t)ordinal + 1)) { /* Z, pairs with A' */
		proc_give_back(r, (uint32_t)ordinal);
		return holder;
	}
	self.ordinal = (uint32_t)ordinal;
	proc_activate(r, (uint32_t)ordinal);
	return (uint32_t)ordinal + 1;
}

static COLD void begin(uint32_t *ret_holder)
{
	uint32_t fresh = CHILD_FRESH, holder = attach_holder();

	if (!holder && child_is_fresh())
		holder = claim();
	*ret_holder = holder;
	/* One thread's job. */
	if (!cas_acq_rel(&page()->child, &fresh, holder ? CHILD_TELLING : CHILD_REFUSED) || !holder)
		return;
	tell_all(holder);
	store_relaxed(&page()->child, CHILD_TOLD);
}

uint32_t child_begin(void)
{
	uint32_t holder;

	begin(&holder);
	return holder;
}

static bool was_missed(uintptr_t p)
{
	for (uint32_t i = 0; i < load_relaxed(&page()->n_missed); i++)
		if (load_relaxed(&page()->missed[i]) == p)
			return true;
	return false;
}

/* Is this inherited block, whose entry we have just taken out, one that the telling will not find, or has not? */
static bool is_untold(const struct live_ref *ref)
{
	uint64_t place = live_place(ref), turn = LIVE_TURN(place, LIVE_OPEN), at;

	if (ref->entry.mark == self.mark)
		return false;
	fence_seq_cst(); /* Dekker, with live_each() */
	at = load_acquire(&page()->told.at);
	if (at < LIVE_AT(place))
		return true;
	if (at == LIVE_AT(place)) {
		if (cas_acq_rel(&page()->told.turn[ref->slot], &turn, LIVE_TURN(place, LIVE_TAKEN)))
			return true;
		if (turn >> 2 == place)
			return (turn & 3) == LIVE_MISSED;
	}
	return was_missed(ref->p);
}

uint32_t child_end_of(uint32_t holder, const struct live_ref *ref)
{
	uint32_t s = state();
	bool untold;

	if (LIKELY(s == CHILD_NONE) || s == CHILD_REFUSED ||
	    (holder && s == CHILD_TOLD && !load_relaxed(&page()->n_missed)))
		return holder;
	untold = is_untold(ref);
	if (!holder || s == CHILD_FRESH)
		begin(&holder);
	if (holder && untold)
		emit_inherited(holder, &ref->entry);
	return holder;
}

uint8_t child_mark(void)
{
	return self.mark;
}
