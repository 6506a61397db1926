/* tests/victims/plugin_host.c - a C program that opens LIBRARY in a scope of its own and calls its
 * every_entry(OPTIONS).
 *
 * Before, between and after it says whether operators of C++ can be found in its own scope and which object the
 * library's scope has them from; none of that may depend on what is preloaded.  Exit status: every_entry()'s. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static const char *const symbols[] = { "_Znwm",      "_ZnwmSt11align_val_t",
				       "_ZdlPv",     "_ZdaPvmSt11align_val_t",
				       "mallocx",    "tc_version",
				       "mi_version", "nallocx",
				       "sdallocx",   "rallocx" };

static void look(const char *where, void *scope)
{
	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		void *p = dlsym(scope, symbols[i]);
		const char *base;
		Dl_info info;

		if (!p || !dladdr(p, &info)) {
			printf("%s: no %s\n", where, symbols[i]);
			continue;
		}
		base = strrchr(info.dli_fname, '/');
		printf("%s: %s of %s\n", where, symbols[i], base ? base + 1 : info.dli_fname);
	}
}

int main(int argc, char **argv)
{
	unsigned (*every_entry)(const char *);
	unsigned r;
	void *lib;

	(void)argc;
	look("before", RTLD_DEFAULT);
	lib = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL | (strstr(argv[2], "deepbind") ? RTLD_DEEPBIND : 0));
	if (!lib) {
		fprintf(stderr, "%s\n", dlerror());
		return 99;
	}
	look("opened", RTLD_DEFAULT);
	look("inside", lib);
	every_entry = (unsigned (*)(const char *))dlsym(lib, "every_entry");
	r = every_entry(argv[2]);
	dlclose(lib);
	look("closed", RTLD_DEFAULT);
	return (int)r;
}
