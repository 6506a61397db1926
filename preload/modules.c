/* preload/modules.c - the process's own list of known objects beside the shared module table; see modules.h.
 *
 * The list is append-only.  Letters, for this file only:
 *   write entry; store_release(ready)  (P)    load_acquire(ready)  (Q)
 *     P pairs with Q: whoever sees `ready` sees the entry; afterwards only `epoch` changes.
 * Two threads that meet a new object at once may both append and publish it: two equal entries, both right.
 *
 * An object is recognized by its load bias and its .eh_frame_hdr.  After a dlclose another one may stand there, so
 * an entry of an older epoch is compared by path and build-id before it is believed again. */
#include "preload/modules.h"

#include <dlfcn.h>
#include <fcntl.h>

#include "common/compiler.h"
#include "preload/elfimage.h"
#include "preload/sys.h"

#define KNOWN_MAX 2048u
#define PATH_SIZE 4096u

#pragma weak _dl_find_object

struct known {
	_Atomic uint32_t ready; /* (P, Q) */
	_Atomic uint32_t epoch; /* last time it was found to be what it is */
	uintptr_t start, end, bias;
	const void *map;   /* the loader's entry at `start`, to see whether it is gone */
	uint64_t identity; /* hash of path and build-id */
	struct cfi_image image;
};

static struct {
	const struct abi_region *region;
	_Atomic uint32_t n;
	struct known known[KNOWN_MAX];
	char exe[PATH_SIZE]; /* the program itself: the loader calls it "" */
	uint32_t exe_len;
	/* Where the process started, with a slash: libraries may be loaded by relative paths.  After a chdir() the
	 * guess may be wrong; then the build-id tells. */
	char cwd[PATH_SIZE];
	uint32_t cwd_len;
} modules;

/* An object as it was just found in memory. */
struct found {
	struct cfi_image image;
	struct module_info info;
	const char *path;
	uint32_t path_len;
};

uint32_t modules_epoch(void)
{
	return load_relaxed(&modules.region->cursors->epoch);
}

static uint64_t identity_of(const struct found *f)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (uint32_t i = 0; i < f->path_len; i++)
		h = (h ^ (uint8_t)f->path[i]) * 0x100000001b3ull;
	for (uint32_t i = 0; i < f->info.build_id_len; i++)
		h = (h ^ f->info.build_id[i]) * 0x100000001b3ull;
	return h;
}

/* The loader's names for the program itself and for the kernel's object are not paths: give them their own. */
static void set_path(struct found *f, const char *name)
{
	static const char vdso[] = "linux-vdso.so.1";
	uint32_t n = 0;

	while (n < sizeof(vdso) && name[n] == vdso[n])
		n++;
	if (n >= sizeof(vdso)) {
		name = "[vdso]";
	} else if (name[0] == '\0') {
		f->path = modules.exe;
		f->path_len = modules.exe_len;
		return;
	}
	f->path = name;
	f->path_len = 0;
	while (f->path_len < PATH_SIZE && name[f->path_len])
		f->path_len++;
}

/* Objects that found no room in the list: without CFI, and counted. */
static const struct cfi_image unknown = { .hdr = NULL };

/* The loader's entry for the object at `pc`; NULL: none, or no way to know. */
static const void *loaded_at(uintptr_t pc)
{
	struct dl_find_object o;

	return _dl_find_object && _dl_find_object((void *)pc, &o) == 0 ? o.dlfo_link_map : NULL;
}

/* By its absolute path. */
static bool publish(const struct found *f)
{
	const char *path = f->path;
	uint32_t len = f->path_len;
	bool relative = len && path[0] != '/' && path[0] != '[';

	if (relative && len > 2 && path[0] == '.' && path[1] == '/')
		path += 2, len -= 2;
	return module_publish_in(modules.region, &f->info, modules.cwd, relative ? modules.cwd_len : 0, path, len);
}

/* Append to the list and to the shared table. */
static const struct cfi_image *learn(const struct found *f)
{
	struct known *k;
	uint32_t i = KNOWN_MAX;

	if (load_relaxed(&modules.n) < KNOWN_MAX)
		i = add_relaxed(&modules.n, 1);
	if (i >= KNOWN_MAX || !publish(f))
		add_relaxed(&modules.region->procs[0].module_full, 1);
	if (i >= KNOWN_MAX)
		return &unknown;
	k = &modules.known[i];
	k->start = f->info.start;
	k->end = f->info.end;
	k->bias = f->info.bias;
	k->map = loaded_at(k->start);
	k->identity = identity_of(f);
	k->image = f->image;
	store_relaxed(&k->epoch, f->info.epoch);
	store_release(&k->ready, 1); /* P, pairs with Q */
	return &k->image;
}

