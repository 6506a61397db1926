/* collectord/profile/elf_functions.c - see elf_functions.h.
 *
 * libdw splits .eh_frame into its entries; the addresses in them are encoded as their CIE says, which libdw keeps
 * to itself.  Compilers write 4 or 8 bytes, absolute or relative to where they stand; other encodings are skipped.
 */
#include "collectord/profile/elf_functions.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/profile/arena.h"
#include "collectord/profile/elf_sections.h"

#define MAX_FUNCTIONS (1u << 22) /* chromium has a million */
#define FORMAT(encoding) ((encoding)&0x0f)
#define RELATION(encoding) ((encoding)&0x70)

struct encoding {
	uint64_t cie; /* offset */
	uint8_t of_addresses;
};

struct reader {
	struct elf_section section;
	struct encoding *encodings; /* in rising order of cie, as they are met */
	size_t n, cap;
	struct spans *out;
};

/* Width of a value of this format, or 0. */
static size_t width(uint8_t encoding)
{
	switch (FORMAT(encoding)) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
	case DW_EH_PE_sdata8:
		return 8;
	case DW_EH_PE_udata4:
	case DW_EH_PE_sdata4:
		return 4;
	default:
		return 0;
	}
}

/* The encoding of addresses that a CIE's augmentation ("zPLR") states. */
static uint8_t address_encoding(const Dwarf_CIE *cie)
{
	const uint8_t *data = cie->augmentation_data;
	size_t left = data ? cie->augmentation_data_size : 0, skip;

	if (!cie->augmentation || cie->augmentation[0] != 'z')
		return DW_EH_PE_absptr;
	for (const char *c = cie->augmentation + 1; *c; c++) {
		if (*c == 'S' || *c == 'B')
			continue;
		if (!left)
			return DW_EH_PE_omit;
		if (*c == 'R')
			return *data;
		skip = *c == 'P' ? 1 + width(*data) : 1;
		if ((*c != 'P' && *c != 'L') || skip > left || (*c == 'P' && skip == 1))
			return DW_EH_PE_omit;
		data += skip;
		left -= skip;
	}
	return DW_EH_PE_absptr;
}

static int add_cie(struct reader *r, uint64_t offset, const Dwarf_CIE *cie)
{
	if (!table_reserve(&r->encodings, r->n, &r->cap, sizeof(*r->encodings)))
		return -ENOMEM;
	r->encodings[r->n++] = (struct encoding){ offset, address_encoding(cie) };
	return 0;
}

static int compare_encodings(const void *a, const void *b)
{
	const struct encoding *x = a, *y = b;

	return x->cie < y->cie ? -1 : x->cie > y->cie;
}

/* `n` bytes at *at, little endian, sign-extended if the format says so. */
static bool read_value(const uint8_t **at, const uint8_t *end, uint8_t format, uint64_t *ret)
{
	size_t n = width(format);
	uint64_t v = 0;

	if (!n || (size_t)(end - *at) < n)
		return false;
	memcpy(&v, *at, n);
	if (n == 4 && FORMAT(format) == DW_EH_PE_sdata4)
		v = (uint64_t)(int64_t)(int32_t)(uint32_t)v;
	*at += n;
	*ret = v;
	return true;
}

static int add_fde(struct reader *r, const Dwarf_FDE *fde)
{
	const struct encoding key = { .cie = fde->CIE_pointer };
	const struct encoding *e =
		r->n ? bsearch(&key, r->encodings, r->n, sizeof(*r->encodings), compare_encodings) : NULL;
	const uint8_t *at = fde->start, *end = fde->end;
	uint64_t here = r->section.address + (uint64_t)(at - r->section.bytes), start, size;
	uint8_t relation;

	if (!e || e->of_addresses == DW_EH_PE_omit || at > end)
		return 0;
	relation = RELATION(e->of_addresses);
	if (e->of_addresses & DW_EH_PE_indirect || (relation && relation != DW_EH_PE_pcrel))
		return 0;
	if (!read_value(&at, end, e->of_addresses, &start) || !read_value(&at, end, FORMAT(e->of_addresses), &size))
		return 0;
	start += relation ? here : 0;
	if (!start || !size || start + size < start || r->out->n >= MAX_FUNCTIONS)
		return 0;
	return spans_add(r->out, start, start + size, 0);
}

static int read_entries(struct reader *r, Elf *elf)
{
	Elf_Data data = { .d_buf = (void *)r->section.bytes, .d_type = ELF_T_BYTE, .d_size = r->section.size };
	const uint8_t *ident = (const uint8_t *)elf_getident(elf, NULL);
	Dwarf_CFI_Entry entry;
	Dwarf_Off at = 0, next;
	int found, err = 0;

	while (!err && (found = dwarf_next_cfi(ident, &data, true, at, &next, &entry)) <= 0 && next > at) {
		if (!found && dwarf_cfi_cie_p(&entry))
			err = add_cie(r, at, &entry.cie);
		else if (!found)
			err = add_fde(r, &entry.fde);
		at = next;
	}
	return err;
}

int elf_functions_init(struct elf_functions *t, Elf *elf)
{
	struct reader r = { .out = &t->spans };
	int err = 0;

	*t = (struct elf_functions){ 0 };
	if (elf_section_named(elf, ".eh_frame", &r.section))
		err = read_entries(&r, elf);
	free(r.encodings);
	spans_sort(&t->spans);
	return err;
}

void elf_functions_done(struct elf_functions *t)
{
	spans_done(&t->spans);
}

uint64_t elf_functions_start(const struct elf_functions *t, uint64_t address)
{
	const struct span *s = spans_find(&t->spans, address);

	return s ? s->start : 0;
}
