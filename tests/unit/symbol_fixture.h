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

/* Compile the C++ test source; without that compiler the test is skipped. */
static inline void compile(char path[PATH_MAX], const char *name, const char *compiler, const char *flags)
{
	tool_scratch(path, name);
	if (!compile_source(path, "tests/data/symbols/inlines.cc", compiler, flags))
		cr_skip_test("%s is not installed", compiler);
}

/* A shell's command that must succeed, about the files $a and $b. */
static inline void shell(const char *command, const char *a, const char *b)
{
	char whole[4 * PATH_MAX];
	int status;

	snprintf(whole, sizeof(whole), "set -e; a='%s'; b='%s'; %s", a, b, command);
	free(tool_output(&status, "%s", whole));
	cr_assert_eq(status, 0, "%s", whole);
}

/* A program, and its copy BARE whose DWARF is in BARE.debug. */
static inline void compile_separate(char whole[PATH_MAX], char bare[PATH_MAX], const char *name, const char *flags)
{
	char copy[64];

	compile(whole, name, "g++", flags);
	snprintf(copy, sizeof(copy), "%s.bare", name);
	shell("cp \"$a\" \"$b\"; objcopy --only-keep-debug \"$b\" \"$b.debug\"; strip \"$b\"; "
	      "objcopy --add-gnu-debuglink=\"$b.debug\" \"$b\"",
	      whole, tool_scratch(bare, copy));
}

/* Functions as the linker knew them, by nm: malloc'ed. */
struct nm_function {
	unsigned long start, size;
};

static inline size_t nm_functions(const char *path, struct nm_function **ret)
{
	int status;
	char *out = tool_output(&status, "nm -S --defined-only '%s' | awk 'NF == 4 && $3 ~ /[tTwWi]/'", path);
	size_t n = 0;

	*ret = NULL;
	for (char *line = strtok(out, "\n"); line; line = strtok(NULL, "\n")) {
		*ret = realloc(*ret, (n + 1) * sizeof(**ret));
		cr_assert_eq(sscanf(line, "%lx %lx", &(*ret)[n].start, &(*ret)[n].size), 2);
		n++;
	}
	free(out);
	return n;
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

/* What is said about the addresses of the text of one file by another, as all_frames(). */
static inline char *frames_of(const char *path, const char *text_of)
{
	struct profile *p = file_profile(path);
	char *text;

	add_text(p, text_of, 5);
	cr_assert_eq(profile_symbolize(p, NULL, NULL), 0);
	text = all_frames(p);
	profile_free(p);
	return text;
}
