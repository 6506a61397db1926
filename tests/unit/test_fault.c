/* tests/unit/test_fault.c - fault texts are one line and cannot drive a terminal; what counts as UTF-8. */
#include <errno.h>
#include <iconv.h>
#include <stdint.h>
#include <string.h>

#include <criterion/criterion.h>

#include "collectord/profile/fault.h"
#include "collectord/profile/utf8.h"

Test(fault, returns_the_code_and_formats_the_reason)
{
	struct fault f = { "" };

	cr_assert_eq(fault_set(&f, -ENOENT, "%s: %d", "x", 5), -ENOENT);
	cr_assert_str_eq(f.text, "x: 5");
	cr_assert_eq(fault_set(NULL, -EINVAL, "nobody asks"), -EINVAL);
}

Test(fault, escapes_control_bytes_and_broken_utf8_but_keeps_text)
{
	struct fault f;

	fault_set(&f, 0, "%s", "a\x1b[31m\nb\x7f \xc3\xa9 \xe2\x82\xac \xff \xc2\x9b");
	cr_assert_str_eq(f.text, "a\\x1b[31m\\x0ab\\x7f \xc3\xa9 \xe2\x82\xac \\xff \\xc2\\x9b");
}

Test(fault, cuts_long_texts_at_a_whole_character)
{
	struct fault f;
	char in[2000];

	memset(in, '\x01', sizeof(in) - 1);
	in[sizeof(in) - 1] = '\0';
	fault_set(&f, 0, "%s", in);
	cr_assert_lt(strlen(f.text), sizeof(f.text));
	cr_assert_eq(strlen(f.text) % 4, 0, "no half an escape");
	for (size_t i = 0; i + 1 < sizeof(in); i++)
		in[i] = i % 2 ? '\xa9' : '\xc3';
	fault_set(&f, 0, "%s", in);
	cr_assert_eq(utf8_length(f.text + strlen(f.text) - 2, 2), 2);
}

/* glibc's converter is the judge of every sequence of up to three bytes, and of the borders of longer ones. */
static bool iconv_accepts(iconv_t cd, const char *s, size_t n)
{
	char out[16], *o = out, *i = (char *)(uintptr_t)s;
	size_t left = n, room = sizeof(out);

	iconv(cd, NULL, NULL, NULL, NULL);
	return iconv(cd, &i, &left, &o, &room) != (size_t)-1 && room == sizeof(out) - 4;
}

Test(utf8, agrees_with_iconv_on_every_short_sequence)
{
	iconv_t cd = iconv_open("UTF-32LE", "UTF-8");

	cr_assert_neq(cd, (iconv_t)-1);
	for (unsigned i = 0; i < 1u << 24; i += i < 1u << 16 ? 1 : 251) {
		char s[] = { (char)(i >> 16), (char)(i >> 8), (char)i };
		unsigned n = i < 1u << 8 ? 1 : i < 1u << 16 ? 2 : 3;
		const char *at = s + 3 - n;

		cr_assert_eq(utf8_length(at, n) == n, iconv_accepts(cd, at, n), "%06x", i);
	}
	for (unsigned a = 0xf0; a <= 0xff; a++)
		for (unsigned b = 0x70; b <= 0xff; b++) {
			char s[] = { (char)a, (char)b, '\x80', '\xbf' };

			cr_assert_eq(utf8_length(s, 4) == 4, iconv_accepts(cd, s, 4), "%02x %02x", a, b);
		}
	iconv_close(cd);
}

Test(utf8, never_reads_past_the_end)
{
	cr_assert_eq(utf8_length("", 0), 0);
	cr_assert_eq(utf8_length("\xe2\x82\xac", 2), 0);
	cr_assert_eq(utf8_length("\xe2\x82\xac", 3), 3);
}
