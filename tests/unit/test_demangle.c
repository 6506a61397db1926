/* tests/unit/test_demangle.c - names for people, and one spelling per source file. */
#include "collectord/profile/demangle.h"
#include "collectord/profile/pprof.h"
#include "collectord/profile/source_path.h"
#include "tests/unit/tool.h"

static void check(const char *symbol, const char *want)
{
	char *name = demangle_name(symbol);

	cr_assert_str_eq(name, want);
	free(name);
}

Test(demangle, leaves_c_alone_but_for_parts_clones_and_versions)
{
	check("malloc", "malloc");
	check("", "");
	check("_dl_map_object", "_dl_map_object");
	check("__libc_start_main@@GLIBC_2.34", "__libc_start_main");
	check("type_dealloc.lto_priv.0", "type_dealloc");
	check("parse.part.0.cold", "parse");
	check("f.constprop.3.isra.1", "f");
	check("_ZNot_a_name", "_ZNot_a_name");
	check(".cold", ".cold");
	check("a.out.main", "a.out.main");
}

Test(demangle, shortens_cxx_without_hurting_operators)
{
	check("_Znwm", "operator new");
	check("_ZN3net6Socket5writeISsEEvRKT_", "net::Socket::write");
	check("_ZNSt6vectorIiSaIiEE9push_backERKi", "std::vector::push_back");
	check("_ZN12_GLOBAL__N_17do_workEv", "(anonymous namespace)::do_work");
	check("_ZlsIiERSoS0_T_", "operator<<");
	check("_ZStltIcSt11char_traitsIcESaIcEEbRKSbIT_T0_T1_ES8_", "std::operator<");
	check("_ZNK1AptEv", "A::operator->");
	check("_ZZ4mainENKUliiE_clEii", "main::{lambda(int, int)#1}::operator()");
	check("_ZN1AI1BIiEE1fEv.part.0", "A::f");
	check("_ZN1fILb1ELi3EE1gEv", "f::g");
	check("_ZN1AcvT_IiEEv", "A::operator int");
	check("operator()<int>", "operator()");
	check("__unguarded_partition<std::vector<int>, (1>2)>", "__unguarded_partition");
	check("<artificial>", "<artificial>");
	check("broken<name", "broken<name");
}

Test(demangle, rust_keeps_types_and_drops_hashes)
{
	check("_ZN4core3fmt5write17h0123456789abcdefE", "core::fmt::write");
	check("_ZN66_$LT$alloc..vec..Vec$LT$T$GT$$u20$as$u20$core..ops..drop..Drop$GT$4drop17h0123456789abcdefE",
	      "<alloc::vec::Vec<T> as core::ops::drop::Drop>::drop");
	check("_RNvCs1234_7mycrate3foo", "mycrate::foo");
	check("_RINvCs1234_7mycrate3fooliE", "mycrate::foo::<i32, isize>");
	check("_ZN4core3fmt5write17h0123456789abcdefE.llvm.123456", "core::fmt::write");
}

/* As `c++filt -s dlang` has them. */
Test(demangle, d_names_are_those_of_d)
{
	check("_D8demangle4testFaZv", "demangle.test(char)");
	check("_D8demangle9__T4testZ4testFZv", "demangle.test!().test()");
	check("_Dmain", "D main");
	check("_Debug_print", "_Debug_print");
}

Test(demangle, entries_of_the_linkage_table_keep_their_mark)
{
	check("malloc@plt", "malloc@plt");
	check("_Znwm@plt", "operator new@plt");
	check("malloc@pltx", "malloc");
}

Test(demangle, hostile_nesting_ends)
{
	enum { DEEP = 2000000 };
	char *s = malloc(DEEP + 1), *name;

	memset(s, 'P', DEEP);
	memcpy(s, "_Z1f", 4);
	s[DEEP] = '\0';
	name = demangle_name(s);
	cr_assert_not_null(name);
	free(name);
	memset(s, '<', DEEP);
	s[0] = 'a';
	name = demangle_name(s);
	cr_assert_str_eq(name, s);
	free(name);
	free(s);
}

