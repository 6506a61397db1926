/* tests/unit/symbol_fixture.h - what tests of symbolization share. */
#pragma once

#include <fcntl.h>
#include <gelf.h>
#include <unistd.h>

#include <elfutils/libdwelf.h>

#include "collectord/profile/symbolize.h"
#include "common/abi.h"
#include "tests/unit/tool.h"

static inline const struct profile_function *function_of(const struct profile *p, const struct profile_location *l,
							 uint32_t i)
{
	return &p->functions[l->lines[i].function];
}

/* "ADDRESS NAME FILE:LINE", a line for each frame. */
static inline char *all_frames(const struct profile *p)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	for (size_t i = 0; i < p->n_locations; i++)
		for (uint32_t k = 0; k < p->locations[i].n_lines; k++)
			fprintf(f, "%#lx %s %s:%ld\n", (unsigned long)p->locations[i].address,
				function_of(p, &p->locations[i], k)->name,
				function_of(p, &p->locations[i], k)->filename, (long)p->locations[i].lines[k].line);
	fclose(f);
	return text;
}

/* A profile with one mapping, `path` at bias 0: addresses are those of the file. */
static inline struct profile *file_profile(const char *path)
{
	struct profile *p = profile_new();
	char hex[2 * ABI_BUILD_ID_MAX + 1] = "";
	struct profile_mapping m = { .limit = 1ull << 40, .file = path, .build_id = hex };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	const void *id;
	ssize_t n;
	Elf *elf;

	cr_assert_geq(fd, 0, "%s", path);
	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	n = dwelf_elf_gnu_build_id(elf, &id);
	for (ssize_t i = 0; i < n; i++)
		sprintf(hex + 2 * i, "%02x", ((const unsigned char *)id)[i]);
	elf_end(elf);
	close(fd);
	cr_assert_eq(profile_add_mapping(p, &m), 0);
	return p;
}

/* Compile the source of that name into `path`; false if there is no compiler. */
static inline bool compile_source(const char *path, const char *name, const char *compiler, const char *flags)
{
	char source[PATH_MAX];
	int status;

	tool_source(source, name);
	free(tool_output(&status, "command -v %s", compiler));
	if (status)
		return false;
	free(tool_output(&status, "%s %s -o '%s' '%s' >&2", compiler, flags, path, source));
	cr_assert_eq(status, 0);
	return true;
}

/* Compile the C++ test source; false if there is no compiler. */
static inline bool compile(char path[PATH_MAX], const char *name, const char *compiler, const char *flags)
{
	tool_scratch(path, name);
	return compile_source(path, "tests/data/symbols/inlines.cc", compiler, flags);
}

/* Addresses to ask for: every `step` bytes of .text. */
static inline void add_text(struct profile *p, const char *path, unsigned step)
{
	unsigned long start, size;
	int status;
	char *out = tool_output(&status, "readelf -SW '%s' | sed -n 's/.* \\.text *PROGBITS *//p'", path);

	cr_assert_eq(sscanf(out, "%lx %*x %lx", &start, &size), 2, "%s", out);
	for (unsigned long a = start; a < start + size; a += step)
		profile_add_location(p, 0, a);
	free(out);
}
