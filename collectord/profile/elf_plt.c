/* collectord/profile/elf_plt.c - see elf_plt.h. */
#include "collectord/profile/elf_plt.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/profile/arena.h"
#include "collectord/profile/elf_sections.h"

#define MAX_SLOTS (1u << 20)
#define ENTRY 16      /* bytes of an entry, in .plt and .plt.sec */
#define ENTRY_SHORT 8 /* in .plt.got of code without landing pads */

struct slot {
	uint64_t address;
	const char *name;
};

struct slots {
	struct slot *at;
	size_t n, cap;
};

static int add_slot(struct slots *t, uint64_t address, const char *name)
{
	if (!table_reserve(&t->at, t->n, &t->cap, sizeof(*t->at)))
		return -ENOMEM;
	t->at[t->n++] = (struct slot){ address, name };
	return 0;
}

static bool fills_a_slot(const GElf_Rela *rela)
{
	unsigned type = (unsigned)GELF_R_TYPE(rela->r_info);

	return type == R_X86_64_JUMP_SLOT || type == R_X86_64_GLOB_DAT;
}

/* The slots that a table of relocations fills with addresses of functions. */
static int read_relocations(Elf *elf, Elf_Scn *section, const GElf_Shdr *h, struct slots *t)
{
	Elf_Data *data = elf_getdata(section, NULL), *symbols;
	Elf_Scn *symbol_section = elf_getscn(elf, h->sh_link);
	GElf_Shdr symbol_header;
	int r = 0;

	if (!data || !h->sh_entsize || !symbol_section || !gelf_getshdr(symbol_section, &symbol_header))
		return 0;
	symbols = elf_getdata(symbol_section, NULL);
	for (size_t i = 0; !r && i < data->d_size / h->sh_entsize && t->n < MAX_SLOTS; i++) {
		const char *name;
		GElf_Rela rela;
		GElf_Sym symbol;

		if (!gelf_getrela(data, (int)i, &rela) || !fills_a_slot(&rela) ||
		    !gelf_getsym(symbols, (int)GELF_R_SYM(rela.r_info), &symbol))
			continue;
		name = elf_strptr(elf, symbol_header.sh_link, symbol.st_name);
		if (name && *name)
			r = add_slot(t, rela.r_offset, name);
	}
	return r;
}

static int compare_slots(const void *a, const void *b)
{
	const struct slot *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

static int read_slots(Elf *elf, struct slots *t)
{
	Elf_Scn *section = NULL;
	GElf_Shdr h;
	int r = 0;

	while (!r && (section = elf_nextscn(elf, section)))
		if (gelf_getshdr(section, &h) && h.sh_type == SHT_RELA && h.sh_flags & SHF_ALLOC)
			r = read_relocations(elf, section, &h, t);
	if (t->n)
		qsort(t->at, t->n, sizeof(*t->at), compare_slots);
	return r;
}

/* Where an entry's "jmp *d(%rip)" (ff 25) reads its target; 0 if it has none. */
static uint64_t slot_of(const uint8_t *entry, size_t size, uint64_t address)
{
	int32_t d;

	for (size_t i = 0; i + 6 <= size; i++) {
		if (entry[i] != 0xff || entry[i + 1] != 0x25)
			continue;
		memcpy(&d, entry + i + 2, sizeof(d));
		return address + i + 6 + (uint64_t)(int64_t)d;
	}
	return 0;
}

static int add_entry(struct elf_plt *t, uint64_t address, size_t size, const char *name)
{
	uint32_t n = (uint32_t)t->spans.n;
	const char **bigger = t->names;

	if (!(n & (n - 1))) /* grows at powers of two */
		bigger = reallocarray(t->names, n ? (size_t)2 * n : 1, sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	t->names = bigger;
	t->names[n] = name;
	return spans_add(&t->spans, address, address + size, n);
}

static int read_entries(struct elf_plt *t, const struct elf_section *s, const struct slots *slots)
{
	size_t size = s->entry_size == ENTRY_SHORT ? ENTRY_SHORT : ENTRY;
	int r = 0;

	for (size_t at = 0; !r && at + size <= s->size && t->spans.n < MAX_SLOTS; at += size) {
		const struct slot key = { .address = slot_of(s->bytes + at, size, s->address + at) };
		const struct slot *slot =
			key.address ? bsearch(&key, slots->at, slots->n, sizeof(key), compare_slots) : NULL;

		if (slot)
			r = add_entry(t, s->address + at, size, slot->name);
	}
	return r;
}

static bool is_x86_64(Elf *elf)
{
	GElf_Ehdr header;

	return elf_is_known(elf) && gelf_getehdr(elf, &header) && header.e_machine == EM_X86_64;
}

int elf_plt_init(struct elf_plt *t, Elf *elf)
{
	static const char *const sections[] = { ".plt", ".plt.sec", ".plt.got" };
	struct slots slots = { 0 };
	struct elf_section s;
	int r;

	*t = (struct elf_plt){ 0 };
	if (!is_x86_64(elf))
		return 0;
	r = read_slots(elf, &slots);
	for (size_t i = 0; !r && slots.n && i < sizeof(sections) / sizeof(*sections); i++)
		if (elf_section_named(elf, sections[i], &s))
			r = read_entries(t, &s, &slots);
	spans_sort(&t->spans);
	free(slots.at);
	return r;
}

void elf_plt_done(struct elf_plt *t)
{
	free(t->names);
	spans_done(&t->spans);
	*t = (struct elf_plt){ 0 };
}

const char *elf_plt_find(const struct elf_plt *t, uint64_t address, uint64_t *ret_start)
{
	const struct span *s = spans_find(&t->spans, address);

	if (!s)
		return NULL;
	*ret_start = s->start;
	return t->names[s->item];
}
