/* tests/fuzz/fuzz_snapshot.c - the .heaptap reader; what it accepts is written, read again, and goes all the way.
 *
 * The checksum would stop nearly all inputs at the door, so it is put right first, once in two inputs. */
#include <string.h>
#include <zlib.h>

#include "collectord/profile/convert.h"
#include "collectord/profile/snapshot.h"
#include "tests/fuzz/fuzz_profile.h"

#define CRC_BYTES 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void written_again(const struct snapshot *s)
{
	struct snapshot *again = NULL;
	void *buf = NULL;
	size_t len = 0;

	if (snapshot_encode(s, &buf, &len))
		return;
	if (snapshot_decode(buf, len, &again, NULL))
		abort();
	if (again->n_stacks != s->n_stacks || again->n_modules != s->n_modules)
		abort();
	snapshot_free(again);
	free(buf);
}

static void read_one(const void *buf, size_t len)
{
	struct snapshot *s = NULL;
	struct profile *p = NULL;
	struct fault f = { "" };
	int r = snapshot_decode(buf, len, &s, &f);

	if (r) {
		if (s || (r == -EINVAL && !*f.text))
			abort();
		return;
	}
	written_again(s);
	if (profile_from_snapshot(s, len % 2 ? CONVERT_NOW : CONVERT_PEAK, &p, NULL))
		abort();
	fuzz_profile(p, len / 2);
	profile_free(p);
	snapshot_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size + 1);
	uint32_t crc;

	read_one(data, size);
	if (size > CRC_BYTES + 1) {
		memcpy(copy, data, size);
		crc = (uint32_t)crc32(0, copy, (uInt)(size - CRC_BYTES - 1));
		for (int i = 0; i < CRC_BYTES; i++)
			copy[size - CRC_BYTES + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
		read_one(copy, size);
	}
	free(copy);
	return 0;
}
