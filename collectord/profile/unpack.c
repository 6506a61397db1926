/* collectord/profile/unpack.c - see unpack.h.  The encoding: github.com/msgpack/msgpack/blob/master/spec.md. */
#include "collectord/profile/unpack.h"

#include <errno.h>
#include <stdbool.h>

/* What a first byte says: bytes of fixed payload or of a length field, and what that length counts. */
enum counted { NOTHING, BYTES, ELEMENTS, PAIRS };

struct header {
	uint8_t fixed; /* payload bytes, after the length field */
	uint8_t length_bytes;
	enum counted counts;
	uint32_t length; /* when length_bytes is 0: from the first byte itself */
};

/* First bytes 0xc0..0xdf; 0xc1 is never used. */
static const struct header headers[32] = {
	[0x04] = { 0, 1, BYTES, 0 },    [0x05] = { 0, 2, BYTES, 0 },    [0x06] = { 0, 4, BYTES, 0 },
	[0x07] = { 1, 1, BYTES, 0 },    [0x08] = { 1, 2, BYTES, 0 },    [0x09] = { 1, 4, BYTES, 0 },
	[0x0a] = { 4, 0, NOTHING, 0 },  [0x0b] = { 8, 0, NOTHING, 0 },  [0x0c] = { 1, 0, NOTHING, 0 },
	[0x0d] = { 2, 0, NOTHING, 0 },  [0x0e] = { 4, 0, NOTHING, 0 },  [0x0f] = { 8, 0, NOTHING, 0 },
	[0x10] = { 1, 0, NOTHING, 0 },  [0x11] = { 2, 0, NOTHING, 0 },  [0x12] = { 4, 0, NOTHING, 0 },
	[0x13] = { 8, 0, NOTHING, 0 },  [0x14] = { 2, 0, NOTHING, 0 },  [0x15] = { 3, 0, NOTHING, 0 },
	[0x16] = { 5, 0, NOTHING, 0 },  [0x17] = { 9, 0, NOTHING, 0 },  [0x18] = { 17, 0, NOTHING, 0 },
	[0x19] = { 0, 1, BYTES, 0 },    [0x1a] = { 0, 2, BYTES, 0 },    [0x1b] = { 0, 4, BYTES, 0 },
	[0x1c] = { 0, 2, ELEMENTS, 0 }, [0x1d] = { 0, 4, ELEMENTS, 0 }, [0x1e] = { 0, 2, PAIRS, 0 },
	[0x1f] = { 0, 4, PAIRS, 0 },
};

static struct header header_of(uint8_t c)
{
	if (c < 0x80 || c >= 0xe0)
		return (struct header){ .counts = NOTHING };
	if (c < 0x90)
		return (struct header){ .counts = PAIRS, .length = c & 0x0f };
	if (c < 0xa0)
		return (struct header){ .counts = ELEMENTS, .length = c & 0x0f };
	if (c < 0xc0)
		return (struct header){ .counts = BYTES, .length = c & 0x1f };
	return headers[c - 0xc0];
}

/* Read a header and its length field; the payload stays. */
static int read_header(struct unpack *u, struct header *ret)
{
	struct header h;

	if (!u->left)
		return -ENODATA;
	if (*u->at == 0xc1)
		return -EBADMSG;
	h = header_of(*u->at);
	if (h.length_bytes > u->left - 1)
		return -ENODATA;
	for (unsigned i = 1; i <= h.length_bytes; i++)
		h.length = h.length << 8 | u->at[i];
	u->at += 1 + h.length_bytes;
	u->left -= 1 + h.length_bytes;
	*ret = h;
	return 0;
}

static int unpack_container(struct unpack *u, enum counted kind, uint32_t *ret_n)
{
	struct unpack v = *u;
	struct header h;
	int r = read_header(&v, &h);

	if (r)
		return r;
	if (h.counts != kind)
		return -EBADMSG;
	if (h.length > v.left / (kind == PAIRS ? 2 : 1))
		return -ENODATA;
	*u = v;
	*ret_n = h.length;
	return 0;
}

int unpack_array(struct unpack *u, uint32_t *ret_n)
{
	return unpack_container(u, ELEMENTS, ret_n);
}

int unpack_map(struct unpack *u, uint32_t *ret_n)
{
	return unpack_container(u, PAIRS, ret_n);
}

/* Bytes of an element that is a number, nil or a bool, by its first byte; 0: another kind.  Most are numbers. */
static inline unsigned plain_size(uint8_t c)
{
	static const uint8_t sizes[32] = { 1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 5, 9, 2, 3, 5, 9, 2, 3, 5, 9 };

	return c < 0x80 || c >= 0xe0 ? 1 : c < 0xc0 ? 0 : sizes[c - 0xc0];
}

/* Past as many plain elements as follow, at most `pending`.  Returns how many are left. */
static uint64_t skip_plain(struct unpack *u, uint64_t pending)
{
	const uint8_t *at = u->at, *end = u->at + u->left;
	unsigned n;

	while (pending && at < end && (n = plain_size(*at)) && n <= (size_t)(end - at)) {
		at += n;
		pending--;
	}
	u->at = at;
	u->left = (size_t)(end - at);
	return pending;
}

int unpack_skip(struct unpack *u)
{
	struct unpack v = *u;
	uint64_t pending = 1; /* elements still to be walked; each needs at least a byte, which bounds it */

	while ((pending = skip_plain(&v, pending))) {
		struct header h;
		uint64_t payload;
		int r = read_header(&v, &h);

		if (r)
			return r;
		payload = h.fixed + (h.counts == BYTES ? (uint64_t)h.length : 0);
		if (payload > v.left)
			return -ENODATA;
		v.at += payload;
		v.left -= payload;
		pending--;
		pending += h.counts == ELEMENTS ? h.length : h.counts == PAIRS ? 2ull * h.length : 0;
		if (pending > v.left)
			return -ENODATA;
	}
	*u = v;
	return 0;
}

int unpack_element(struct unpack *u, size_t max, msgpack_unpacked *ret)
{
	struct unpack after = *u;
	size_t extent, used = 0;
	int r = unpack_skip(&after);

	if (r)
		return r;
	extent = u->left - after.left;
	if (extent > max)
		return -EBADMSG;
	errno = 0;
	if (msgpack_unpack_next(ret, (const char *)u->at, extent, &used) == MSGPACK_UNPACK_SUCCESS) {
		*u = after;
		return 0;
	}
	/* The element is whole, so it nests too deeply or malloc() failed; msgpack-c says "no memory" for both. */
	return errno == ENOMEM ? -ENOMEM : -EBADMSG;
}
