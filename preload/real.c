/* preload/real.c - see real.h.
 *
 * Who owns a symbol is told by its link map (dladdr1), not by names.  malloc, calloc, realloc, free and memalign
 * must have one owner; what else that owner lacks is composed from its own memalign, because libc's version would
 * hand out blocks that its free() cannot take. */
#include "preload/real.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/atomics.h"

enum { UNDECIDED, DECIDING, DECIDED };

#define PAGE 4096u /* of valloc and pvalloc on the architectures we build for; aarch64 kernels may use more */

static _Atomic int state; /* DECIDED is stored with release (X) and read with acquire (Y) */
static struct link_map *owner;
static bool mixed;

/* Visible exactly if the runtime is in the process; weak, so nothing is looked up by name. */
extern char sanitizer_address __asm__("__asan_init") __attribute__((weak));
extern char sanitizer_thread __asm__("__tsan_init") __attribute__((weak));
extern char sanitizer_memory __asm__("__msan_init") __attribute__((weak));
extern char sanitizer_leak __asm__("__lsan_init") __attribute__((weak));

/* --- before the decision ------------------------------------------------------------------------------------- */

/* While somebody decides, a foreign block's size is unknown and its owner too: failing keeps it intact. */
static void *first_realloc(void *p, size_t size)
{
	return real_ready() ? real.realloc(p, size) : NULL;
}

/* Likewise: losing a block beats giving it to the wrong allocator. */
static void first_free(void *p)
{
	if (real_ready())
		real.free(p);
}

static int first_dlclose(void *handle)
{
	return real_ready() ? real.dlclose(handle) : -1;
}

struct real real = { .realloc = first_realloc, .free = first_free, .dlclose = first_dlclose };

/* --- composed from the owner's memalign ---------------------------------------------------------------------- */

static void *composed_aligned_alloc(size_t align, size_t size)
{
	return real.memalign(align, size);
}

static int composed_posix_memalign(void **ret, size_t align, size_t size)
{
	int saved = errno;
	void *p;

	if (align % sizeof(void *) || align & (align - 1) || align == 0)
		return EINVAL;
	p = real.memalign(align, size);
	errno = saved;
	if (!p)
		return ENOMEM;
	*ret = p;
	return 0;
}

static void *composed_valloc(size_t size)
{
	return real.memalign(PAGE, size);
}

static void *composed_pvalloc(size_t size)
{
	return real.memalign(PAGE, size > SIZE_MAX - PAGE ? size : (size + PAGE - 1) & ~(size_t)(PAGE - 1));
}

/* --- deciding ------------------------------------------------------------------------------------------------ */

static struct link_map *owner_of(const void *symbol)
{
	struct link_map *map = NULL;
	Dl_info info;

	return symbol && dladdr1(symbol, &info, (void **)&map, RTLD_DL_LINKMAP) ? map : NULL;
}

