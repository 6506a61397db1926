/* tests/unit/test_symbolize_names.c - an inlined function has the name it would have had as a symbol.
 *
 * The oracle is the linker's symbol table of the same source compiled with -fno-inline. */
#include "collectord/profile/demangle.h"
#include "tests/unit/symbol_fixture.h"

static bool compile_scopes(char path[PATH_MAX], const char *name, const char *compiler, const char *flags)
{
	tool_scratch(path, compiler); /* tests run at a time */
	strcat(path, name);
	return compile_source(path, "tests/data/symbols/scopes.cc", compiler, flags);
}

/* All symbols as shown to people, each between newlines. */
static char *shown_symbols(const char *path)
{
	char *list = NULL, *out;
	size_t n = 0;
	FILE *f = open_memstream(&list, &n);
	int status;

	out = tool_output(&status, "nm '%s' | awk '{ print $NF }' | sed 's/@.*//'", path);
	cr_assert_eq(status, 0);
	fputc('\n', f);
	for (char *s = strtok(out, "\n"); s; s = strtok(NULL, "\n")) {
		char *name = demangle_name(s);

		fprintf(f, "%s\n", name);
		free(name);
	}
	fclose(f);
	free(out);
	return list;
}

/* Frames inside others; each must be among `symbols`. */
static size_t check_inlined_names(const char *path, const char *symbols, const char *flags)
{
	struct profile *p = file_profile(path);
	char line[8192];
	size_t inlined = 0;

	add_text(p, path, 1);
	cr_assert_eq(profile_symbolize(p, NULL, NULL), 0);
	for (size_t i = 0; i < p->n_locations; i++) {
		for (uint32_t k = 0; k + 1 < p->locations[i].n_lines; k++, inlined++) {
			snprintf(line, sizeof(line), "\n%s\n", function_of(p, &p->locations[i], k)->name);
			cr_assert_not_null(strstr(symbols, line), "%s: no symbol is called %s", flags, line);
		}
	}
	profile_free(p);
	return inlined;
}

static void check_scopes(const char *compiler, const char *const *flags, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char path[PATH_MAX], outline[PATH_MAX], all[256], *symbols;

		snprintf(all, sizeof(all), "%s -fno-inline", flags[i]);
		if (!compile_scopes(path, "scopes", compiler, flags[i]) ||
		    !compile_scopes(outline, "outline", compiler, all))
			cr_skip_test("a compiler is not installed");
		symbols = shown_symbols(outline);
		cr_assert_gt(check_inlined_names(path, symbols, flags[i]), 200, "%s: nothing was inlined",
			     flags[i]);
		free(symbols);
	}
}

Test(symbolize_names, inlined_functions_are_called_as_their_symbols_by_gcc)
{
	static const char *const flags[] = { "-O1 -gdwarf-4", "-O2 -gdwarf-5", "-O3 -gdwarf-5 -gsplit-dwarf",
					     "-O2 -gdwarf-5 -flto" };

	check_scopes("g++", flags, ARRAY_SIZE(flags));
}

Test(symbolize_names, inlined_functions_are_called_as_their_symbols_by_clang)
{
	static const char *const flags[] = { "-O1 -gdwarf-4", "-O2 -gdwarf-5", "-O3 -gdwarf-5" };

	check_scopes("clang++", flags, ARRAY_SIZE(flags));
}

/* Without its symbols a program's own functions are named by DWARF alone. */
Test(symbolize_names, dwarf_alone_names_functions_as_their_symbols)
{
	char path[PATH_MAX], bare[PATH_MAX], *symbols;
	struct profile *p;
	int status;
	size_t qualified = 0;

	if (!compile_scopes(path, "whole", "g++", "-O1 -g -fno-inline"))
		cr_skip_test("g++ is not installed");
	symbols = shown_symbols(path);
	free(tool_output(&status, "objcopy --strip-all --keep-section='.debug_*' '%s' '%s' >&2", path,
			 tool_scratch(bare, "bare")));
	cr_assert_eq(status, 0);
	p = file_profile(bare);
	add_text(p, bare, 1);
	cr_assert_eq(profile_symbolize(p, NULL, NULL), 0);
	for (size_t i = 0; i < p->n_locations; i++) {
		char line[8192];

		if (!p->locations[i].n_lines || !*function_of(p, &p->locations[i], 0)->system_name)
			continue; /* start-up code, which DWARF does not know */
		snprintf(line, sizeof(line), "\n%s\n", function_of(p, &p->locations[i], 0)->name);
		cr_assert_not_null(strstr(symbols, line), "no symbol is called %s", line);
		qualified += strstr(line, "::") != NULL;
	}
	cr_assert_gt(qualified, 500);
	free(symbols);
	profile_free(p);
}

/* A nested function of GNU C is called what the programmer called it. */
Test(symbolize_names, c_keeps_plain_names)
{
	const char *shown = NULL;
	char path[PATH_MAX];
	struct profile *p;
	int status;

	free(tool_output(
		&status,
		"echo 'int puts(const char *); int main(int c, char **v) { auto inline "
		"__attribute__((always_inline)) int nested(int x); int nested(int x) { return puts(v[x]); } "
		"return nested(c) + 1; }' | gcc -O1 -g -xc - -o '%s'",
		tool_scratch(path, "nested")));
	cr_assert_eq(status, 0);
	p = file_profile(path);
	add_text(p, path, 1);
	cr_assert_eq(profile_symbolize(p, NULL, NULL), 0);
	for (size_t i = 0; i < p->n_locations; i++)
		if (p->locations[i].n_lines > 1)
			shown = function_of(p, &p->locations[i], 0)->name;
	cr_assert_not_null(shown);
	cr_assert_str_eq(shown, "nested");
	profile_free(p);
}
