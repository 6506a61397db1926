/* tests/unit/test_symbolize_oracle.c - frames held against addr2line, names against nm. */
#include "collectord/profile/demangle.h"
#include "collectord/profile/source_path.h"
#include "tests/unit/snapshot_fixture.h"
#include "tests/unit/symbol_fixture.h"

/* Is there a function symbol around the address, by nm? */
static bool nm_covers(const struct nm_function *t, size_t n, unsigned long a)
{
	for (size_t i = 0; i < n; i++)
		if (a >= t[i].start && a - t[i].start < t[i].size)
			return true;
	return false;
}

/* Equal when shown; a local C++ function has only its plain name in DWARF, the last part of ours. */
static void check_name(const char *ours, const char *theirs, unsigned long a)
{
	char *x = demangle_name(ours), *y = demangle_name(theirs);
	size_t nx = strlen(x), ny = strlen(y);

	cr_assert(!strcmp(x, y) || (nx > ny + 2 && !strcmp(x + nx - ny, y) && !strncmp(x + nx - ny - 2, "::", 2)),
		  "%#lx: %s, not %s", a, ours, theirs);
	free(x);
	free(y);
}

/* One frame of addr2line, at *at: a name and a place.  Code without DWARF has no place of its own there. */
static void check_frame(const struct profile *p, const struct profile_location *l, uint32_t i, char **at)
{
	char *name = strsep(at, "\n"), *place = strsep(at, "\n"), *colon, *file;

	cr_assert_not_null(place);
	cr_assert_lt(i, l->n_lines, "%#lx: we lack %s", (unsigned long)l->address, name);
	/* Where binutils cannot name an inlined function it says the symbol around it; elfutils and LLVM can. */
	if (i + 1 == l->n_lines || strcmp(name, function_of(p, l, l->n_lines - 1)->system_name))
		check_name(function_of(p, l, i)->system_name, name, (unsigned long)l->address);
	place[strcspn(place, " ")] = '\0'; /* " (discriminator 2)" */
	colon = strrchr(place, ':');
	*colon++ = '\0';
	if (*colon == '?')
		return;
	cr_assert_eq(l->lines[i].line, atol(colon), "%#lx %s:%s", (unsigned long)l->address, place, colon);
	file = source_path(NULL, place);
	cr_assert_str_eq(function_of(p, l, i)->filename, file, "%#lx: %s, not %s", (unsigned long)l->address,
			 function_of(p, l, i)->filename, file);
	free(file);
}

/* All frames of all locations against addr2line; returns how many had inlined ones. */
static size_t check_against_addr2line(const struct profile *p, const char *path)
{
	char list[PATH_MAX], *out, *at;
	struct nm_function *symbols;
	size_t n_symbols = nm_functions(path, &symbols), inlined = 0;
	FILE *f = fopen(tool_scratch(list, "addresses"), "w");
	int status;

	for (size_t i = 0; i < p->n_locations; i++)
		fprintf(f, "%#lx\n", (unsigned long)p->locations[i].address);
	fclose(f);
	out = at = tool_output(&status, "addr2line -a -f -i -e '%s' < '%s'", path, list);
	cr_assert_eq(status, 0);
	for (size_t i = 0; i < p->n_locations; i++) {
		const struct profile_location *l = &p->locations[i];
		uint32_t n = 0;

		cr_assert_eq(strtoul(strsep(&at, "\n"), NULL, 16), l->address);
		if (!l->n_lines)
			cr_assert(!nm_covers(symbols, n_symbols, l->address), "%#lx has no name",
				  (unsigned long)l->address);
		while (at && *at && strncmp(at, "0x", 2)) {
			if (l->n_lines) {
				check_frame(p, l, n++, &at);
			} else { /* addr2line falls back on the nearest name: we do not */
				strsep(&at, "\n");
				strsep(&at, "\n");
			}
		}
		cr_assert_eq(n, l->n_lines, "%#lx", (unsigned long)l->address);
		inlined += n > 1;
	}
	free(out);
	free(symbols);
	return inlined;
}

