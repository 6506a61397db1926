/* collectord/cli/curl.c - see curl.h. */
#include "collectord/cli/curl.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#define LIBRARY "libcurl.so.4"

static const struct {
	const char *name;
	size_t offset;
} functions[] = {
#define ENTRY(name) { "curl_" #name, offsetof(struct curl, name) },
	CURL_FUNCTIONS(ENTRY)
#undef ENTRY
};

struct curl curl;

bool curl_load(void)
{
	static bool is_loaded;
	void *library = is_loaded ? NULL : dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

	if (is_loaded || !library)
		return is_loaded;
	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
		void *at = dlsym(library, functions[i].name);

		if (!at)
			return false;
		memcpy((char *)&curl + functions[i].offset, &at, sizeof(at));
	}
	is_loaded = curl.global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
	return is_loaded;
}
