/* tests/unit/test_symbolize_files.c - wherever symbols are kept they are found; files that lie do no harm. */
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "tests/unit/symbol_fixture.h"

/* The code is the same however it is described, so the frames must be. */
static void check_same_frames(const char *compiler, const char *a, const char *b)
{
	char path_a[PATH_MAX], path_b[PATH_MAX], *x, *y;

	compile(path_a, "way_a", compiler, a);
	compile(path_b, "way_b", compiler, b);
	x = frames_of(path_a, path_a);
	y = frames_of(path_b, path_b);
	cr_assert_not_null(strstr(x, "inlines.cc:"));
	cr_assert_str_eq(x, y, "%s: %s and %s differ", compiler, a, b);
	free(x);
	free(y);
}

Test(symbolize_files, all_ways_to_write_dwarf_say_the_same)
{
	check_same_frames("g++", "-O2 -gdwarf-4", "-O2 -gdwarf-5");
	check_same_frames("g++", "-O2 -gdwarf-5", "-O2 -gdwarf-5 -gz");
	check_same_frames("g++", "-O2 -gdwarf-5", "-O2 -gdwarf-5 -fdebug-types-section");
	check_same_frames("clang++", "-O2 -gdwarf-4", "-O2 -gdwarf-5");
}

Test(symbolize_files, a_separate_debug_file_says_as_much_as_an_included_one)
{
	char whole[PATH_MAX], stripped[PATH_MAX], *want, *got;

	compile_separate(whole, stripped, "whole", "-O2 -g");
	want = frames_of(whole, whole);
	got = frames_of(stripped, whole);
	cr_assert_str_eq(got, want);
	cr_assert_not_null(strstr(want, "net::Socket::write"));
	free(got);
	free(want);
}

Test(symbolize_files, mini_debug_info_names_local_functions)
{
	char whole[PATH_MAX], mini[PATH_MAX], *got;

	compile(whole, "whole2", "g++", "-O0 -g");
	tool_scratch(mini, "mini");
	shell("cp \"$a\" \"$b\"; objcopy -S --keep-symbol=main "
	      "--keep-symbol=_ZN12_GLOBAL__N_15Words3addERKNSt7__cxx1112basic_stringIcSt"
	      "11char_traitsIcESaIcEEEi \"$b\" \"$b.syms\"; strip \"$b\"; python3 -c 'import lzma,sys; "
	      "open(sys.argv[1]+\".xz\",\"wb\").write(lzma.compress(open(sys.argv[1]+\".syms\",\"rb\").read()))' "
	      "\"$b\"; objcopy --add-section .gnu_debugdata=\"$b.xz\" \"$b\"",
	      whole, mini);
	got = frames_of(mini, whole);
	cr_assert_not_null(strstr(got, " (anonymous namespace)::Words::add :0\n"), "%s", got);
	cr_assert_not_null(strstr(got, " main :0\n"));
	cr_assert_null(strstr(got, "write"), "an address outside known functions has no name");
	free(got);
}

/* The functions are in the .dwo file, ranges and lines in the program. */
Test(symbolize_files, split_dwarf_has_inlined_frames)
{
	char path[PATH_MAX];
	struct profile *p;

	compile(path, "split", "g++", "-O2 -g -gsplit-dwarf");
	p = file_profile(path);
	add_text(p, path, 5);
	cr_assert_eq(profile_symbolize(p, NULL, NULL), 0);
	cr_assert(p->mappings[0].has_inline_frames);
	cr_assert(p->mappings[0].has_line_numbers);
	profile_free(p);
}

/* Assembly often states no size: such a symbol reaches to the next one. */
Test(symbolize_files, a_symbol_without_size_reaches_to_the_next)
{
	char path[PATH_MAX], *text;
	int status;

	tool_scratch(path, "assembly");
	free(tool_output(
		&status,
		"echo '.globl first; first: nop; nop; nop; nop; nop; nop; second: .globl second; nop; nop; "
		"nop; nop; nop; nop' | gcc -xassembler - -nostdlib -shared -o '%s'",
		path));
	cr_assert_eq(status, 0);
	text = frames_of(path, path); /* every 5 bytes: 0 and 5 in first, 10 in second */
	cr_assert_eq(strncmp(strchr(text, ' '), " first ", 7), 0, "%s", text);
	cr_assert_eq(strncmp(strchr(strchr(text, '\n'), ' '), " first ", 7), 0, "%s", text);
	cr_assert_not_null(strstr(text, " second "), "%s", text);
	free(text);
}

/* A program without build-id is believed unless its file is younger than the run. */
Test(symbolize_files, without_build_ids_a_newer_file_is_not_believed)
{
	char path[PATH_MAX], *text;
	struct profile *p;
	struct symbolize_stats st;

	compile(path, "noid", "g++", "-O0 -Wl,--build-id=none");
	text = frames_of(path, path);
	cr_assert_not_null(strstr(text, " main :0\n"));
	free(text);
	p = file_profile(path);
	add_text(p, path, 5);
	p->time_nanos = 1700000000000000000;
	cr_assert_eq(profile_symbolize(p, NULL, &st), 0);
	cr_assert_eq(st.named, 0);
	cr_assert_eq(st.modules_mismatched, 1);
	cr_assert_str_eq(st.unnamed, path);
	cr_assert_str_eq(st.why_unnamed, "changed since the run");
	profile_free(p);
}

/* elfutils asks the servers of DEBUGINFOD_URLS about every build-id it has no debug file for. */
Test(symbolize_files, never_asks_a_debuginfod_server)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	char url[64], path[PATH_MAX], cache[PATH_MAX], *text;

	cr_assert_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	cr_assert_eq(listen(fd, 5), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", ntohs(a.sin_port));
	compile(path, "asks", "g++", "-O0 -s");
	setenv("DEBUGINFOD_URLS", url, 1);
	setenv("DEBUGINFOD_TIMEOUT", "1", 1);
	setenv("DEBUGINFOD_CACHE_PATH", tool_scratch(cache, "cache"), 1);
	text = frames_of(path, path);
	cr_assert_eq(poll(&poll_fd, 1, 0), 0, "somebody called");
	cr_assert_str_eq(getenv("DEBUGINFOD_URLS"), url, "the environment is as it was");
	free(text);
	close(fd);
}

/* Cut and damaged ELF files: any answer but a crash or a hang. */
Test(symbolize_files, damaged_files_do_no_harm)
{
	char whole[PATH_MAX], path[PATH_MAX];
	unsigned state = 4;
	size_t n;
	char *b, *copy;

	compile(whole, "whole3", "g++", "-O1 -g");
	b = tool_read(whole, &n);
	copy = malloc(n);
	for (int round = 0; round < 60; round++) {
		struct profile *p = file_profile(whole);

		memcpy(copy, b, n);
		for (int k = 0; k < 1 << round % 12; k++) {
			state = state * 1103515245 + 12345;
			copy[(state >> 4) % n] = (char)(state >> 24);
		}
		tool_write(tool_scratch(path, "damaged"), copy, round % 5 ? n : n * (size_t)round / 60);
		p->mappings[0].file = path;
		add_text(p, whole, 40);
		cr_assert_eq(profile_symbolize(p, NULL, NULL), 0);
		profile_free(p);
	}
	free(copy);
	free(b);
}
