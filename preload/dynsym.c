/* preload/dynsym.c - see dynsym.h.
 *
 * glibc relocates the addresses of a dynamic section in place, but not in objects whose section is read-only (the
 * vdso): an address below the object's own is taken for an offset. */
#include "preload/dynsym.h"

#include <stddef.h>
#include <stdint.h>

#define VERSION_HIDDEN 0x8000u

struct tables {
	const char *strings;
	const ElfW(Sym) * symbols;
	const ElfW(Half) * versions;
	const uint32_t *gnu, *sysv;
	const ElfW(Rela) * relocations, *calls;
	size_t relocations_size, calls_size;
	uintptr_t soname;
	bool has_soname;
};

static const void *address(const struct link_map *map, const ElfW(Dyn) * d)
{
	uintptr_t at = d->d_un.d_ptr;

	return (const void *)(at < map->l_addr ? at + map->l_addr : at);
}

static void read_tables(const struct link_map *map, struct tables *t)
{
	*t = (struct tables){ 0 };
	for (const ElfW(Dyn) *d = map->l_ld; d && d->d_tag != DT_NULL; d++)
		switch (d->d_tag) {
		case DT_STRTAB:
			t->strings = address(map, d);
			break;
		case DT_SYMTAB:
			t->symbols = address(map, d);
			break;
		case DT_VERSYM:
			t->versions = address(map, d);
			break;
		case DT_GNU_HASH:
			t->gnu = address(map, d);
			break;
		case DT_HASH:
			t->sysv = address(map, d);
			break;
		case DT_RELA:
			t->relocations = address(map, d);
			break;
		case DT_RELASZ:
			t->relocations_size = d->d_un.d_val;
			break;
		case DT_JMPREL:
			t->calls = address(map, d);
			break;
		case DT_PLTRELSZ:
			t->calls_size = d->d_un.d_val;
			break;
		case DT_SONAME:
			t->soname = d->d_un.d_val;
			t->has_soname = true;
			break;
		}
}

const char *dynsym_soname(const struct link_map *map)
{
	struct tables t;

	read_tables(map, &t);
	return t.strings && t.has_soname ? t.strings + t.soname : NULL;
}

static bool is_called(const struct tables *t, uint32_t i, const char *name)
{
	const char *have = t->strings + t->symbols[i].st_name;
	size_t k = 0;

	while (have[k] && have[k] == name[k])
		k++;
	return have[k] == name[k];
}

static bool is_definition(const struct tables *t, uint32_t i, const char *name)
{
	const ElfW(Sym) *s = &t->symbols[i];

	if (s->st_shndx == SHN_UNDEF || s->st_value == 0 || ELF64_ST_BIND(s->st_info) == STB_LOCAL ||
	    (t->versions && t->versions[i] & VERSION_HIDDEN))
		return false;
	return is_called(t, i, name);
}

static uint32_t gnu_hash(const char *name)
{
	uint32_t h = 5381;

	for (; *name; name++)
		h = h * 33 + (unsigned char)*name;
	return h;
}

static uint32_t sysv_hash(const char *name)
{
	uint32_t h = 0;

	for (; *name; name++) {
		h = (h << 4) + (unsigned char)*name;
		h ^= h >> 24 & 0xf0;
		h &= 0x0fffffff;
	}
	return h;
}

static const ElfW(Sym) * find_gnu(const struct tables *t, const char *name)
{
	uint32_t buckets = t->gnu[0], first = t->gnu[1], words = t->gnu[2], shift = t->gnu[3], h = gnu_hash(name),
		 i;
	const uint64_t *bloom = (const uint64_t *)(const void *)(t->gnu + 4);
	const uint32_t *bucket = (const uint32_t *)(const void *)(bloom + words), *chain = bucket + buckets;
	uint64_t word = words ? bloom[h / 64 & (words - 1)] : 0;

	if (!buckets || !(word >> h % 64 & word >> (h >> shift) % 64 & 1))
		return NULL;
	for (i = bucket[h % buckets]; i >= first; i++) {
		uint32_t c = chain[i - first];

		if ((c | 1) == (h | 1) && is_definition(t, i, name))
			return &t->symbols[i];
		if (c & 1)
			break;
	}
	return NULL;
}

static const ElfW(Sym) * find_sysv(const struct tables *t, const char *name)
{
	uint32_t buckets = t->sysv[0];
	const uint32_t *bucket = t->sysv + 2, *chain = bucket + buckets;

	for (uint32_t i = buckets ? bucket[sysv_hash(name) % buckets] : 0; i; i = chain[i])
		if (is_definition(t, i, name))
			return &t->symbols[i];
	return NULL;
}

const ElfW(Sym) * dynsym_find(const struct link_map *map, const char *name)
{
	struct tables t;

	read_tables(map, &t);
	if (!t.strings || !t.symbols)
		return NULL;
	return t.gnu ? find_gnu(&t, name) : t.sysv ? find_sysv(&t, name) : NULL;
}

/* Programs that export nothing: then the table does not tell where the imports end. */
static bool is_empty(const uint32_t *gnu)
{
	const uint32_t *bucket = gnu + 4 + 2 * (size_t)gnu[2];

	for (uint32_t i = 0; i < gnu[0]; i++)
		if (bucket[i])
			return false;
	return true;
}

static uint32_t symbols_of(const ElfW(Rela) * r, size_t size)
{
	uint32_t n = 0;

	for (const ElfW(Rela) *end = r + (r ? size / sizeof(*r) : 0); r < end; r++)
		if (ELF64_R_SYM(r->r_info) >= n)
			n = (uint32_t)ELF64_R_SYM(r->r_info) + 1;
	return n;
}

/* What is imported stands before the first symbol of a GNU hash table, or anywhere among those of the old one. */
static uint32_t imports_end(const struct tables *t)
{
	uint32_t n, calls;

	if (!t->gnu || !is_empty(t->gnu))
		return t->gnu ? t->gnu[1] : t->sysv ? t->sysv[1] : 0;
	n = symbols_of(t->relocations, t->relocations_size);
	calls = symbols_of(t->calls, t->calls_size);
	return n > calls ? n : calls;
}

bool dynsym_imports(const struct link_map *map, const char *name)
{
	struct tables t;
	uint32_t n;

	read_tables(map, &t);
	n = t.strings && t.symbols ? imports_end(&t) : 0;
	for (uint32_t i = 1; i < n; i++)
		if (t.symbols[i].st_shndx == SHN_UNDEF && is_called(&t, i, name))
			return true;
	return false;
}
