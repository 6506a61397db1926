/* tests/unit/test_debug_files.c - separate debug files: those of the program are believed, others are not, and no
 * path that a file names holds us up (a FIFO would, until the test is killed). */
#include <sys/stat.h>

#include "tests/unit/symbol_fixture.h"

static bool knows_lines(const char *path, const char *text_of)
{
	char *frames = frames_of(path, text_of);
	bool known = strstr(frames, "inlines.cc:");

	free(frames);
	return known;
}

Test(debug_files, a_debug_file_with_another_build_id_is_not_believed)
{
	char whole[PATH_MAX], bare[PATH_MAX];

	compile_separate(whole, bare, "other_id", "-O2 -g -Wl,--build-id=0x0102030405060708");
	cr_assert(knows_lines(bare, whole));
	compile(whole, "other_id", "g++", "-O2 -g -Wl,--build-id=0x0102030405060709");
	shell("objcopy --only-keep-debug \"$a\" \"$b.debug\"", whole, bare);
	cr_assert(!knows_lines(bare, whole));
}

Test(debug_files, without_build_ids_the_checksum_decides)
{
	char whole[PATH_MAX], bare[PATH_MAX];

	compile_separate(whole, bare, "no_id", "-O2 -g -Wl,--build-id=none");
	cr_assert(knows_lines(bare, whole));
	shell("printf x >>\"$b.debug\"", whole, bare);
	cr_assert(!knows_lines(bare, whole));
}

Test(debug_files, a_debug_file_in_dot_debug_is_found)
{
	char whole[PATH_MAX], bare[PATH_MAX];

	compile_separate(whole, bare, "dot_debug", "-O2 -g");
	shell("d=$(dirname \"$b\")/.debug; mkdir -p \"$d\"; mv \"$b.debug\" \"$d/\"", whole, bare);
	cr_assert(knows_lines(bare, whole));
}

Test(debug_files, a_debug_file_that_is_a_fifo_is_left_alone)
{
	char whole[PATH_MAX], bare[PATH_MAX];

	compile_separate(whole, bare, "fifo", "-O2 -g");
	shell("rm \"$b.debug\"; mkfifo \"$b.debug\"", whole, bare);
	cr_assert(!knows_lines(bare, whole));
}

/* Two programs whose common DWARF dwz moved into a third file, as Debian's debug packages have it. */
static void share(char first[PATH_MAX], const char *name, const char *link)
{
	char second[PATH_MAX], command[2 * PATH_MAX], other[64];
	int status;

	free(tool_output(&status, "command -v dwz"));
	if (status)
		cr_skip_test("dwz is not installed");
	compile(first, name, "g++", "-O2 -gdwarf-4");
	snprintf(other, sizeof(other), "%s.second", name);
	compile(second, other, "g++", "-O1 -gdwarf-4");
	snprintf(command, sizeof(command), "dwz -m \"$a.shared\" %s \"$a\" \"$b\"", link);
	shell(command, first, second);
}

Test(debug_files, dwarf_shared_by_dwz_says_the_same)
{
	static const char *const links[] = { "", "-M shared_file.shared" };
	char plain[PATH_MAX], shared[PATH_MAX], *want, *got;

	compile(plain, "plain", "g++", "-O2 -gdwarf-4");
	want = frames_of(plain, plain);
	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		share(shared, "shared_file", links[i]);
		got = frames_of(shared, shared);
		cr_assert_str_eq(got, want, "%s", links[i]);
		free(got);
	}
	free(want);
}

Test(debug_files, the_shared_half_of_another_program_is_not_believed)
{
	char shared[PATH_MAX];

	share(shared, "half", "");
	cr_assert(knows_lines(shared, shared));
	/* The same, but for a bit of its build-id. */
	shell("python3 -c 'import sys; p = sys.argv[1]; d = bytearray(open(p, \"rb\").read()); "
	      "i = d.index(b\"GNU\\0\", d.index(b\"\\x14\\0\\0\\0\\3\\0\\0\\0GNU\\0\")); d[i + 5] ^= 1; open(p, "
	      "\"wb\").write(d)' "
	      "\"$a.shared\"",
	      shared, "");
	cr_assert(!knows_lines(shared, shared));
	shell("rm \"$a.shared\"; mkfifo \"$a.shared\"", shared, "");
	cr_assert(!knows_lines(shared, shared));
	shell("rm \"$a.shared\"", shared, "");
	cr_assert(!knows_lines(shared, shared));
}

