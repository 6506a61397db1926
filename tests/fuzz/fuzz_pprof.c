/* tests/fuzz/fuzz_pprof.c - the protobuf reader, gzip'ed or not; what it accepts goes through all encoders. */
#include "tests/fuzz/fuzz_profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct profile *p = NULL;
	struct fault f = { "" };
	int r = pprof_decode(data, size, &p, &f);

	if (r && (p || (r == -EINVAL && !*f.text)))
		abort();
	if (!r)
		fuzz_profile(p, size);
	profile_free(p);
	return 0;
}
