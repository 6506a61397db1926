/* preload/cfi.c - find the FDE of a code address and take it, and its CIE, apart.
 *
 * .eh_frame_hdr holds a table sorted by function start (LSB core specification, 10.6; the encoding every linker
 * writes: udata4 count, datarel sdata4 pairs).  Other encodings count as no CFI.  Everything read lies in one of
 * the image's segments, so malformed sections give RULE_UNSOUND and never a fault.  The readers are not inlined:
 * their stack is free again when the CFA program runs. */
#include "preload/cfi.h"

#include "common/compiler.h"
#include "preload/arch.h"

#define TABLE_ENC 0x3b /* datarel | sdata4 */
#define ROW_BYTES 8u

/* A reader from `at` to the end of the segment that holds it. */
static bool open_at(const struct cfi_image *image, uintptr_t at, struct bytes *ret)
{
	for (uint32_t i = 0; i < image->n_segments; i++) {
		const struct cfi_segment *s = &image->segments[i];

		if (at >= s->start && at < s->end) {
			*ret = (struct bytes){ (const uint8_t *)at, (const uint8_t *)s->end, false };
			return true;
		}
	}
	return false;
}

static int64_t table_word(const uint8_t *table, uint64_t row, unsigned at)
{
	struct bytes b = { table + row * ROW_BYTES + at, table + (row + 1) * ROW_BYTES, false };

	return bytes_int(&b, 4);
}

enum search {
	SEARCH_FOUND,
	SEARCH_NONE,
	SEARCH_BAD,
};

/* The address of the last FDE whose function starts at or before `pc`. */
static NOINLINE enum search search_table(const struct cfi_image *image, uintptr_t pc, uintptr_t *ret_fde)
{
	uintptr_t base = (uintptr_t)image->hdr;
	uint64_t n, low = 0, high;
	uint8_t frame_enc, count_enc, table_enc;
	struct bytes b;
	int64_t want;

	if (!image->hdr || !open_at(image, base, &b))
		return SEARCH_NONE;
	if (bytes_uint(&b, 1) != 1)
		return SEARCH_NONE;
	frame_enc = (uint8_t)bytes_uint(&b, 1);
	count_enc = (uint8_t)bytes_uint(&b, 1);
	table_enc = (uint8_t)bytes_uint(&b, 1);
	if (b.bad || frame_enc == PE_OMIT || count_enc == PE_OMIT || table_enc != TABLE_ENC)
		return SEARCH_NONE;
	bytes_pointer(&b, frame_enc, base);
	n = bytes_pointer(&b, count_enc, base);
	if (b.bad || n > (uint64_t)(b.end - b.at) / ROW_BYTES)
		return SEARCH_BAD;
	want = (int64_t)(pc - base);
	high = n;
	while (low < high) {
		uint64_t mid = low + (high - low) / 2;

		if (table_word(b.at, mid, 0) <= want)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 0)
		return SEARCH_NONE;
	*ret_fde = base + (uint64_t)table_word(b.at, low - 1, 4);
	return SEARCH_FOUND;
}

/* A CIE or FDE: its body, without the length words. */
static bool open_entry(const struct cfi_image *image, uintptr_t at, struct bytes *ret)
{
	uint64_t len;
	struct bytes b;

	if (!open_at(image, at, &b))
		return false;
	len = bytes_uint(&b, 4);
	if (len == 0xffffffff)
		len = bytes_uint(&b, 8);
	if (b.bad || len < 4 || len > (uint64_t)(b.end - b.at))
		return false;
	b.end = b.at + len;
	*ret = b;
	return true;
}

/* Read the augmentation data as the string (without its 'z') says.  An unknown letter ends what can be read. */
static bool read_augmentation(struct bytes *string, struct bytes data, struct cfi_function *fn)
{
	while (!string->bad) {
		uint8_t enc;

		switch (bytes_uint(string, 1)) {
		case 0:
			return !data.bad;
		case 'R':
			fn->pointer_enc = (uint8_t)bytes_uint(&data, 1);
			break;
		case 'P': /* personality: only its length matters, so any base will do */
			enc = (uint8_t)bytes_uint(&data, 1);
			bytes_pe_value(&data, enc);
			break;
		case 'L':
			bytes_skip(&data, 1);
			break;
		case 'S':
			fn->signal = true;
			break;
		case 'B': /* aarch64: signed with the B key */
		case 'G': /* aarch64: tagged stack */
			break;
		default:
			return false;
		}
	}
	return false;
}

static NOINLINE bool read_cie(const struct cfi_image *image, uintptr_t at, struct cfi_function *fn)
{
	struct bytes b, string, data;
	uint64_t version, ra, len;

	if (!open_entry(image, at, &b))
		return false;
	if (bytes_uint(&b, 4) != 0)
		return false;
	version = bytes_uint(&b, 1);
	string = b;
	while (bytes_uint(&b, 1) != 0)
		;
	fn->code_align = bytes_uleb(&b);
	fn->data_align = bytes_sleb(&b);
	ra = version == 1 ? bytes_uint(&b, 1) : bytes_uleb(&b);
	if (b.bad || (version != 1 && version != 3) || ra != ARCH_REG_RA)
		return false;
	if (*string.at == 'z') {
		string.at++;
		len = bytes_uleb(&b);
		data = b;
		if (!bytes_skip(&b, len))
			return false;
		data.end = b.at;
		if (!read_augmentation(&string, data, fn))
			return false;
	} else if (*string.at != 0) {
		return false;
	}
	fn->initial = b;
	return true;
}

/* Take the FDE at `at` apart.  *ret_end: where its function ends. */
static NOINLINE bool read_fde(const struct cfi_image *image, uintptr_t at, struct cfi_function *fn,
			      uintptr_t *ret_end)
{
	struct bytes b;
	uintptr_t cie_field;
	uint64_t to_cie;

	if (!open_entry(image, at, &b))
		return false;
	cie_field = (uintptr_t)b.at;
	to_cie = bytes_uint(&b, 4);
	if (to_cie == 0 || !read_cie(image, cie_field - to_cie, fn))
		return false;
	fn->start = bytes_pointer(&b, fn->pointer_enc, fn->data);
	*ret_end = fn->start + bytes_pe_value(&b, fn->pointer_enc);
	bytes_skip(&b, bytes_uleb(&b));
	fn->program = b;
	return !b.bad;
}

struct rule cfi_rule(const struct cfi_image *image, uintptr_t pc)
{
	struct cfi_function fn = { .data = (uintptr_t)image->hdr };
	uintptr_t fde = 0, end = 0;
	struct cfa_row row;

	switch (search_table(image, pc, &fde)) {
	case SEARCH_NONE:
		return rule_bare(RULE_NO_CFI);
	case SEARCH_BAD:
		return rule_bare(RULE_UNSOUND);
	case SEARCH_FOUND:
		break;
	}
	if (!read_fde(image, fde, &fn, &end))
		return rule_bare(RULE_UNSOUND);
	if (pc < fn.start || pc >= end)
		return rule_bare(RULE_NO_CFI);
	if (!cfa_row(&fn, pc, &row))
		return rule_bare(RULE_UNSOUND);
	return cfa_rule(&row, fn.signal, pc);
}