/* DWARF 4 only: of version 5 binutils 2.40 mixes up the first files. */
Test(symbolize_oracle, agrees_with_addr2line_on_inlined_cxx)
{
	static const char *const flags[] = { "-O2 -gdwarf-4", "-O1 -gdwarf-4 -gz", "-O0 -gdwarf-4",
					     "-O3 -gdwarf-4 -no-pie" };

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		char path[PATH_MAX];
		struct profile *p;

		compile(path, "inlines", "g++", flags[i]);
		p = file_profile(path);
		add_text(p, path, 3);
		cr_assert_eq(profile_symbolize(p, NULL, NULL), 0);
		cr_assert(check_against_addr2line(p, path) > 100 || strstr(flags[i], "-O0"), "%s", flags[i]);
		profile_free(p);
	}
}

/* nm is the judge: of several names for one address ours must be one, and each exported function must have one. */
static void check_against_nm(const char *path)
{
	struct profile *p = file_profile(path);
	int status;
	char *out = tool_output(&status,
				"nm -D -S --defined-only '%s' | awk 'NF == 4 && $3 ~ /[TWi]/ "
				"{ sub(/@.*/, \"\", $4); print $1, $4 }' | sort -u",
				path);
	char *known = strdup(out), want[1 << 16];
	size_t known_names = 0;

	for (char *line = strtok(out, "\n"); line; line = strtok(NULL, "\n"))
		profile_add_location(p, 0, strtoul(line, NULL, 16));
	cr_assert_eq(profile_symbolize(p, NULL, NULL), 0);
	for (size_t i = 0; i < p->n_locations; i++) {
		const struct profile_location *l = &p->locations[i];
		const char *name;
		char *at;

		cr_assert_gt(l->n_lines, 0, "%s: %#lx", path, (unsigned long)l->address);
		name = function_of(p, l, l->n_lines - 1)->system_name;
		snprintf(want, sizeof(want), "%016lx %.*s\n", (unsigned long)l->address, (int)strcspn(name, "@"),
			 name);
		at = strstr(known, want);
		known_names += at != NULL;
	}
	/* A debug file may know a better, local name for a few. */
	cr_assert_gt(known_names, p->n_locations * 95 / 100, "%s: %zu of %zu", path, known_names, p->n_locations);
	free(known);
	free(out);
	profile_free(p);
}

Test(symbolize_oracle, agrees_with_nm_on_system_libraries)
{
	static const char *const files[] = {
		"$(gcc -print-file-name=libc.so.6)",
		"$(gcc -print-file-name=libstdc++.so.6)",
		"/usr/bin/python3",
	};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		int status;
		char *path = tool_output(&status, "readlink -f \"%s\"", files[i]);

		path[strcspn(path, "\n")] = '\0';
		if (path[0] == '/' && !access(path, R_OK))
			check_against_nm(path);
		free(path);
	}
}

Test(symbolize_oracle, malloc_is_called_malloc)
{
	struct snapshot *s = fixture_snapshot();
	struct profile *p;
	const char *libc = NULL;
	char *out;
	int status;

	for (size_t i = 0; i < s->n_modules; i++)
		if (strstr(s->modules[i].path, "libc.so"))
			libc = s->modules[i].path;
	p = file_profile(libc);
	out = tool_output(&status, "nm -D '%s' | awk '$3 ~ /^malloc@/ { print $1 }'", p->mappings[0].file);
	profile_add_location(p, 0, strtoul(out, NULL, 16) + 8);
	cr_assert_eq(profile_symbolize(p, NULL, NULL), 0);
	cr_assert_str_eq(function_of(p, &p->locations[0], p->locations[0].n_lines - 1)->name, "malloc");
	free(out);
	profile_free(p);
	snapshot_free(s);
}
