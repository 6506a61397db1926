/* preload/cxx.c - see cxx.h: names, decision, and the exports that are taken back. */
#include "preload/cxx.h"

#include <link.h>
#include <sys/mman.h>

#include "preload/dynsym.h"
#include "preload/real.h"
#include "preload/sys.h"

#define PAGE 4096u

struct cxx cxx;

const char *const cxx_new_names[CXX_NEWS] = {
	"_Znwm",
	"_Znam",
	"_ZnwmRKSt9nothrow_t",
	"_ZnamRKSt9nothrow_t",
	"_ZnwmSt11align_val_t",
	"_ZnamSt11align_val_t",
	"_ZnwmSt11align_val_tRKSt9nothrow_t",
	"_ZnamSt11align_val_tRKSt9nothrow_t",
};

const char *const cxx_delete_names[CXX_DELETES] = {
	"_ZdlPv",
	"_ZdaPv",
	"_ZdlPvRKSt9nothrow_t",
	"_ZdaPvRKSt9nothrow_t",
	"_ZdlPvm",
	"_ZdaPvm",
	"_ZdlPvSt11align_val_t",
	"_ZdaPvSt11align_val_t",
	"_ZdlPvSt11align_val_tRKSt9nothrow_t",
	"_ZdaPvSt11align_val_tRKSt9nothrow_t",
	"_ZdlPvmSt11align_val_t",
	"_ZdaPvmSt11align_val_t",
};

/* --- deciding ------------------------------------------------------------------------------------------------ */

static cxx_new *as_new(const void *symbol)
{
	cxx_new *f;

	*(const void **)&f = symbol; /* pedantic C has no such cast */
	return f;
}

static cxx_delete *as_delete(const void *symbol)
{
	cxx_delete *f;

	*(const void **)&f = symbol;
	return f;
}

static void decide_new(uint32_t i)
{
	struct real_next next = real_next(cxx_new_names[i]);

	store_relaxed(real_owns(&next) ? &cxx.next_new[i] : &cxx.forward_new[i], as_new(next.symbol));
}

static void decide_delete(uint32_t i)
{
	struct real_next next = real_next(cxx_delete_names[i]);

	store_relaxed(real_owns(&next) ? &cxx.counted_delete[i] : &cxx.forward_delete[i], as_delete(next.symbol));
}

/* --- taking exports back ------------------------------------------------------------------------------------- */

/* Our own symbol entries that are to go, and the pages they lie on. */
struct retired {
	ElfW(Sym) * entries[CXX_NEWS + CXX_DELETES];
	uint32_t n;
	uintptr_t start, end;
};

static void retire(struct retired *r, const char *name)
{
	ElfW(Sym) *entry = (ElfW(Sym) *)(uintptr_t)dynsym_find(real_self(), name);
	uintptr_t page = (uintptr_t)entry & ~(uintptr_t)(PAGE - 1);
	uintptr_t after = ((uintptr_t)(entry + 1) + PAGE - 1) & ~(uintptr_t)(PAGE - 1);

	if (!entry)
		return;
	if (!r->n || page < r->start)
		r->start = page;
	if (!r->n || after > r->end)
		r->end = after;
	r->entries[r->n++] = entry;
}

/* The loader passes over a symbol without a value.  Nobody else runs yet: this is the first constructor, or a
 * resolver before it.  It cannot fail where a program starts at all: the loader itself protects its tables in this
 * way. */
static void retract(void)
{
	struct retired r = { .n = 0 };

	for (uint32_t i = 0; i < CXX_NEWS; i++)
		if (!load_relaxed(&cxx.next_new[i]))
			retire(&r, cxx_new_names[i]);
	for (uint32_t i = 0; i < CXX_DELETES; i++)
		if (!load_relaxed(&cxx.counted_delete[i]))
			retire(&r, cxx_delete_names[i]);
	if (!r.n || sys_call3(SYS_mprotect, (long)r.start, (long)(r.end - r.start), PROT_READ | PROT_WRITE) < 0)
		return;
	while (r.n-- > 0) {
		r.entries[r.n]->st_value = 0;
		r.entries[r.n]->st_shndx = SHN_UNDEF;
	}
	sys_call3(SYS_mprotect, (long)r.start, (long)(r.end - r.start), PROT_READ);
}

void cxx_decide(void)
{
	bool any = real_next(cxx_new_names[0]).map || real_next(cxx_delete_names[0]).map;

	for (uint32_t i = 0; any && i < CXX_NEWS; i++)
		decide_new(i);
	for (uint32_t i = 0; any && i < CXX_DELETES; i++)
		decide_delete(i);
	retract();
}
