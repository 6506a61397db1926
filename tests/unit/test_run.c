/* tests/unit/test_run.c - parts of `heaptap run` that decide: names, directories, which program, which session,
 * what the summary's rows say. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <criterion/redirect.h>

#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collectord/cli/run.h"
#include "collectord/cli/say.h"
#include "common/handshake.h"
#include "tests/unit/snapshot_fixture.h"
#include "tests/unit/tool.h"

static char root[PATH_MAX];

static void make_root(void)
{
	tool_scratch(root, "run.XXXXXX");
	cr_assert_not_null(mkdtemp(root));
	cr_assert_eq(chdir(root), 0);
}

static void remove_root(void)
{
	int status;

	free(tool_output(&status, "/bin/rm -rf '%s'", root));
}

static void write_empty(const char *path)
{
	tool_write(path, "", 0);
}

/* --- directories -------------------------------------------------------------------------------------------- */

struct name_case {
	char name[24];
	size_t size;
	char expected[24];
};

ParameterizedTestParameters(dirs_sanitize, leaves_a_safe_file_name)
{
	static struct name_case cases[] = {
		{ "/usr/bin/python3.11", 20, "python3.11" },
		{ "g++", 20, "g++" },
		{ "a b\n\x1b[1m;$(x)", 20, "a_b___1m___x_" },
		{ "\xc3\xa9t\xc3\xa9", 20, "__t__" },
		{ "..", 20, "_." },
		{ ".hidden", 20, "_hidden" },
		{ "dir/", 20, "_" },
		{ "", 20, "_" },
		{ "abcdefgh", 5, "abcd" },
	};

	return cr_make_param_array(struct name_case, cases, ARRAY_SIZE(cases));
}

ParameterizedTest(struct name_case *c, dirs_sanitize, leaves_a_safe_file_name)
{
	char buf[24];

	dirs_sanitize(c->name, buf, c->size);
	cr_assert_str_eq(buf, c->expected, "'%s' became '%s'", c->name, buf);
}

TestSuite(run_dirs, .init = make_root, .fini = remove_root);

Test(run_dirs, never_shares_a_directory)
{
	struct run_dirs a, b;
	struct fault f = { "" };

	cr_assert_eq(dirs_make_out(&a, "out", "/bin/x", 7, &f), 0, "%s", f.text);
	cr_assert_eq(dirs_make_out(&b, "out", "/bin/x", 7, &f), 0, "%s", f.text);
	cr_assert_str_eq(a.out, "out/heaptap.x.7");
	cr_assert_str_eq(b.out, "out/heaptap.x.7.2");
	cr_assert_eq(dirs_make_out(&a, ".", "x", 7, &f), 0, "%s", f.text);
	cr_assert_str_eq(a.out, "heaptap.x.7");
}