/* A function name per line of `list`, as a profile whose names Go's pprof has to demangle by itself. */
static struct profile *profile_of_symbols(char *list)
{
	struct profile *p = profile_new();
	struct profile_mapping m = { .limit = 1u << 30, .file = "/x", .build_id = "", .has_functions = true };
	uint64_t address = 0;

	profile_add_sample_type(p, "x", "count");
	profile_add_mapping(p, &m);
	for (char *s = strtok(list, "\n"); s; s = strtok(NULL, "\n")) {
		uint32_t location = profile_add_location(p, 0, ++address), sample;
		struct profile_line *line = profile_alloc(p, 1, sizeof(*line));

		line->function = profile_add_function(p, s, s, "", 0);
		p->locations[location].lines = line;
		p->locations[location].n_lines = 1;
		sample = profile_add_sample(p, &location, 1);
		p->samples[sample].values[0] = 1;
	}
	return p;
}

/* Go's own demangler judges ours over all C++ functions that libstdc++ exports. */
Test(demangle, agrees_with_go_pprof_on_libstdcxx)
{
	char path[PATH_MAX], scratch[PATH_MAX], want[1 << 16], *list, *raw, *at;
	struct profile *p;
	int status;
	void *buf;
	size_t n;

	list = tool_output(&status,
			   "command -v go >&2 && nm -D --defined-only "
			   "\"$(g++ -print-file-name=libstdc++.so.6)\" | awk '$2 ~ /[TWi]/ { print $3 }' | "
			   "sed 's/@.*//' | grep ^_Z | sort -u");
	if (!*list)
		cr_skip_test("go, nm or libstdc++ is missing");
	p = profile_of_symbols(list);
	cr_assert_gt(p->n_functions, 2000);
	cr_assert_eq(pprof_encode(p, &buf, &n), 0);
	tool_write(tool_scratch(path, "cxx.pb.gz"), buf, n);
	raw = tool_output(&status, "PPROF_TMPDIR='%s' go tool pprof -raw '%s'", tool_scratch(scratch, ""), path);
	cr_assert_eq(status, 0);
	at = strstr(raw, "\nLocations\n");
	cr_assert_not_null(at);
	for (size_t i = 0; i < p->n_functions; i++) {
		char *name = demangle_name(p->functions[i].system_name);

		snprintf(want, sizeof(want), ": %#zx M=1 %s :0 s=0(%s)\n", i + 1, name,
			 p->functions[i].system_name);
		at = strstr(at, want); /* both lists are in order */
		cr_assert_not_null(at, "Go does not say: %s", want);
		free(name);
	}
	free(buf);
	free(raw);
	free(list);
	profile_free(p);
}

static void check_path(const char *dir, const char *file, const char *want)
{
	char *path = source_path(dir, file);

	cr_assert_str_eq(path, want, "%s + %s = %s, not %s", dir ? dir : "NULL", file, path, want);
	free(path);
}

Test(source_path, joins_and_cleans)
{
	check_path("/build", "a.c", "/build/a.c");
	check_path("/build/x", "../a.c", "/build/a.c");
	check_path("/build", "./a/./b//c.c", "/build/a/b/c.c");
	check_path("/build", "/usr/include/x.h", "/usr/include/x.h");
	check_path(NULL, "a/../b.c", "b.c");
	check_path(NULL, "../../b.c", "../../b.c");
	check_path("/", "../../b.c", "/b.c");
	check_path("/a", "../../../b.c", "/b.c");
	check_path("./malloc", "./malloc/malloc.c", "malloc/malloc.c");
	check_path("./csu", "../sysdeps/x.c", "sysdeps/x.c");
	check_path("/a/..b", "c..d/../e", "/a/..b/e");
	check_path("x", "", "x");
	check_path(NULL, "<artificial>", "<artificial>");
}
