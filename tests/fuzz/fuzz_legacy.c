/* tests/fuzz/fuzz_legacy.c - the reader of text heap profiles; what it accepts we write, and read the same again.
 */
#include <string.h>

#include "collectord/profile/pprof_legacy.h"
#include "tests/fuzz/fuzz_profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Our text of a profile, if there is one for it, is one that we read, with as many records as were not nothing. */
static void text_again(const struct profile *p)
{
	struct profile *again = NULL;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	int r = heaptext_encode(p, out, NULL);

	fclose(out);
	if (!r && (legacy_decode(text, len, &again, NULL) || again->n_samples > p->n_samples))
		abort();
	profile_free(again);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct profile *p = NULL;
	struct fault f = { "" };
	int r = legacy_decode(data, size, &p, &f);

	if (r && (p || (r == -EINVAL && !*f.text)))
		abort();
	if (!r) {
		fuzz_profile(p, size);
		text_again(p);
	}
	if (!r)
		profile_free(p);
	return 0;
}
