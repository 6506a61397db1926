/* preload/tally.c - see tally.h. */
#include "preload/tally.h"

#include <pthread.h>

#include "preload/attach.h"
#include "preload/real.h"

#define KEYS 32u /* those that need no memory */

static int (*set_specific)(pthread_key_t, const void *); /* NULL: ends of threads are not seen */
static pthread_key_t key;

/* Like an event: a handler may fork meanwhile, and its child must not write in its parent's name. */
static struct abi_proc *open_entry(uint32_t holder, uint16_t *ret_was_writing)
{
	*ret_was_writing = sampler.writing;
	sampler.writing = 1;
	fence_signal();
	return attach_still(holder) ? &attach.region.procs[holder - 1] : NULL;
}

static void close_entry(uint16_t was_writing)
{
	fence_signal();
	sampler.writing = was_writing;
}

static void add_passed(struct abi_proc *p)
{
	uint64_t n = sampler.passed;

	sampler.passed = 0;
	add_relaxed(&p->allocated, n);
}

static void begin(struct abi_proc *p, uint32_t holder)
{
	sampler.told = holder;
	add_relaxed(&p->counting, 1);
	if (set_specific)
		set_specific(key, &sampler);
}

COLD NOINLINE void tally_tell(uint32_t holder)
{
	uint16_t was_writing;
	struct abi_proc *p = open_entry(holder, &was_writing);

	if (p) {
		add_passed(p);
		if (sampler.told != holder && !sampler.ending)
			begin(p, holder);
	}
	close_entry(was_writing);
}

void tally_end(void)
{
	uint32_t holder = attach_holder(), told = sampler.told;
	uint16_t was_writing;
	struct abi_proc *p;

	sampler_end(&sampler);
	sampler.told = 0;
	if (!holder || told != holder)
		return;
	p = open_entry(holder, &was_writing);
	if (p) {
		add_passed(p);
		sub_relaxed(&p->counting, 1);
	}
	close_entry(was_writing);
}

static void on_thread_end(void *arg)
{
	(void)arg;
	tally_end();
}

void tally_init(void)
{
	int (*make)(pthread_key_t *, void (*)(void *));
	int (*discard)(pthread_key_t);

	*(void **)&make = real_libc("pthread_key_create");
	*(void **)&discard = real_libc("pthread_key_delete");
	*(void **)&set_specific = real_libc("pthread_setspecific");
	if (!make || !discard || !set_specific || make(&key, on_thread_end)) {
		set_specific = NULL;
	} else if (key >= KEYS) {
		discard(key);
		set_specific = NULL;
	}
}
