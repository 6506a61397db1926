/* collectord/profile/pprof_decode.c - bytes, gzip'ed or plain, to unpacked messages; see pprof.h.
 *
 * Everything is bounded: what gzip may unfold, and by an arena with a budget what protobuf-c may take for it, so
 * that a file of empty messages cannot ask for more.  pprof_model.c then reads the messages. */
#include "collectord/profile/pprof.h"

#include <errno.h>
#include <stdlib.h>

#include "collectord/profile/arena.h"
#include "collectord/profile/pprof_inflate.h"
#include "collectord/profile/pprof_model.h"

#define MAX_UNPACKED ((size_t)1 << 30)
/* Messages take at most some 20 times their encoded size, empty ones 64 times and more: those are not profiles. */
#define MEMORY_FACTOR 32
#define MEMORY_EXTRA ((size_t)1 << 20)

static void *arena_for_protobuf(void *ctx, size_t n)
{
	return arena_alloc(ctx, n);
}

static void arena_keeps(void *ctx, void *p)
{
	(void)ctx;
	(void)p;
}

static int decode_plain(const void *buf, size_t len, struct profile **ret, struct fault *f)
{
	struct arena memory = { .budget = MEMORY_FACTOR * len + MEMORY_EXTRA };
	ProtobufCAllocator allocator = { arena_for_protobuf, arena_keeps, &memory };
	Perftools__Profiles__Profile *m;
	int r;

	errno = 0; /* unpacking fails without a reason */
	m = perftools__profiles__profile__unpack(&allocator, len, buf);
	if (m)
		r = pprof_to_model(m, ret, f);
	else if (memory.over_budget)
		r = fault_set(f, -EINVAL, "malformed profile (mostly empty messages): use another one");
	else if (errno == ENOMEM)
		r = -ENOMEM;
	else
		r = fault_set(f, -EINVAL, "not a pprof profile, or a damaged one: use another one");
	arena_done(&memory);
	return r;
}

int pprof_decode(const void *buf, size_t len, struct profile **ret, struct fault *f)
{
	const uint8_t *b = buf;
	void *plain;
	size_t n;
	int r;

	if (!len)
		return fault_set(f, -EINVAL, "empty file, not a profile: use another one");
	if (len > MAX_UNPACKED)
		return fault_set(f, -EINVAL, "profile is larger than %zu MiB: too large to read",
				 MAX_UNPACKED >> 20);
	if (len < 2 || b[0] != 0x1f || b[1] != 0x8b)
		return decode_plain(buf, len, ret, f);
	r = gunzip(buf, len, MAX_UNPACKED, &plain, &n, f);
	if (r)
		return r;
	r = decode_plain(plain, n, ret, f);
	free(plain);
	return r;
}