/* The ready entry number `i`, or NULL. */
static struct known *known_at(uint32_t i)
{
	struct known *k = &modules.known[i];

	return load_acquire(&k->ready) ? k : NULL; /* Q, pairs with P */
}

static uint32_t known_count(void)
{
	uint32_t n = load_relaxed(&modules.n);

	return n < KNOWN_MAX ? n : KNOWN_MAX;
}

/* Only objects met in this epoch count: no rule and no stack of it speaks of another.  So a program that opens and
 * closes what stays loaded, or what never allocates, starts no epoch, and its stacks keep their ids. */
bool modules_unloaded(void)
{
	uint32_t epoch = modules_epoch();
	bool gone = !_dl_find_object;

	for (uint32_t i = known_count(); i-- > 0 && !gone;) {
		const struct known *k = known_at(i);

		gone = k && load_relaxed(&k->epoch) == epoch && k->map != loaded_at(k->start);
	}
	if (gone)
		add_relaxed(&modules.region->cursors->epoch, 1);
	return gone;
}

/* Newest first: after address reuse the younger entry is the one that holds. */
static struct known *find_known(uintptr_t pc, uintptr_t bias, const void *hdr)
{
	for (uint32_t i = known_count(); i-- > 0;) {
		struct known *k = known_at(i);

		if (k && pc >= k->start && pc < k->end && k->bias == bias && k->image.hdr == hdr)
			return k;
	}
	return NULL;
}

/* Is `k`, known from an older epoch, still what stands there? */
static bool confirm(struct known *k, const struct found *f)
{
	if (k->identity != identity_of(f))
		return false;
	store_relaxed(&k->epoch, f->info.epoch);
	return true;
}

/* Look at the object that the loader says is at `o`: its headers bound all that is read of it later. */
static NOINLINE const struct cfi_image *meet(const struct dl_find_object *o, struct known *k)
{
	struct elf_object elf = { .bias = o->dlfo_link_map->l_addr,
				  .start = (uintptr_t)o->dlfo_map_start,
				  .end = (uintptr_t)o->dlfo_map_end };
	struct found f;

	elf.n = elf_headers(elf.start, &elf.phdrs);
	if (!elf_image(&elf, &f.image, &f.info) || f.image.hdr != o->dlfo_eh_frame) {
		f.image.hdr = o->dlfo_eh_frame; /* with no segment: recognized, never read */
		f.image.n_segments = 0;
		f.info.start = elf.start;
		f.info.end = elf.end;
		f.info.build_id_len = 0;
	}
	f.info.epoch = modules_epoch();
	set_path(&f, o->dlfo_link_map->l_name);
	return k && confirm(k, &f) ? &k->image : learn(&f);
}

static const struct cfi_image *find_loaded(uintptr_t pc)
{
	struct dl_find_object o;
	struct known *k;

	if (_dl_find_object((void *)pc, &o) != 0)
		return NULL;
	k = find_known(pc, o.dlfo_link_map->l_addr, o.dlfo_eh_frame);
	return k && load_relaxed(&k->epoch) == modules_epoch() ? &k->image : meet(&o, k);
}

static const struct cfi_image *find_at_start(uintptr_t pc)
{
	for (uint32_t i = known_count(); i-- > 0;) {
		const struct known *k = known_at(i);

		if (k && pc >= k->start && pc < k->end)
			return &k->image;
	}
	return NULL;
}

const struct cfi_image *modules_find(uintptr_t pc)
{
	return _dl_find_object ? find_loaded(pc) : find_at_start(pc);
}

static int learn_at_start(struct dl_phdr_info *info, size_t size, void *unused)
{
	const struct elf_object elf = { info->dlpi_phdr, info->dlpi_phnum, info->dlpi_addr, 0, UINTPTR_MAX };
	struct found f;

	(void)size;
	(void)unused;
	f.info.epoch = modules_epoch();
	if (elf_image(&elf, &f.image, &f.info)) {
		set_path(&f, info->dlpi_name);
		learn(&f);
	}
	return 0;
}

static uint32_t read_link(const char *link, char *to)
{
	long n = sys_call6(SYS_readlinkat, AT_FDCWD, (long)link, (long)to, PATH_SIZE - 1, 0, 0);

	return n > 0 ? (uint32_t)n : 0;
}

void modules_init(const struct abi_region *region)
{
	modules.exe_len = read_link("/proc/self/exe", modules.exe);
	modules.cwd_len = read_link("/proc/self/cwd", modules.cwd);
	if (modules.cwd_len > 1)
		modules.cwd[modules.cwd_len++] = '/';
	modules.region = region;
	dl_iterate_phdr(learn_at_start, NULL);
}
