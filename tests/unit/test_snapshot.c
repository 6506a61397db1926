/* tests/unit/test_snapshot.c - the .heaptap codec: nothing is lost on the way, and what is no snapshot is called
 * what it is. */
#include <sys/stat.h>

#include "tests/unit/snapshot_file_fixture.h"

TestSuite(snapshot, .init = snapshot_file_setup, .fini = snapshot_file_teardown);

static void check_histogram(const struct histogram *a, const struct histogram *b, unsigned columns)
{
	cr_assert_eq(a->classes, b->classes);
	for (unsigned i = 0; i < histogram_used(a) * columns; i++)
		cr_assert_eq(a->cells[i], b->cells[i]);
}

static void check_detail(const struct snapshot_detail *a, const struct snapshot_detail *b)
{
	cr_assert_eq(memcmp(a, b, offsetof(struct snapshot_detail, lifetimes)), 0);
	check_histogram(&a->lifetimes, &b->lifetimes, LIFETIME_COLUMNS);
	check_histogram(&a->sizes, &b->sizes, SIZE_COLUMNS);
}

static void check_stack(const struct snapshot_stack *a, const struct snapshot_stack *b)
{
	cr_assert_eq(a->flags, b->flags);
	cr_assert_eq(a->epoch, b->epoch);
	cr_assert_eq(a->n_frames, b->n_frames);
	if (a->n_frames)
		cr_assert_arr_eq(a->frames, b->frames, a->n_frames * sizeof(*a->frames));
	cr_assert_eq(memcmp(&a->values, &b->values, sizeof(a->values)), 0);
	check_detail(&a->detail, &b->detail);
}

static void check_module(const struct snapshot_module *a, const struct snapshot_module *b)
{
	cr_assert_eq(memcmp(&a->range, &b->range, sizeof(a->range)), 0);
	cr_assert_str_eq(a->path, b->path);
	cr_assert_eq(a->build_id_len, b->build_id_len);
	cr_assert_arr_eq(a->build_id, b->build_id, ABI_BUILD_ID_MAX);
}

Test(snapshot, round_trip_keeps_every_field)
{
	struct snapshot *s = NULL, a, b;
	struct fault f;

	cr_assert_eq(snapshot_decode(file, file_len, &s, &f), 0);
	cr_assert_eq(s->major, SNAPSHOT_MAJOR);
	cr_assert_eq(s->minor, SNAPSHOT_MINOR);
	cr_assert_str_eq(s->exe, made->exe);
	cr_assert_str_eq(s->cmdline, made->cmdline);
	cr_assert_str_eq(s->allocator, made->allocator);
	cr_assert_eq(s->n_modules, made->n_modules);
	cr_assert_eq(s->n_stacks, made->n_stacks);
	for (size_t i = 0; i < s->n_modules; i++)
		check_module(&s->modules[i], &made->modules[i]);
	for (size_t i = 0; i < s->n_stacks; i++)
		check_stack(&s->stacks[i], &made->stacks[i]);
	cr_assert_eq(s->n_threads, made->n_threads);
	for (size_t i = 0; i < s->n_threads; i++) {
		cr_assert_eq(s->threads[i].tid, made->threads[i].tid);
		cr_assert_str_eq(s->threads[i].name, made->threads[i].name);
	}
	cr_assert_eq(s->series.n_points, 40);
	cr_assert_arr_eq(s->series.points, made->series.points, 40 * sizeof(*s->series.points));
	/* All the rest at once: a field forgotten in the tables differs here. */
	a = *s;
	b = *made;
	a.major = b.major = a.minor = b.minor = 0;
	a.exe = b.exe = a.cmdline = b.cmdline = a.allocator = b.allocator = NULL;
	a.modules = b.modules = NULL;
	a.series.points = b.series.points = NULL;
	a.stacks = b.stacks = NULL;
	a.threads = b.threads = NULL;
	cr_assert_eq(memcmp(&a, &b, sizeof(a)), 0);
	snapshot_free(s);
}

Test(snapshot, encoding_is_deterministic)
{
	void *again;
	size_t n;

	cr_assert_eq(snapshot_encode(made, &again, &n), 0);
	cr_assert_eq(n, file_len);
	cr_assert_arr_eq(again, file, n);
	free(again);
}

Test(snapshot, missing_strings_are_empty)
{
	struct snapshot none = { .rate = 1 }, *s = NULL;
	void *buf;
	size_t n;

	cr_assert_eq(snapshot_encode(&none, &buf, &n), 0);
	cr_assert_eq(snapshot_decode(buf, n, &s, NULL), 0);
	cr_assert_str_eq(s->exe, "");
	cr_assert_str_eq(s->cmdline, "");
	cr_assert_eq(s->n_stacks, 0);
	snapshot_free(s);
	free(buf);
}

Test(snapshot, newer_major_asks_to_upgrade)
{
	const size_t at = 3 + 1 + strlen("heaptap"); /* map16, fixstr, key */

	cr_assert_eq(file[at], SNAPSHOT_MAJOR);
	file[at] = 2;
	CHECK_FAULT(file, file_len, "newer heaptap (format 2, this one reads 1): upgrade");
	reseal(file, file_len);
	CHECK_FAULT(file, file_len, "upgrade");
	file[at] = 0;
	CHECK_FAULT(file, file_len, "inconsistent");
}

