/* tests/unit/test_dwarf_walk.c - the walk over bytes meets the entries that libdw's own steps meet. */
#include <dwarf.h>

#include "collectord/profile/dwarf_walk.h"
#include "tests/unit/symbol_fixture.h"

#define MAX_VISITED 200000

struct visited {
	const void **at;
	size_t n;
	bool all; /* else not below structures: siblings are used */
};

static void note(struct visited *v, const Dwarf_Die *die)
{
	cr_assert_lt(v->n, MAX_VISITED);
	v->at[v->n++] = die->addr;
}

static bool goes_below(const struct visited *v, int tag)
{
	return v->all || (tag != DW_TAG_structure_type && tag != DW_TAG_class_type);
}

static int visit(void *ctx, const struct dwarf_walk_entry *e)
{
	struct visited *v = ctx;
	Dwarf_Die die = e->die;

	cr_assert_eq(e->tag, dwarf_tag(&die));
	cr_assert_eq(e->has_code, dwarf_hasattr(&die, DW_AT_low_pc) || dwarf_hasattr(&die, DW_AT_ranges));
	note(v, &e->die);
	return goes_below(v, e->tag) ? DWARF_WALK_INTO : DWARF_WALK_OVER;
}

/* Without a question to libdw, which does not know where the bytes are. */
static int count_only(void *ctx, const struct dwarf_walk_entry *e)
{
	struct visited *v = ctx;

	v->n++;
	return goes_below(v, e->tag) ? DWARF_WALK_INTO : DWARF_WALK_OVER;
}

static void walk_by_libdw(struct visited *v, Dwarf_Die *parent)
{
	Dwarf_Die die;

	if (dwarf_child(parent, &die))
		return;
	do {
		note(v, &die);
		if (goes_below(v, dwarf_tag(&die)))
			walk_by_libdw(v, &die);
	} while (!dwarf_siblingof(&die, &die));
}

static size_t compare_unit(Dwarf_Die *unit, bool all)
{
	struct visited ours = { .at = calloc(MAX_VISITED, sizeof(void *)), .all = all };
	struct visited theirs = { .at = calloc(MAX_VISITED, sizeof(void *)), .all = all };
	size_t n;

	cr_assert_eq(dwarf_walk(unit, visit, &ours), 0);
	walk_by_libdw(&theirs, unit);
	cr_assert_eq(ours.n, theirs.n, "%zu entries, not %zu", ours.n, theirs.n);
	cr_assert_eq(memcmp(ours.at, theirs.at, ours.n * sizeof(*ours.at)), 0);
	n = ours.n;
	free(ours.at);
	free(theirs.at);
	return n;
}

static size_t compare_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	Dwarf *dwarf = dwarf_begin(fd, DWARF_C_READ);
	Dwarf_CU *cu = NULL;
	Dwarf_Die die, split;
	size_t n = 0;

	cr_assert_not_null(dwarf, "%s", path);
	while (!dwarf_get_units(dwarf, cu, &cu, NULL, NULL, &die, &split)) {
		n += compare_unit(split.addr ? &split : &die, true);
		compare_unit(split.addr ? &split : &die, false);
	}
	dwarf_end(dwarf);
	close(fd);
	return n;
}

static void check(const char *compiler, const char *const *flags, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char path[PATH_MAX];

		tool_scratch(path, compiler);
		if (!compile_source(path, "tests/data/symbols/scopes.cc", compiler, flags[i]))
			cr_skip_test("a compiler is not installed");
		cr_assert_gt(compare_file(path), 100, "%s %s", compiler, flags[i]);
	}
}

Test(dwarf_walk, meets_what_libdw_meets_in_files_of_gcc)
{
	static const char *const flags[] = { "-O2 -gdwarf-5",
					     "-O0 -gdwarf-4",
					     "-O2 -gdwarf-3 -gstrict-dwarf",
					     "-O2 -gdwarf-2 -gstrict-dwarf",
					     "-O2 -gdwarf-5 -gdwarf64",
					     "-O2 -gdwarf-4 -fdebug-types-section",
					     "-O2 -gdwarf-5 -fdebug-types-section",
					     "-O2 -gdwarf-5 -gsplit-dwarf",
					     "-O2 -gdwarf-4 -gsplit-dwarf",
					     "-O2 -g -gz" };

	check("g++", flags, ARRAY_SIZE(flags));
}

Test(dwarf_walk, meets_what_libdw_meets_in_files_of_clang)
{
	static const char *const flags[] = { "-O2 -gdwarf-5", "-O1 -gdwarf-4" };

	check("clang++", flags, ARRAY_SIZE(flags));
}

/* Bytes that lead outside the unit, or nowhere: the walk ends. */
Test(dwarf_walk, damaged_entries_end_the_walk)
{
	char path[PATH_MAX];
	unsigned state = 7;
	Dwarf_CU *cu = NULL;
	Dwarf_Die die;
	Dwarf *dwarf;
	int fd;

	tool_scratch(path, "damaged_walk");
	if (!compile_source(path, "tests/data/symbols/scopes.cc", "g++", "-O1 -g"))
		cr_skip_test("g++ is not installed");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	dwarf = dwarf_begin(fd, DWARF_C_READ);
	while (!dwarf_get_units(dwarf, cu, &cu, NULL, NULL, &die, NULL)) {
		Dwarf_Off header = dwarf_dieoffset(&die) - dwarf_cuoffset(&die), next;
		size_t size, n;
		Dwarf_Die copy = die;

		cr_assert_eq(dwarf_next_unit(dwarf, header, &next, &size, NULL, NULL, NULL, NULL, NULL, NULL), 0);
		n = next - dwarf_dieoffset(&die);
		for (int round = 0; round < 200; round++) {
			struct visited v = { .all = round % 2 };
			uint8_t *unit = malloc(size + n); /* its end is the end of memory, for AddressSanitizer */

			memcpy(unit, (uint8_t *)die.addr - dwarf_cuoffset(&die), size + n);
			for (int k = 0; k < 1 << round % 10; k++) {
				state = state * 1103515245 + 12345;
				unit[size + 1 + (state >> 4) % (n - 1)] = (uint8_t)(state >> 24);
			}
			copy.addr = unit + dwarf_cuoffset(&die);
			cr_assert_eq(dwarf_walk(&copy, count_only, &v), 0);
			cr_assert_leq(v.n, n);
			free(unit);
		}
	}
	dwarf_end(dwarf);
	close(fd);
}
