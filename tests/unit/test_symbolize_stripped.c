/* tests/unit/test_symbolize_stripped.c - what has no symbols: functions by where they begin, PLT entries, the vdso.
 */
#include <sys/auxv.h>

#include "collectord/profile/vdso_file.h"
#include "tests/unit/symbol_fixture.h"

/* Every byte of every function is called by the function's begin. */
static void check_stripped(const char *whole, const char *bare)
{
	struct nm_function *all;
	size_t n = nm_functions(whole, &all), checked = 0;
	struct profile *p = file_profile(bare);

	for (size_t i = 0; i < n; i++)
		for (unsigned long at = 0; at < all[i].size; at += 3)
			profile_add_location(p, 0, all[i].start + at);
	cr_assert_eq(profile_symbolize(p, NULL, NULL), 0);
	for (size_t i = 0; i < n; i++)
		for (unsigned long at = 0; at < all[i].size; at += 3) {
			uint32_t l = profile_add_location(p, 0, all[i].start + at);
			char want[PATH_MAX];

			snprintf(want, sizeof(want), "%s+0x%lx", strrchr(bare, '/') + 1, all[i].start);
			cr_assert_lt(l, p->n_locations);
			if (!p->locations[l].n_lines || *function_of(p, &p->locations[l], 0)->system_name)
				continue; /* start-up code has no unwind entries; what is exported keeps its name */
			cr_assert_str_eq(function_of(p, &p->locations[l], 0)->name, want);
			cr_assert_eq(p->locations[l].entry, all[i].start);
			checked++;
		}
	cr_assert_gt(checked, 500, "%zu", checked);
	cr_assert(p->mappings[0].has_functions && !p->mappings[0].has_line_numbers);
	profile_free(p);
	free(all);
}

Test(symbolize_stripped, functions_are_called_by_where_they_begin)
{
	static const char *const ways[][2] = {
		{ "g++", "-O1 -fno-reorder-blocks-and-partition" },
		{ "g++", "-O0 -no-pie" },
		{ "g++", "-O1 -fno-reorder-blocks-and-partition -mcmodel=large -no-pie" },
		{ "clang++", "-O2" },
		{ "clang++", "-O1 -static-libstdc++" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		char whole[PATH_MAX], bare[PATH_MAX];

		compile(whole, "unstripped", ways[i][0], ways[i][1]);
		shell("strip -o \"$b\" \"$a\"", whole, tool_scratch(bare, "stripped"));
		check_stripped(whole, bare);
	}
}

/* objdump names entries of the linkage table as well; every one it knows must be ours. */
static size_t check_plt(const char *path)
{
	int status;
	char *out = tool_output(&status, "objdump -d '%s' | grep '@plt>:$'", path), want[4096];
	struct profile *p = file_profile(path);
	unsigned long at;
	size_t n = 0;

	for (char *line = strdup(out), *s = strtok(line, "\n"); s; s = strtok(NULL, "\n"))
		profile_add_location(p, 0, strtoul(s, NULL, 16) + 2);
	cr_assert_eq(profile_symbolize(p, NULL, NULL), 0);
	for (char *s = strtok(out, "\n"); s; s = strtok(NULL, "\n"), n++) {
		cr_assert_eq(sscanf(s, "%lx <%4000[^>]", &at, want), 2);
		cr_assert_eq(p->locations[n].address, at + 2);
		cr_assert_eq(p->locations[n].n_lines, 1, "%s has no name", want);
		cr_assert_str_eq(function_of(p, &p->locations[n], 0)->system_name, want);
		cr_assert_eq(p->locations[n].entry, at);
	}
	profile_free(p);
	free(out);
	return n;
}

Test(symbolize_stripped, entries_of_the_linkage_table_are_named_as_by_objdump)
{
	static const char *const flags[] = { "-O1", "-O1 -fcf-protection=none",
					     "-O1 -fcf-protection=full -Wl,-z,ibtplt", "-O1 -no-pie -Wl,-z,lazy",
					     "-O1 -Wl,-z,now" };
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		compile(path, "plt", "g++", flags[i]);
		cr_assert_gt(check_plt(path), 5, "%s", flags[i]);
		shell("strip \"$a\"", path, "");
		cr_assert_gt(check_plt(path), 5, "%s, stripped", flags[i]);
	}
}

Test(symbolize_stripped, entries_of_the_linkage_table_are_demangled)
{
	char path[PATH_MAX], *out;
	int status;
	struct profile *p;

	compile(path, "plt_new", "g++", "-O1");
	out = tool_output(&status, "objdump -d '%s' | grep '<_Znwm@plt>:$'", path);
	p = file_profile(path);
	profile_add_location(p, 0, strtoul(out, NULL, 16));
	cr_assert_eq(profile_symbolize(p, NULL, NULL), 0);
	cr_assert_str_eq(function_of(p, &p->locations[0], 0)->name, "operator new@plt");
	free(out);
	profile_free(p);
}

/* The vdso of this kernel names its functions; another one's does not. */
Test(symbolize_stripped, the_vdso_is_believed_if_its_build_id_agrees)
{
	char path[PATH_MAX], *bytes;
	int fd = vdso_open(), status;
	ssize_t n;
	struct profile *p;
	unsigned long at;
	char *out;

	if (fd < 0)
		cr_skip_test("this kernel has no vdso");
	bytes = malloc(1 << 20);
	n = pread(fd, bytes, 1 << 20, 0);
	cr_assert_eq(memcmp(bytes, (void *)getauxval(AT_SYSINFO_EHDR), 4096), 0);
	tool_write(tool_scratch(path, "vdso"), bytes, (size_t)n);
	out = tool_output(&status, "nm -D '%s' | awk '$3 ~ /^__vdso_getcpu(@|$)/ { print $1 }'", path);
	at = strtoul(out, NULL, 16);
	cr_assert_neq(at, 0);
	p = file_profile(path);
	p->mappings[0].file = VDSO_NAME;
	profile_add_location(p, 0, at);
	cr_assert_eq(profile_symbolize(p, NULL, NULL), 0);
	cr_assert_eq(p->locations[0].n_lines, 1);
	cr_assert_not_null(strstr(function_of(p, &p->locations[0], 0)->name, "getcpu"));
	profile_free(p);
	p = file_profile(path);
	p->mappings[0].file = VDSO_NAME;
	p->mappings[0].build_id = "0123456789012345678901234567890123456789";
	profile_add_location(p, 0, at);
	cr_assert_eq(profile_symbolize(p, NULL, NULL), 0);
	cr_assert_eq(p->locations[0].n_lines, 0);
	cr_assert_str_eq(p->mappings[0].file, VDSO_NAME);
	profile_free(p);
	free(bytes);
	free(out);
	close(fd);
}
