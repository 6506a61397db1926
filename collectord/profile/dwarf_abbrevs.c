/* collectord/profile/dwarf_abbrevs.c - see dwarf_abbrevs.h. */
#include "collectord/profile/dwarf_abbrevs.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/profile/arena.h"

#define MAX_CODE (1u << 20) /* compilers count from 1 */
#define MAX_FORMS (1u << 24)

/* What is not a number of bytes. */
enum { UNKNOWN = 0, BY_CONTENT = -1, NOTHING = -2, AN_ADDRESS = -3, AN_OFFSET = -4 };

static const int8_t form_sizes[] = {
	[DW_FORM_flag_present] = NOTHING,
	[DW_FORM_implicit_const] = NOTHING,
	[DW_FORM_data1] = 1,
	[DW_FORM_ref1] = 1,
	[DW_FORM_flag] = 1,
	[DW_FORM_strx1] = 1,
	[DW_FORM_addrx1] = 1,
	[DW_FORM_data2] = 2,
	[DW_FORM_ref2] = 2,
	[DW_FORM_strx2] = 2,
	[DW_FORM_addrx2] = 2,
	[DW_FORM_strx3] = 3,
	[DW_FORM_addrx3] = 3,
	[DW_FORM_data4] = 4,
	[DW_FORM_ref4] = 4,
	[DW_FORM_strx4] = 4,
	[DW_FORM_addrx4] = 4,
	[DW_FORM_ref_sup4] = 4,
	[DW_FORM_data8] = 8,
	[DW_FORM_ref8] = 8,
	[DW_FORM_ref_sig8] = 8,
	[DW_FORM_ref_sup8] = 8,
	[DW_FORM_data16] = 16,
	[DW_FORM_addr] = AN_ADDRESS,
	[DW_FORM_ref_addr] = AN_OFFSET,
	[DW_FORM_strp] = AN_OFFSET,
	[DW_FORM_line_strp] = AN_OFFSET,
	[DW_FORM_sec_offset] = AN_OFFSET,
	[DW_FORM_strp_sup] = AN_OFFSET,
	[DW_FORM_block1] = BY_CONTENT,
	[DW_FORM_block2] = BY_CONTENT,
	[DW_FORM_block4] = BY_CONTENT,
	[DW_FORM_block] = BY_CONTENT,
	[DW_FORM_exprloc] = BY_CONTENT,
	[DW_FORM_string] = BY_CONTENT,
	[DW_FORM_sdata] = BY_CONTENT,
	[DW_FORM_udata] = BY_CONTENT,
	[DW_FORM_ref_udata] = BY_CONTENT,
	[DW_FORM_strx] = BY_CONTENT,
	[DW_FORM_addrx] = BY_CONTENT,
	[DW_FORM_loclistx] = BY_CONTENT,
	[DW_FORM_rnglistx] = BY_CONTENT,
	[DW_FORM_indirect] = BY_CONTENT,
};

static int size_of_gnu(unsigned form)
{
	switch (form) {
	case DW_FORM_GNU_addr_index:
	case DW_FORM_GNU_str_index:
		return BY_CONTENT;
	case DW_FORM_GNU_ref_alt:
	case DW_FORM_GNU_strp_alt:
		return AN_OFFSET;
	default:
		return UNKNOWN;
	}
}

/* Bytes of an attribute of this form, or -1: its content says, or -2: not known. */
static int form_size(const struct dwarf_abbrevs *t, unsigned form)
{
	const int size = form < sizeof(form_sizes) ? form_sizes[form] : size_of_gnu(form);

	switch (size) {
	case NOTHING:
		return 0;
	case AN_ADDRESS:
		return t->address_size;
	case AN_OFFSET:
		return form == DW_FORM_ref_addr && t->version < 3 ? t->address_size : t->offset_size;
	case UNKNOWN:
		return -2;
	default:
		return size;
	}
}

bool dwarf_read_uleb(const uint8_t **at, const uint8_t *end, uint64_t *ret)
{
	const uint8_t *p = *at;
	uint64_t v = 0;

	for (unsigned shift = 0; p < end && shift < 64; shift += 7) {
		v |= (uint64_t)(*p & 0x7f) << shift;
		if (!(*p++ & 0x80)) {
			*at = p;
			*ret = v;
			return true;
		}
	}
	return false;
}

static const uint8_t *skip_bytes(const uint8_t *p, const uint8_t *end, uint64_t n)
{
	return n <= (uint64_t)(end - p) ? p + n : NULL;
}

