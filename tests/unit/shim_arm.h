/* tests/unit/shim_arm.h - make this process a traced one, against any region: what the constructor does at its end.
 *
 * Once per process, from one thread; Criterion gives each test a process of its own.  Any failure ends the test. */
#pragma once

#include <sys/mman.h>

#include <criterion/criterion.h>

#include "common/spill.h"
#include "preload/attach.h"
#include "preload/live.h"
#include "preload/real.h"

static struct attach_page *page;
static _Atomic uint32_t *word; /* the armed word */

static inline void arm(const struct abi_region *r)
{
	cr_assert_eq(live_init(7168), 0);
	cr_assert(spill_reserve(r, 0));
	cr_assert(real_ready());
	page = mmap(NULL, ABI_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cr_assert_eq(madvise(page, ABI_PAGE, MADV_WIPEONFORK), 0);
	word = &page->holder;
	attach.region = *r;
	store_relaxed(word, 1);
	store_relaxed(&attach.over, 1);
	store_release(&attach.armed, page); /* V, pairs with W */
}
