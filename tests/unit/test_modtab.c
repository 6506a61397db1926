/* tests/unit/test_modtab.c - module entries: copied whole, bounded by their tables, refused when forged. */
#include <string.h>

#include <criterion/criterion.h>

#include "common/modtab.h"
#include "tests/unit/region.h"

static struct test_region t;
static const struct module_info libc_like = {
	.start = 0x1000, .end = 0x9000, .bias = 0x1000, .epoch = 2, .build_id_len = 4, .build_id = { 1, 2, 3, 4 }
};

static void setup(void)
{
	struct abi_geometry geo = test_geometry();

	test_region_init(&t, &geo);
}

static void teardown(void)
{
	test_region_done(&t);
}

TestSuite(modtab, .init = setup, .fini = teardown);

Test(modtab, gives_back_what_was_published)
{
	struct module_info m;
	char path[32];

	cr_assert(module_publish(&t.r, &libc_like, "/lib/libc.so.6", 14));
	cr_assert_eq(module_count(&t.r), 1);
	cr_assert_eq(module_read(&t.r, 0, &m, path, sizeof(path)), 1);
	cr_assert_str_eq(path, "/lib/libc.so.6");
	cr_assert_eq(m.start, 0x1000);
	cr_assert_eq(m.end, 0x9000);
	cr_assert_eq(m.epoch, 2);
	cr_assert_eq(m.build_id_len, 4);
	cr_assert_arr_eq(m.build_id, libc_like.build_id, 4);
	cr_assert_eq(module_read(&t.r, 1, &m, path, sizeof(path)), 0, "not ready");
	cr_assert_eq(module_read(&t.r, 0, &m, path, 5), 1);
	cr_assert_str_eq(path, "/lib", "cut, and terminated");
}

Test(modtab, says_full_and_stays_inside)
{
	for (int i = 0; i < 8; i++)
		cr_assert(module_publish(&t.r, &libc_like, "x", 1));
	cr_assert_not(module_publish(&t.r, &libc_like, "x", 1));
	cr_assert_eq(module_count(&t.r), 8);
	store_relaxed(&t.r.cursors->modules, UINT32_MAX);
	cr_assert_eq(module_count(&t.r), 8, "a forged cursor does not lead past the table");
}

Test(modtab, says_full_when_strings_are)
{
	char path[200];

	memset(path, 'p', sizeof(path));
	cr_assert(module_publish(&t.r, &libc_like, path, 200));
	cr_assert_not(module_publish(&t.r, &libc_like, path, 200));
	cr_assert(module_publish(&t.r, &libc_like, path, 56), "what is left is usable");
}

Test(modtab, refuses_forged_entries)
{
	struct module_info m;
	char path[32];
	struct abi_module *e = t.r.modules;

	cr_assert(module_publish(&t.r, &libc_like, "abc", 3));
	e->path = 255;
	cr_assert_eq(module_read(&t.r, 0, &m, path, sizeof(path)), -1, "path past the strings");
	e->path = UINT64_MAX;
	cr_assert_eq(module_read(&t.r, 0, &m, path, sizeof(path)), -1, "offset that would wrap");
	e->path = 0;
	e->build_id_len = ABI_BUILD_ID_MAX + 1;
	cr_assert_eq(module_read(&t.r, 0, &m, path, sizeof(path)), -1, "build-id longer than its field");
	e->build_id_len = 0;
	e->end = e->start;
	cr_assert_eq(module_read(&t.r, 0, &m, path, sizeof(path)), -1, "empty range");
}