/* dlsym() judges RTLD_NEXT by who calls it: this function must stay in this file. */
static void *next(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

/* Pedantic C has no cast from object to function pointers; POSIX says their representation is the same. */
static void assign(void *entry, const void *symbol)
{
	if (symbol)
		*(const void **)entry = symbol;
}

/* `symbol` if the family's owner has it, else the composition. */
static void assign_or(void *entry, const char *name, void (*composed)(void))
{
	void *symbol = next(name);

	if (mixed || owner_of(symbol) == owner)
		assign(entry, symbol);
	else
		*(void (**)(void))entry = composed;
}

static void decide(void)
{
	static const char *const core[] = { "malloc", "calloc", "realloc", "free", "memalign" };

	owner = owner_of(next("malloc"));
	for (size_t i = 0; i < ARRAY_SIZE(core); i++)
		mixed |= owner_of(next(core[i])) != owner;
	assign(&real.calloc, next("calloc"));
	assign(&real.realloc, next("realloc"));
	assign(&real.free, next("free"));
	assign(&real.memalign, next("memalign"));
	assign(&real.reallocarray, next("reallocarray"));
	assign(&real.dlclose, next("dlclose"));
	assign_or(&real.aligned_alloc, "aligned_alloc", (void (*)(void))composed_aligned_alloc);
	assign_or(&real.posix_memalign, "posix_memalign", (void (*)(void))composed_posix_memalign);
	assign_or(&real.valloc, "valloc", (void (*)(void))composed_valloc);
	assign_or(&real.pvalloc, "pvalloc", (void (*)(void))composed_pvalloc);
	assign(&real.malloc, next("malloc")); /* last: its hook tests it first */
}

/* Relocation turns this word from an offset in the file into its own address. */
static const volatile void *const volatile relocated = &relocated;

bool real_ready(void)
{
	int seen = UNDECIDED;

	if (LIKELY(load_acquire(&state) == DECIDED)) /* Y, pairs with X */
		return true;
	if (relocated != &relocated || !cas_acquire(&state, &seen, DECIDING))
		return seen == DECIDED;
	decide();
	store_release(&state, DECIDED); /* X, pairs with Y */
	return true;
}

/* --- what the handshake tells -------------------------------------------------------------------------------- */

/* Is `map` another copy of this library?  By soname: the path may be anything. */
static bool is_rival(const struct link_map *map)
{
	static const char ours[] = "libheaptap.so";
	uintptr_t strings = 0, name = 0;
	size_t i = 0;

	for (const ElfW(Dyn) *d = map->l_ld; d->d_tag != DT_NULL; d++) {
		if (d->d_tag == DT_STRTAB)
			strings = d->d_un.d_ptr;
		if (d->d_tag == DT_SONAME)
			name = d->d_un.d_val;
	}
	if (!strings || !name)
		return false;
	if (strings < map->l_addr) /* the vdso is not relocated in place */
		strings += map->l_addr;
	while (i < sizeof(ours) && ((const char *)strings)[name + i] == ours[i])
		i++;
	return i == sizeof(ours);
}

static bool has_rival(const struct link_map *self)
{
	for (const struct link_map *map = self->l_prev; map; map = map->l_prev)
		if (is_rival(map))
			return true;
	return false;
}

/* The object whose `name` the program is bound to.  A program that is not position independent may answer with a
 * PLT entry of its own for what it does not define: NULL then, nothing is known to stand in front of us. */
static const struct link_map *front_of(const char *name)
{
	const void *symbol = dlsym(RTLD_DEFAULT, name);
	const ElfW(Sym) *entry = NULL;
	Dl_info info;

	if (!symbol || !dladdr1(symbol, &info, (void **)&entry, RTLD_DL_SYMENT))
		return NULL;
	return entry && entry->st_shndx == SHN_UNDEF ? NULL : owner_of(symbol);
}

void real_survey(struct real_survey *ret)
{
	static const char *const family[] = { "malloc", "calloc", "realloc", "free" };
	const struct link_map *self = owner_of((const void *)&real);

	*ret = (struct real_survey){ .path = owner ? owner->l_name : "", .rival = has_rival(self) };
	if (&sanitizer_address || &sanitizer_thread || &sanitizer_memory || &sanitizer_leak)
		ret->status = HELLO_SANITIZER;
	else if (mixed)
		ret->status = HELLO_MIXED_ALLOCATORS;
	for (size_t i = 0; i < ARRAY_SIZE(family); i++) {
		const struct link_map *front = front_of(family[i]);

		if (!front || front == self)
			continue;
		ret->path = front->l_name; /* "" for the program */
		if (ret->status == HELLO_ACTIVE)
			ret->status = HELLO_EXE_DEFINES_MALLOC;
		return;
	}
}

/* Not by dlopen(): our constructor runs before libc's own (-z initfirst), and dlopen() would run that one at once,
 * without arguments and environment. */
void *real_libc(const char *name)
{
	void *symbol = next(name);

	return owner_of(symbol) == owner_of(next("gnu_get_libc_version")) ? symbol : NULL;
}
