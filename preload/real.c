/* preload/real.c - see real.h.
 *
 * What a symbol would be bound to without us, and whose it is, is read from the objects' own tables in the loader's
 * order: that is what dlsym(RTLD_NEXT) does, but it allocates where it fails, and dladdr() looks at every symbol of
 * libc, each time: 0.1 ms of a program's start.  malloc, calloc, realloc, free and memalign
 * must have one owner; what else that owner lacks is composed from its own memalign, because libc's version would
 * hand out blocks that its free() cannot take. */
#include "preload/real.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/atomics.h"
#include "preload/cxx.h"
#include "preload/dynsym.h"

enum { UNDECIDED, DECIDING, DECIDED };

#define PAGE 4096u /* of valloc and pvalloc on the architectures we build for; aarch64 kernels may use more */

static _Atomic int state; /* DECIDED is stored with release (X) and read with acquire (Y) */
static const struct link_map *owner;
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

const struct link_map *real_self(void)
{
	static const struct link_map *self;
	struct link_map *map = NULL;
	Dl_info info;

	if (!self && dladdr1(&real, &info, (void **)&map, RTLD_DL_LINKMAP))
		self = map;
	return self;
}

/* Are these the first `n` bytes of the soname of `map`? */
static bool is_named(const struct link_map *map, const char *text, size_t n)
{
	const char *name = dynsym_soname(map);
	size_t i = 0;

	while (name && i < n && name[i] == text[i])
		i++;
	return i == n;
}

/* The kernel's object is in the loader's list, but nobody is bound to it. */
static bool is_vdso(const struct link_map *map)
{
	static const char prefix[] = "linux-vdso";

	return is_named(map, prefix, sizeof(prefix) - 1);
}

struct real_next real_next(const char *name)
{
	for (const struct link_map *map = real_self()->l_next; map; map = map->l_next) {
		const ElfW(Sym) *symbol = dynsym_find(map, name);

		if (!symbol || is_vdso(map))
			continue;
		if (ELF64_ST_TYPE(symbol->st_info) == STT_GNU_IFUNC)
			return (struct real_next){ map, dlsym(RTLD_NEXT, name) };
		return (struct real_next){ map, (const void *)(map->l_addr + symbol->st_value) };
	}
	return (struct real_next){ NULL, NULL };
}

bool real_owns(const struct real_next *next)
{
	return next->map && next->map == owner;
}

/* Pedantic C has no cast from object to function pointers; POSIX says their representation is the same. */
static void assign(void *entry, const void *symbol)
{
	if (symbol)
		*(const void **)entry = symbol;
}

static void assign_next(void *entry, const char *name)
{
	assign(entry, real_next(name).symbol);
}

/* What the family's owner has, else the composition. */
static void assign_or(void *entry, const char *name, void (*composed)(void))
{
	struct real_next next = real_next(name);

	if (mixed || real_owns(&next))
		assign(entry, next.symbol);
	else
		*(void (**)(void))entry = composed;
}

static void decide(void)
{
	static const struct {
		const char *name;
		void *entry;
	} others[] = {
		{ "calloc", &real.calloc },
		{ "realloc", &real.realloc },
		{ "free", &real.free },
		{ "memalign", &real.memalign },
	};
	const struct real_next next_malloc = real_next("malloc");

	owner = next_malloc.map;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		struct real_next next = real_next(others[i].name);

		mixed |= next.map != owner;
		assign(others[i].entry, next.symbol);
	}
	assign_next(&real.reallocarray, "reallocarray");
	assign_next(&real.dlclose, "dlclose");
	assign_or(&real.aligned_alloc, "aligned_alloc", (void (*)(void))composed_aligned_alloc);
	assign_or(&real.posix_memalign, "posix_memalign", (void (*)(void))composed_posix_memalign);
	assign_or(&real.valloc, "valloc", (void (*)(void))composed_valloc);
	assign_or(&real.pvalloc, "pvalloc", (void (*)(void))composed_pvalloc);
	cxx_decide();
	assign(&real.malloc, next_malloc.symbol); /* last: its hook tests it first */
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

	return is_named(map, ours, sizeof(ours)); /* to its end: the NUL, too */
}

static bool has_rival(const struct link_map *self)
{
	for (const struct link_map *map = self->l_prev; map; map = map->l_prev)
		if (is_rival(map))
			return true;
	return false;
}

/* The program itself: the first in the loader's list. */
static const struct link_map *first_object(void)
{
	const struct link_map *map = real_self();

	while (map->l_prev)
		map = map->l_prev;
	return map;
}

/* The object that the program is bound to for `name`, or NULL: it is ours.  By the objects' own tables: dlsym()
 * answers for a program that is not position independent with a PLT entry of its own, whoever stands in front. */
static const struct link_map *front_of(const char *name, const struct link_map *self)
{
	const struct link_map *map = first_object();

	while (map && !dynsym_find(map, name))
		map = map->l_next;
	return map != self ? map : NULL;
}

void real_survey(struct real_survey *ret)
{
	static const char *const family[] = { "malloc", "calloc", "realloc", "free" };
	const struct link_map *self = real_self();

	*ret = (struct real_survey){ .path = owner ? owner->l_name : "", .rival = has_rival(self) };
	if (&sanitizer_address || &sanitizer_thread || &sanitizer_memory || &sanitizer_leak)
		ret->status = HELLO_SANITIZER;
	else if (mixed)
		ret->status = HELLO_MIXED_ALLOCATORS;
	for (size_t i = 0; i < ARRAY_SIZE(family); i++) {
		const struct link_map *front = front_of(family[i], self);

		if (!front)
			continue;
		ret->path = front->l_name; /* "" for the program */
		if (ret->status == HELLO_ACTIVE)
			ret->status = *front->l_name ? HELLO_BEHIND_ANOTHER : HELLO_EXE_DEFINES_MALLOC;
		return;
	}
}

static const struct link_map *libc_map(void)
{
	return real_next("gnu_get_libc_version").map;
}

/* Not by dlopen(): our constructor runs before libc's own (-z initfirst), and dlopen() would run that one at once,
 * without arguments and environment. */
void *real_libc(const char *name)
{
	struct real_next next = real_next(name);

	return next.map && next.map == libc_map() ? (void *)(uintptr_t)next.symbol : NULL;
}

bool real_imported(const char *name)
{
	const struct link_map *self = real_self(), *libc = libc_map();

	for (const struct link_map *map = first_object(); map; map = map->l_next)
		if (map != self && map != libc && dynsym_imports(map, name))
			return true;
	return false;
}
