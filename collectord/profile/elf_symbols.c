/* collectord/profile/elf_symbols.c - see elf_symbols.h.
 *
 * libdwfl's own lookup walks the whole table for every address and answers with the nearest symbol; here the table
 * is sorted once and a symbol must cover the address.  Of several names for one address: a name other objects can
 * see before a local one, then fewer leading underscores ("malloc", not "__libc_malloc"), strong before weak. */
#include "collectord/profile/elf_symbols.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct symbol {
	uint64_t start, size;
	uint64_t reach; /* without size: to the end of its section */
	const char *name;
	uint8_t rank; /* lower is the better name for one start */
};

#define MAX_SYMBOLS (8 << 20)             /* of more the rest is not read: no program has so many */
#define MAX_ASSEMBLY ((uint64_t)64 << 10) /* a symbol without size reaches to the next one, at most this far */

static bool is_code(const GElf_Sym *sym, GElf_Word shndx)
{
	unsigned type = GELF_ST_TYPE(sym->st_info);

	if (shndx == SHN_UNDEF || shndx == SHN_ABS)
		return false;
	if (type == STT_FUNC || type == STT_GNU_IFUNC)
		return true;
	return type == STT_NOTYPE && GELF_ST_BIND(sym->st_info) != STB_LOCAL; /* hand-written assembly */
}

static uint8_t rank_of(const GElf_Sym *sym, const char *name)
{
	unsigned bind = GELF_ST_BIND(sym->st_info);
	size_t underscores = strspn(name, "_");

	return (uint8_t)((bind == STB_LOCAL ? 0x80 : 0) | (underscores < 15 ? underscores : 15) << 2 |
			 (bind == STB_WEAK ? 1 : 0));
}

static int compare_symbols(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (!x->size != !y->size)
		return x->size ? -1 : 1;
	return x->rank != y->rank ? x->rank - y->rank : strcmp(x->name, y->name);
}

/* How far a symbol without size can reach: "_init" is followed by another section, of the linkage table. */
static uint64_t reach_of(Elf *elf, const GElf_Sym *sym)
{
	Elf_Scn *section = elf && sym->st_shndx < SHN_LORESERVE ? elf_getscn(elf, sym->st_shndx) : NULL;
	uint64_t reach = MAX_ASSEMBLY;
	GElf_Shdr h;

	if (section && gelf_getshdr(section, &h) && sym->st_value >= h.sh_addr &&
	    sym->st_value - h.sh_addr < h.sh_size)
		reach = h.sh_size - (sym->st_value - h.sh_addr);
	return reach < MAX_ASSEMBLY ? reach : MAX_ASSEMBLY;
}

/* All functions of the module, sorted; of each start only the best name. */
static size_t read_symbols(Dwfl_Module *module, struct symbol *all, int n)
{
	size_t found = 0, kept = 0;

	for (int i = 1; i < n; i++) {
		GElf_Sym sym;
		GElf_Addr address;
		GElf_Word shndx;
		Elf *elf = NULL;
		const char *name = dwfl_module_getsym_info(module, i, &sym, &address, &shndx, &elf, NULL);

		if (name && *name && *name != '$' && is_code(&sym, shndx)) /* "$x": mapping symbols of ARM */
			all[found++] = (struct symbol){ address, sym.st_size, sym.st_size ? 0 : reach_of(elf, &sym),
							name, rank_of(&sym, name) };
	}
	qsort(all, found, sizeof(*all), compare_symbols);
	for (size_t i = 0; i < found; i++)
		if (!kept || all[kept - 1].start != all[i].start)
			all[kept++] = all[i];
	return kept;
}

static int add_symbols(struct elf_symbols *t, const struct symbol *all, size_t n)
{
	int r = 0;

	t->names = calloc(n + 1, sizeof(*t->names));
	if (!t->names)
		return -ENOMEM;
	for (size_t i = 0; i < n && !r; i++) {
		uint64_t gap = i + 1 < n ? all[i + 1].start - all[i].start : MAX_ASSEMBLY;
		uint64_t size = all[i].size ? all[i].size : gap < all[i].reach ? gap : all[i].reach;

		t->names[i] = all[i].name;
		r = spans_add(&t->spans, all[i].start, all[i].start + size, (uint32_t)i);
	}
	spans_sort(&t->spans);
	return r;
}

int elf_symbols_init(struct elf_symbols *t, Dwfl_Module *module)
{
	int n = dwfl_module_getsymtab(module), r;
	struct symbol *all;

	*t = (struct elf_symbols){ 0 };
	if (n <= 0)
		return 0;
	if (n > MAX_SYMBOLS)
		n = MAX_SYMBOLS;
	all = calloc((size_t)n, sizeof(*all));
	if (!all)
		return -ENOMEM;
	r = add_symbols(t, all, read_symbols(module, all, n));
	free(all);
	return r;
}

void elf_symbols_done(struct elf_symbols *t)
{
	free(t->names);
	spans_done(&t->spans);
	*t = (struct elf_symbols){ 0 };
}

const char *elf_symbols_find(const struct elf_symbols *t, uint64_t address)
{
	const struct span *s = spans_find(&t->spans, address);

	return s ? t->names[s->item] : NULL;
}

uint64_t elf_symbols_start(const struct elf_symbols *t, uint64_t address)
{
	const struct span *s = spans_find(&t->spans, address);

	return s ? s->start : 0;
}