Test(run_dirs, socket_is_ours_alone_and_gone_afterwards)
{
	struct run_dirs d;
	struct stat st;
	struct fault f = { "" };
	char *slash;

	setenv("XDG_RUNTIME_DIR", root, 1);
	cr_assert_eq(dirs_make_socket(&d, &f), 0, "%s", f.text);
	cr_assert_eq(strncmp(d.socket, root, strlen(root)), 0);
	slash = strrchr(d.socket, '/');
	*slash = '\0';
	cr_assert_eq(stat(d.socket, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0700);
	*slash = '/';
	dirs_remove_socket(&d);
	cr_assert_eq(rmdir(root), 0, "something is left");
}

Test(run_dirs, long_runtime_directories_are_not_used)
{
	struct run_dirs d;
	struct fault f = { "" };
	char deep[PATH_MAX + 128];

	snprintf(deep, sizeof(deep), "%s/%0100d", root, 0);
	cr_assert_eq(mkdir(deep, 0700), 0);
	setenv("XDG_RUNTIME_DIR", deep, 1);
	cr_assert_eq(dirs_make_socket(&d, &f), 0, "%s", f.text);
	cr_assert_eq(strncmp(d.socket, "/tmp/", 5), 0, "%s", d.socket);
	dirs_remove_socket(&d);
}

Test(run_dirs, parents_are_made_as_well)
{
	struct run_dirs d;
	struct stat st;
	struct fault f = { "" };

	cr_assert_eq(dirs_make_out(&d, "a/b//c/", "x", 7, &f), 0, "%s", f.text);
	cr_assert_eq(stat("a/b/c/heaptap.x.7", &st), 0);
	write_empty("a/file");
	cr_assert_neq(dirs_make_out(&d, "a/file/c", "x", 7, &f), 0);
	cr_assert(strstr(f.text, "a/file/c"), "%s", f.text);
}

/* --- the program -------------------------------------------------------------------------------------------- */

TestSuite(target_find, .init = make_root, .fini = remove_root);

static void write_program(const char *path, const char *text, mode_t mode)
{
	tool_write(path, text, strlen(text));
	cr_assert_eq(chmod(path, mode), 0);
}

/* Any shared object will do. */
static void write_shim(const char *path)
{
	size_t len;
	char *elf = tool_read("/bin/true", &len);

	tool_write(path, elf, len);
	free(elf);
}

static int find(const char *name, struct target *t, struct fault *f)
{
	write_shim("shim");
	setenv("HEAPTAP_LIB", "shim", 1);
	return target_find(name, t, f);
}

Test(target_find, searches_path_as_execvp_does)
{
	struct target t;
	struct fault f = { "" };

	mkdir("a", 0700);
	mkdir("b", 0700);
	mkdir("b/tool", 0700);
	mkdir("c", 0700);
	write_program("a/tool", "x", 0600);
	write_program("c/tool", "x", 0700);
	setenv("PATH", "nowhere:a:b:c", 1);
	cr_assert_eq(find("tool", &t, &f), 0, "%s", f.text);
	cr_assert_str_eq(t.path, "c/tool");
	write_program("here", "x", 0700);
	setenv("PATH", "a:", 1);
	cr_assert_eq(find("here", &t, &f), 0, "%s", f.text);
	cr_assert_str_eq(t.path, "./here");
}

Test(target_find, tells_not_found_from_not_executable)
{
	struct target t;
	struct fault f = { "" };

	mkdir("a", 0700);
	write_program("a/tool", "x", 0600);
	setenv("PATH", "a:nowhere", 1);
	cr_assert_eq(find("tool", &t, &f), EXIT_NOT_EXECUTABLE);
	cr_assert_eq(find("other", &t, &f), EXIT_NOT_FOUND);
	cr_assert_eq(find("a/tool", &t, &f), EXIT_NOT_EXECUTABLE);
	cr_assert_eq(find("a/other", &t, &f), EXIT_NOT_FOUND);
	cr_assert_eq(find("a/tool/x", &t, &f), EXIT_NOT_FOUND);
	cr_assert_eq(find("./a", &t, &f), EXIT_NOT_EXECUTABLE);
	cr_assert_eq(find("", &t, &f), EXIT_NOT_FOUND);
}

Test(target_find, needs_a_shim_that_ld_preload_can_carry)
{
	struct target t;
	struct fault f = { "" };

	setenv("HEAPTAP_LIB", "nowhere.so", 1);
	cr_assert_eq(target_find("/bin/sh", &t, &f), EXIT_FAULT);
	cr_assert(strstr(f.text, "nowhere.so"), "%s", f.text);
	mkdir("with blank", 0700);
	write_shim("with blank/shim");
	setenv("HEAPTAP_LIB", "with blank/shim", 1);
	cr_assert_eq(target_find("/bin/sh", &t, &f), EXIT_FAULT);
	cr_assert(strstr(f.text, "blank"), "%s", f.text);
	write_program("text", "no library", 0644);
	setenv("HEAPTAP_LIB", "text", 1);
	cr_assert_eq(target_find("/bin/sh", &t, &f), EXIT_FAULT);
	cr_assert(strstr(f.text, "text: not a shared library"), "%s", f.text);
}

Test(target_find, knows_what_cannot_be_traced)
{
	struct target t;
	struct fault f = { "" };
	int status;

	cr_assert_eq(find("/bin/sh", &t, &f), 0);
	cr_assert_null(t.unsuited);
	free(tool_output(&status, "echo 'int main(void){return 0;}' | gcc -static -x c - -o static"));
	cr_assert_eq(status, 0);
	cr_assert_eq(find("./static", &t, &f), 0);
	cr_assert(t.unsuited && strstr(t.unsuited, "static"));
	write_program("script", "#! ./static -x\n", 0700);
	cr_assert_eq(find("./script", &t, &f), 0);
	cr_assert(t.unsuited && strstr(t.unsuited, "static"), "the interpreter was not looked at");
	cr_assert_not(t.is_elf);
}

/* The shim's own loader would complain in the program's output. */
Test(target_find, preloads_nothing_into_another_architecture)
{
	struct target t;
	struct fault f = { "" };
	size_t len;
	char *elf = tool_read("/bin/true", &len);

	elf[18] ^= 0x55; /* e_machine */
	tool_write("foreign", elf, len);
	cr_assert_eq(chmod("foreign", 0700), 0);
	cr_assert_eq(find("./foreign", &t, &f), 0);
	cr_assert_not_null(t.unsuited);
	elf[18] ^= 0x55;
	elf[4] = 1; /* 32 bit */
	tool_write("narrow", elf, len);
	cr_assert_eq(chmod("narrow", 0700), 0);
	cr_assert_eq(find("./narrow", &t, &f), 0);
	cr_assert_not_null(t.unsuited);
	free(elf);
}

/* --- sessions ------------------------------------------------------------------------------------------------ */

static void note(struct run_sessions *s, uint64_t id, uint32_t pid, uint32_t status, const char *exe)
{
	struct session_view v = { .id = id, .pid = pid, .status = status, .exe = exe, .last_snapshot = "" };

	sessions_note(s, status == HELLO_ACTIVE ? SESSION_STARTED : SESSION_PASSIVE, &v);
}

Test(run_sessions, main_is_the_last_recorded_of_its_pid)
{
	struct run_sessions s = { .main_pid = 10 };

	cr_assert_null(sessions_main(&s));

	note(&s, 1, 10, HELLO_ACTIVE, "/bin/sh");
	note(&s, 2, 11, HELLO_ACTIVE, "/bin/child");
	note(&s, 3, 10, HELLO_ACTIVE, "/bin/python3");
	note(&s, 0, 10, HELLO_EXE_DEFINES_MALLOC, "/bin/own");
	note(&s, 3, 10, HELLO_ACTIVE, "/bin/python3");
	cr_assert_str_eq(sessions_main(&s)->name, "python3");
	cr_assert(sessions_main_changed(&s));
	cr_assert_eq(s.n, 4, "%zu: a session was noted twice", s.n);
	sessions_done(&s);
}

Test(run_sessions, main_may_say_why_it_is_not_recorded)
{
	struct run_sessions s = { .main_pid = 10 };

	note(&s, 0, 10, HELLO_SANITIZER, "/bin/asan");
	note(&s, 1, 11, HELLO_ACTIVE, "/bin/child");
	cr_assert_str_eq(sessions_main(&s)->name, "asan");
	cr_assert_eq(sessions_main(&s)->status, HELLO_SANITIZER);
	cr_assert_not(sessions_main_changed(&s));
	sessions_done(&s);
}

/* --- the summary's rows -------------------------------------------------------------------------------------- */

#define NO_TAIL_CALL __asm__ volatile("")

/* Wrappers of the allocator, as a program has them: the row must begin with their caller. */
static NOINLINE void my_malloc(struct snapshot *s, uint64_t bytes)
{
	fixture_add_here(s, 1, bytes)->values.free_bytes = 0;
}

static NOINLINE void build_tree(struct snapshot *s)
{
	my_malloc(s, 3000);
	NO_TAIL_CALL;
}

static NOINLINE void load_table(struct snapshot *s)
{
	my_malloc(s, 1000);
	my_malloc(s, 2000); /* another stack that reads the same */
	NO_TAIL_CALL;
}

static char *rows_of(const struct snapshot *s)
{
	static char text[8192];
	size_t n;

	memset(text, 0, sizeof(text));
	cr_redirect_stderr();
	stacks_print(s);
	fflush(stderr);
	n = fread(text, 1, sizeof(text) - 1, cr_get_redirected_stderr());
	cr_assert_gt(n, 0);
	return text;
}

Test(stacks_print, names_the_caller_of_wrappers_and_merges_what_reads_the_same)
{
	struct snapshot *s = fixture_snapshot();
	char *text;

	build_tree(s);
	load_table(s);
	my_malloc(s, 94000);
	s->total.alloc_bytes = BYTES(100000);
	text = rows_of(s);
	cr_assert(strstr(text, "biggest in use at the end"), "%s", text);
	cr_assert(strstr(text, "3.0%  build_tree <- stacks_print_names"), "%s", text);
	cr_assert(strstr(text, "3.0%  load_table <- stacks_print_names"), "%s", text);
	cr_assert(strstr(text, "94.0%  stacks_print_names"), "%s", text);
	cr_assert_null(strstr(text, "my_malloc"), "%s", text);
	snapshot_free(s);
}

Test(stacks_print, says_when_the_newest_snapshot_is_not_the_last)
{
	struct snapshot *s = fixture_snapshot();
	char *text;

	build_tree(s);
	s->total.alloc_bytes = s->total.peak_bytes = BYTES(3000);
	s->reason = SNAPSHOT_TIMER;
	s->elapsed_ns = 2040000000;
	text = rows_of(s);
	cr_assert(strstr(text, "biggest in use in the last snapshot written, at 2.0 s:"), "%s", text);
	cr_assert_null(strstr(text, "at the end"), "%s", text);
	snapshot_free(s);
}

Test(stacks_print, turns_to_the_peak_when_all_was_freed)
{
	struct snapshot *s = fixture_snapshot();
	char *text;

	fixture_add_here(s, 4, 8000)->values.free_bytes = BYTES(8000);
	s->total.alloc_bytes = s->total.free_bytes = s->total.peak_bytes = BYTES(8000);
	text = rows_of(s);
	cr_assert(strstr(text, "at the peak (1.3 s)"), "%s", text);
	cr_assert(strstr(text, "7.8 kB"), "%s", text);
	snapshot_free(s);
}