/* Split DWARF: the program names the file, and libdw would open it. */
Test(debug_files, a_split_file_that_is_a_fifo_is_left_alone)
{
	static const char *const flags[] = { "-O2 -gsplit-dwarf -gdwarf-5", "-O2 -gsplit-dwarf -gdwarf-4" };
	char path[PATH_MAX], *frames;

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		compile(path, "split_fifo", "g++", flags[i]);
		shell("rm \"$a\"-inlines.dwo; mkfifo \"$a\"-inlines.dwo", path, "");
		frames = frames_of(path, path);
		cr_assert_not_null(strstr(frames, " main "), "symbols are there");
		free(frames);
		shell("rm \"$a\"-inlines.dwo", path, "");
	}
}

/* A section of some KiB that claims to be 200 GB when unpacked, in the program and in its debug file. */
Test(debug_files, sections_that_claim_too_much_are_not_unpacked)
{
	static const char claim[] =
		"python3 -c 'import struct, sys; p = sys.argv[1]; d = bytearray(open(p, \"rb\").read()); "
		"at, = struct.unpack_from(\"<Q\", d, 40); n = struct.unpack_from(\"<H\", d, 60)[0]; "
		"s = [struct.unpack_from(\"<IIQQQQ\", d, at + 64 * i) for i in range(n)]; "
		"o = max((x[5], x[4]) for x in s if x[2] & 0x800)[1]; "
		"d[o + 8:o + 16] = struct.pack(\"<Q\", 200 << 30); open(p, \"wb\").write(d)' ";
	char whole[PATH_MAX], bare[PATH_MAX], command[2048];
	struct symbolize_stats st;
	struct profile *p;

	compile_separate(whole, bare, "bomb", "-O2 -g -gz");
	snprintf(command, sizeof(command), "%s \"$b.debug\"; %s \"$a\"", claim, claim);
	cr_assert(knows_lines(bare, whole));
	p = file_profile(whole);
	add_text(p, whole, 5);
	shell(command, whole, bare);
	cr_assert(!knows_lines(bare, whole));
	cr_assert_eq(profile_symbolize(p, NULL, &st), 0);
	cr_assert_eq(st.named, 0);
	cr_assert_str_eq(st.why_unnamed, "its compressed sections are too large");
	profile_free(p);
}

/* Modules that are no files: opened without waiting, never read. */
Test(debug_files, modules_that_are_no_files_are_left_alone)
{
	static const char *const traps[] = { "/dev/zero", "/dev/tty", "/proc/kmsg", "/", "/proc/self/mem" };
	char fifo[PATH_MAX], sparse[PATH_MAX], whole[PATH_MAX];
	struct symbolize_stats st;

	compile(whole, "no_files", "g++", "-O1");
	cr_assert_eq(mkfifo(tool_scratch(fifo, "module_fifo"), 0600), 0);
	shell("cp \"$a\" \"$b\"; truncate -s 100G \"$b\"", whole, tool_scratch(sparse, "module_sparse"));
	for (size_t i = 0; i < ARRAY_SIZE(traps) + 2; i++) {
		struct profile *p = file_profile(whole);

		p->mappings[0].file = i < ARRAY_SIZE(traps) ? traps[i] : i == ARRAY_SIZE(traps) ? fifo : sparse;
		add_text(p, whole, 50);
		cr_assert_eq(profile_symbolize(p, NULL, &st), 0);
		cr_assert_eq(st.named, 0, "%s", p->mappings[0].file);
		profile_free(p);
	}
	unlink(sparse);
}
