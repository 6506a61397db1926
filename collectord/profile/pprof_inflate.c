/* collectord/profile/pprof_inflate.c - see pprof_inflate.h.
 *
 * The buffer doubles as bytes really come out, so a small file cannot reserve much on its own word. */
#include "collectord/profile/pprof_inflate.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>

struct inflater {
	z_stream z;
	uint8_t *out;
	size_t used, size, max;
};

static int make_room(struct inflater *g, struct fault *f)
{
	size_t size = g->size ? 2 * g->size : (size_t)64 << 10;
	uint8_t *out;

	if (g->used < g->size)
		return 0;
	if (g->size == g->max)
		return fault_set(f, -EINVAL, "profile is larger than %zu MiB when unpacked: too large to read",
				 g->max >> 20);
	if (size > g->max)
		size = g->max;
	out = realloc(g->out, size);
	if (!out)
		return -ENOMEM;
	g->out = out;
	g->size = size;
	return 0;
}

/* One step; 1 when all members are done. */
static int step(struct inflater *g, struct fault *f)
{
	size_t room;
	int r = make_room(g, f);

	if (r)
		return r;
	room = g->size - g->used < UINT_MAX ? g->size - g->used : UINT_MAX;
	g->z.next_out = g->out + g->used;
	g->z.avail_out = (uInt)room;
	r = inflate(&g->z, Z_NO_FLUSH);
	g->used += room - g->z.avail_out;
	if (r == Z_STREAM_END)
		return !g->z.avail_in ? 1 : inflateReset(&g->z) == Z_OK ? 0 : -ENOMEM;
	if (r == Z_MEM_ERROR)
		return -ENOMEM;
	if (r == Z_BUF_ERROR && !g->z.avail_in)
		return fault_set(f, -EINVAL, "truncated profile (its gzip stream ends early): use another one");
	if (r != Z_OK && r != Z_BUF_ERROR)
		return fault_set(f, -EINVAL, "damaged profile (gzip: %s): use another one",
				 g->z.msg ? g->z.msg : "bad data");
	return 0;
}

int gunzip(const void *in, size_t n, size_t max, void **ret_buf, size_t *ret_len, struct fault *f)
{
	struct inflater g = { .z = { .next_in = (void *)(uintptr_t)in, .avail_in = (uInt)n }, .max = max };
	int r = 0;

	if (inflateInit2(&g.z, MAX_WBITS + 16) != Z_OK)
		return -ENOMEM;
	while (!r)
		r = step(&g, f);
	inflateEnd(&g.z);
	if (r < 0) {
		free(g.out);
		return r;
	}
	*ret_buf = g.out;
	*ret_len = g.used;
	return 0;
}