static void check_file_fault(const char *path, int code, const char *part)
{
	struct snapshot *s = NULL;
	struct fault f = { "" };

	cr_assert_eq(snapshot_read_file(path, &s, &f), code, "%s: %s", path, f.text);
	cr_assert_null(s);
	cr_assert(strstr(f.text, part), "\"%s\" lacks \"%s\"", f.text, part);
	cr_assert_eq(strncmp(f.text, path, strlen(path)), 0, "\"%s\" starts with the path", f.text);
}

Test(snapshot, files_that_are_none_get_distinct_faults)
{
	char path[PATH_MAX];

	check_file_fault(tool_scratch(path, "absent"), -ENOENT, "No such file");
	check_file_fault("/", -EISDIR, "directory");
	check_file_fault("/dev/null", -EINVAL, "not a regular file");
	unlink(tool_scratch(path, "fifo"));
	cr_assert_eq(mkfifo(path, 0600), 0);
	check_file_fault(path, -EINVAL, "not a regular file");
	tool_write(tool_scratch(path, "empty"), "", 0);
	check_file_fault(path, -EINVAL, "empty file");
	tool_write(tool_scratch(path, "text"), "hello\n", 6);
	check_file_fault(path, -EINVAL, "not a heaptap snapshot");
	tool_write(tool_scratch(path, "pprof"), "\x1f\x8b\x08\0", 4);
	check_file_fault(path, -EINVAL, "gzip data, perhaps a pprof profile");
	check_file_fault("/proc/self/exe", -EINVAL, "an ELF program");
	tool_write(tool_scratch(path, "cut"), file, file_len / 2);
	check_file_fault(path, -EINVAL, "truncated");
}

Test(snapshot, reads_a_file_back)
{
	struct snapshot *s = NULL;
	char path[PATH_MAX];

	tool_write(tool_scratch(path, "whole" SNAPSHOT_SUFFIX), file, file_len);
	cr_assert_eq(snapshot_read_file(path, &s, NULL), 0);
	cr_assert_eq(s->n_stacks, made->n_stacks);
	snapshot_free(s);
}

Test(snapshot, huge_file_is_refused_unread)
{
	char path[PATH_MAX];

	tool_write(tool_scratch(path, "huge"), file, file_len);
	cr_assert_eq(truncate(path, (off_t)SNAPSHOT_MAX_FILE + 1), 0);
	check_file_fault(path, -EFBIG, "larger than");
	unlink(path);
}

/* python3-msgpack is another implementation of the encoding: it must see the same numbers. */
Test(snapshot, an_independent_reader_sees_the_same)
{
	static const char script[] =
		"import msgpack,sys,zlib;b=open(sys.argv[1],'rb').read();s=msgpack.unpackb(b,strict_map_key=False);"
		"f=lambda d:[sum(d[:i+1])%2**64 for i in range(len(d))];"
		"print(list(s)[0],s['heaptap'],s['pid'],s['rate'],s['exit_status'],len(s['modules']),"
		"s['modules'][0][4],s['modules'][0][5].hex(),[hex(x) for x in f(s['stacks'][2][2])],"
		"s['stacks'][2][3][5],s['audit']['corrupt'],list(s)[-1],s['crc32']==zlib.crc32(b[:-5]))";
	char path[PATH_MAX], want[3 * PATH_MAX], id[2 * ABI_BUILD_ID_MAX + 1] = "", *out;
	int status;

	for (uint32_t i = 0; i < made->modules[0].build_id_len; i++)
		sprintf(id + (size_t)2 * i, "%02x", made->modules[0].build_id[i]);
	tool_write(tool_scratch(path, "python.heaptap"), file, file_len);
	out = tool_output(&status, "python3 -c \"%s\" '%s' 2>&1", script, path);
	if (strstr(out, "ModuleNotFoundError"))
		cr_skip_test("python3-msgpack is not installed");
	snprintf(want, sizeof(want),
		 "heaptap 1 4711 524288 -3 %zu %s %s ['0x401000', '0x80007f0000001234', '0x1', "
		 "'0xffffffffffffffff', '0x0'] 18446744073709551615 10 crc32 True\n",
		 made->n_modules, made->exe, id);
	cr_assert_str_eq(out, want);
	free(out);
}

Test(snapshot, reasons_have_names)
{
	cr_assert_str_eq(snapshot_reason_name(SNAPSHOT_EXIT), "exit");
	cr_assert_str_eq(snapshot_reason_name(99), "unknown");
}

/* tests/data/snapshots: written by heaptap before minor 1.  The numbers are those python3-msgpack reads. */
Test(snapshot, files_of_minor_0_are_read_without_what_they_lack)
{
	static const struct snapshot_detail none;
	struct snapshot *s = NULL;
	struct fault f = { "" };
	char path[PATH_MAX];

	cr_assert_eq(snapshot_read_file(tool_source(path, "tests/data/snapshots/minor0.heaptap"), &s, &f), 0, "%s",
		     f.text);
	cr_assert_eq(s->minor, 0);
	cr_assert_eq(s->n_stacks, 27);
	cr_assert_eq(s->total.alloc_bytes, 1137358518);
	cr_assert_eq(s->series.n_points, 0);
	for (size_t i = 0; i < s->n_stacks; i++) {
		cr_assert_eq(memcmp(&s->stacks[i].detail, &none, sizeof(none)), 0);
	}
	snapshot_free(s);
}
