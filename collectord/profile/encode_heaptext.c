/* collectord/profile/encode_heaptext.c - text for google-pprof and jeprof; see encode.h.
 *
 * "heapprofile" is the one kind that all readers take as it is.  "heap_v2/1" they do not: the perl tools scale it
 * by 1 / (1 - exp(-bytes per object)), 1.58 for 1-byte objects, and divide by zero for objects without bytes. */
#include "collectord/profile/encode.h"

#include "collectord/profile/encode_maps.h"
#include "collectord/profile/encode_records.h"

int heaptext_encode(const struct profile *p, FILE *out, struct fault *f)
{
	struct encode_records records;
	int r = encode_records_new(p, "heap profile text", &records, f);

	if (!r) {
		encode_records_header(&records, "heapprofile", out);
		for (size_t i = 0; i < records.n; i++)
			encode_record(&records, records.at[i], out);
		fputs("\nMAPPED_LIBRARIES:\n", out);
		r = encode_maps(p, out);
	}
	encode_records_done(&records);
	return r;
}
