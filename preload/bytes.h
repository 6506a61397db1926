/* preload/bytes.h - bounded reading of the encodings that .eh_frame is made of.
 *
 * A reader never passes `end`: what does not fit sets `bad`, which sticks, and reads as 0.  So a caller may read a
 * whole record and test once.  No libc call. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
	const uint8_t *at, *end;
	bool bad;
};

static inline bool bytes_skip(struct bytes *b, uint64_t n)
{
	if (b->bad || n > (uint64_t)(b->end - b->at)) {
		b->bad = true;
		return false;
	}
	b->at += n;
	return true;
}

/* The next `n` bytes (1, 2, 4 or 8), little endian as both architectures are. */
static inline uint64_t bytes_uint(struct bytes *b, unsigned n)
{
	uint64_t v = 0;

	if (!bytes_skip(b, n))
		return 0;
	for (unsigned i = 0; i < n; i++)
		v |= (uint64_t)b->at[(int)i - (int)n] << 8 * i;
	return v;
}

static inline int64_t bytes_int(struct bytes *b, unsigned n)
{
	uint64_t v = bytes_uint(b, n);
	unsigned shift = 64 - 8 * n;

	return (int64_t)(v << shift) >> shift;
}

/* LEB128 as its bits stand; *ret_shift is how many it has, *ret_last its last byte.  Bits past the 64th are
 * dropped, as every reader of DWARF does. */
static inline uint64_t bytes_leb128(struct bytes *b, unsigned *ret_shift, uint8_t *ret_last)
{
	uint64_t v = 0;
	unsigned shift = 0;
	uint8_t byte;

	do {
		byte = (uint8_t)bytes_uint(b, 1);
		if (shift < 64)
			v |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80 && shift < 140);
	*ret_shift = shift;
	*ret_last = byte;
	return v;
}

static inline uint64_t bytes_uleb(struct bytes *b)
{
	unsigned shift;
	uint8_t last;

	return bytes_leb128(b, &shift, &last);
}

static inline int64_t bytes_sleb(struct bytes *b)
{
	unsigned shift;
	uint8_t last;
	uint64_t v = bytes_leb128(b, &shift, &last);

	if (last & 0x40 && shift < 64)
		v |= ~0ull << shift;
	return (int64_t)v;
}

/* Pointer encodings (DW_EH_PE_*). */
#define PE_OMIT 0xff
#define PE_PCREL 0x10
#define PE_DATAREL 0x30
#define PE_INDIRECT 0x80

/* The low half of an encoding: size and signedness, without any base. */
static inline uint64_t bytes_pe_value(struct bytes *b, uint8_t enc)
{
	switch (enc & 0x0f) {
	case 0x00: /* absptr */
	case 0x04: /* udata8 */
	case 0x0c: /* sdata8 */
		return bytes_uint(b, 8);
	case 0x01:
		return bytes_uleb(b);
	case 0x02:
		return bytes_uint(b, 2);
	case 0x03:
		return bytes_uint(b, 4);
	case 0x09:
		return (uint64_t)bytes_sleb(b);
	case 0x0a:
		return (uint64_t)bytes_int(b, 2);
	case 0x0b:
		return (uint64_t)bytes_int(b, 4);
	default:
		b->bad = true;
		return 0;
	}
}

/* A pointer by its encoding; `data` is the base of datarel ones.  Indirect ones name a word somewhere else, which
 * only personality routines use: not followed, bad. */
static inline uintptr_t bytes_pointer(struct bytes *b, uint8_t enc, uintptr_t data)
{
	uintptr_t here = (uintptr_t)b->at;
	uint64_t v = bytes_pe_value(b, enc);

	switch (enc & 0xf0) {
	case 0x00:
		return v;
	case PE_PCREL:
		return here + v;
	case PE_DATAREL:
		return data + v;
	default:
		b->bad = true;
		return 0;
	}
}