/* A block whose length stands in `n` bytes before it. */
static const uint8_t *skip_block(const uint8_t *p, const uint8_t *end, size_t n)
{
	uint64_t length = 0;

	if ((size_t)(end - p) < n)
		return NULL;
	memcpy(&length, p, n);
	return skip_bytes(p + n, end, length);
}

static const uint8_t *skip_indirect(const struct dwarf_abbrevs *t, const uint8_t *p, const uint8_t *end)
{
	uint64_t form;

	if (!dwarf_read_uleb(&p, end, &form) || form > UINT16_MAX || form == DW_FORM_indirect)
		return NULL;
	return dwarf_skip_form(t, (uint16_t)form, p, end);
}

const uint8_t *dwarf_skip_form(const struct dwarf_abbrevs *t, uint16_t form, const uint8_t *p, const uint8_t *end)
{
	const int size = form_size(t, form);
	const uint8_t *zero;
	uint64_t n;

	if (size >= 0)
		return skip_bytes(p, end, (uint64_t)size);
	switch (size < BY_CONTENT ? 0u : form) {
	case 0:
		return NULL;
	case DW_FORM_block1:
		return skip_block(p, end, 1);
	case DW_FORM_block2:
		return skip_block(p, end, 2);
	case DW_FORM_block4:
		return skip_block(p, end, 4);
	case DW_FORM_string:
		zero = memchr(p, 0, (size_t)(end - p));
		return zero ? zero + 1 : NULL;
	case DW_FORM_indirect:
		return skip_indirect(t, p, end);
	case DW_FORM_block:
	case DW_FORM_exprloc:
		return dwarf_read_uleb(&p, end, &n) ? skip_bytes(p, end, n) : NULL;
	default:
		while (p < end && *p & 0x80)
			p++;
		return p < end ? p + 1 : NULL;
	}
}

static int add_form(struct dwarf_abbrevs *t, struct dwarf_abbrev *a, unsigned name, unsigned form)
{
	const int size = form_size(t, form);

	if (!table_reserve(&t->forms, t->n_forms, &t->cap_forms, sizeof(*t->forms)))
		return -ENOMEM;
	t->forms[t->n_forms++] = (uint16_t)form;
	if (name == DW_AT_sibling)
		a->sibling = a->n_forms;
	a->has_code = a->has_code || name == DW_AT_low_pc || name == DW_AT_ranges;
	a->fixed = size < 0 || a->fixed < 0 ? -1 : a->fixed + size;
	a->n_forms++;
	return size < BY_CONTENT || t->n_forms > MAX_FORMS;
}

static int add_abbrev(struct dwarf_abbrevs *t, Dwarf_Abbrev *from)
{
	struct dwarf_abbrev a = { .first_form = t->n_forms, .sibling = UINT32_MAX, .exists = true };
	unsigned code = dwarf_getabbrevcode(from), name, form;
	const size_t known = t->n;
	int r = 0;

	if (code >= MAX_CODE)
		return 1;
	if (!table_reserve(&t->at, code, &t->n, sizeof(*t->at)))
		return -ENOMEM;
	memset(t->at + known, 0, (t->n - known) * sizeof(*t->at));
	if (t->at[code].exists)
		return 0;
	a.tag = (uint16_t)dwarf_getabbrevtag(from);
	a.has_children = dwarf_abbrevhaschildren(from) == 1;
	/* dwarf_getattrcnt() of elfutils 0.188 counts the constants of DW_FORM_implicit_const as attributes. */
	for (size_t i = 0; !r && !dwarf_getabbrevattr_data(from, i, &name, &form, NULL, NULL); i++)
		r = add_form(t, &a, name, form);
	t->at[code] = a;
	return r;
}

int dwarf_abbrevs_read(struct dwarf_abbrevs *t, const Dwarf_Die *unit)
{
	Dwarf_Die die = *unit, top;
	Dwarf_Half version = 0;
	Dwarf_Off at = 0;
	int r = 0;

	*t = (struct dwarf_abbrevs){ 0 };
	if (!dwarf_cu_die(die.cu, &top, &version, NULL, &t->address_size, &t->offset_size, NULL, NULL))
		return 1;
	t->version = (uint8_t)version;
	while (!r) {
		size_t length = 0;
		Dwarf_Abbrev *a = dwarf_getabbrev(&die, at, &length);

		if (a == DWARF_END_ABBREV)
			return 0;
		at += length;
		r = !a || !length ? 1 : add_abbrev(t, a);
	}
	return r;
}

void dwarf_abbrevs_done(struct dwarf_abbrevs *t)
{
	free(t->at);
	free(t->forms);
	*t = (struct dwarf_abbrevs){ 0 };
}
