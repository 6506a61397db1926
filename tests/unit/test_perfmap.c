/* tests/unit/test_perfmap.c - what a perf map says of addresses, whatever bytes it holds. */
#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/profile/perfmap.h"
#include "collectord/profile/utf8.h"

/* What `text` says of one address: a name, "[disputed]" or "[nothing]". */
static const char *said_n(const char *text, size_t len, uint64_t address)
{
	static char name[PERFMAP_MAX_NAME + 1];
	struct perfmap_claim c = { .address = address };

	cr_assert_eq(perfmap_resolve(text, len, &c, 1), 0);
	if (!c.covered)
		return "[nothing]";
	if (c.disputed)
		return "[disputed]";
	memcpy(name, c.name, c.name_len);
	name[c.name_len] = '\0';
	return name;
}

static const char *said(const char *text, uint64_t address)
{
	return said_n(text, strlen(text), address);
}

Test(perfmap, ranges_are_half_open)
{
	const char *map = "1000 20 first\n1020 10 second\n";

	cr_assert_str_eq(said(map, 0xfff), "[nothing]");
	cr_assert_str_eq(said(map, 0x1000), "first");
	cr_assert_str_eq(said(map, 0x101f), "first");
	cr_assert_str_eq(said(map, 0x1020), "second");
	cr_assert_str_eq(said(map, 0x1030), "[nothing]");
}

Test(perfmap, the_writers_there_are_understood)
{
	cr_assert_str_eq(said("7f1ebe7c6980 a8 JS:^hotLeaf /tmp/a b/w.js:1:17\n", 0x7f1ebe7c6980),
			 "JS:^hotLeaf /tmp/a b/w.js:1:17", "V8");
	cr_assert_str_eq(said("0x00007f0a94000580 0x0000000000000130 I2C/C2I adapters\n", 0x7f0a94000600),
			 "I2C/C2I adapters", "OpenJDK");
	cr_assert_str_eq(said("7f5a2c009000 b py::<module>:/x.py\n", 0x7f5a2c009001), "py::<module>:/x.py",
			 "CPython");
	cr_assert_str_eq(said("00007F3A00 0010 void [a] B::c(int32)\n", 0x7f3a00), "void [a] B::c(int32)", ".NET");
}

Test(perfmap, code_of_several_names_at_one_address_is_nobodys)
{
	const char *map = "1000 100 old\n2000 10 other\n1080 100 new\n";

	cr_assert_str_eq(said(map, 0x1010), "old");
	cr_assert_str_eq(said(map, 0x1080), "[disputed]");
	cr_assert_str_eq(said(map, 0x1100), "new");
	cr_assert_str_eq(said("1000 10 a\n1000 10 b\n1000 10 a\n", 0x1000), "[disputed]",
			 "also where the last is the first again");
	cr_assert_str_eq(said("1000 10 name\n1000 10 name2\n", 0x1000), "[disputed]");
	cr_assert_str_eq(said("1000 10 same\n1000 20 same\n", 0x1000), "same");
}

Test(perfmap, lines_that_are_none_are_skipped)
{
	static const char *const junk[] = { "",
					    "\n",
					    "1000\n",
					    "1000 \n",
					    "1000 0 empty\n",
					    "xyz 10 name\n",
					    "1000 1g name\n",
					    "-1000 10 name\n",
					    "0x 10 name\n",
					    " 1000 10 name\n",
					    "1000,10 name\n",
					    "10000000000001000 10 too long a number\n",
					    "fffffffffffffff8 8 past the end\n",
					    "ffffffffffffffff ffffffffffffffff wraps\n",
					    "root:x:0:0:root:/root:/bin/bash\n" };

	for (size_t i = 0; i < sizeof(junk) / sizeof(*junk); i++) {
		char text[256];

		cr_assert_str_eq(said(junk[i], 0x1000), "[nothing]", "%s", junk[i]);
		cr_assert_str_eq(said(junk[i], UINT64_MAX), "[nothing]", "%s", junk[i]);
		snprintf(text, sizeof(text), "%s1000 10 good\n%s", junk[i], junk[i]);
		cr_assert_str_eq(said(text, 0x1000), "good", "%s", junk[i]);
	}
}

/* Its writer may have been killed in the middle of a name. */
Test(perfmap, a_last_line_without_end_is_not_believed)
{
	cr_assert_str_eq(said("1000 10 a\n2000 10 cut_of", 0x2000), "[nothing]");
	cr_assert_str_eq(said("1000 10 a\n2000 10 cut_of", 0x1000), "a");
}

Test(perfmap, a_name_not_fit_to_be_shown_still_claims_its_code)
{
	static const char *const names[] = { "",         "evil\x1b[2J", "tab\there",    "bell\a",     "cr\r",
					     "\xc2\x9b", "\xff\xfe",    "\xed\xa0\x80", "cut\xe2\x82" };
	char text[2 * PERFMAP_MAX_NAME];
	int n;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(text, sizeof(text), "1000 10 %s\n", names[i]);
		cr_assert_str_eq(said(text, 0x1000), "[disputed]", "%zu", i);
		snprintf(text, sizeof(text), "1000 10 good\n1000 10 %s\n", names[i]);
		cr_assert_str_eq(said(text, 0x1000), "[disputed]", "%zu", i);
	}
	cr_assert_str_eq(said_n("1000 10 a\0b\n", 12, 0x1000), "[disputed]", "a zero byte");
	cr_assert_str_eq(said("1000 10 größe → €\n", 0x1000), "größe → €");
	n = snprintf(text, sizeof(text), "1000 10 %*s\n", PERFMAP_MAX_NAME, "x");
	memset(text + 8, 'x', PERFMAP_MAX_NAME);
	cr_assert_eq(strlen(said_n(text, (size_t)n, 0x1000)), PERFMAP_MAX_NAME);
	n = snprintf(text, sizeof(text), "1000 10 y%*s\n", PERFMAP_MAX_NAME, "x");
	memset(text + 8, 'x', PERFMAP_MAX_NAME + 1);
	cr_assert_str_eq(said_n(text, (size_t)n, 0x1000), "[disputed]");
}

/* A search of all entries for each address is the oracle. */
Test(perfmap, random_maps_are_resolved_as_by_hand)
{
	enum { ENTRIES = 200, ADDRESSES = 400 };
	unsigned state = 7;
	char text[ENTRIES * 32];
	uint64_t start[ENTRIES], size[ENTRIES];
	unsigned name[ENTRIES];
	struct perfmap_claim claims[ADDRESSES] = { 0 };
	size_t len = 0;

	for (int i = 0; i < ENTRIES; i++) {
		state = state * 1103515245 + 12345;
		start[i] = 0x100 + (state >> 8) % 0x1800;
		size[i] = 1 + (state >> 20) % 64;
		name[i] = (state >> 12) % 50;
		len += (size_t)sprintf(text + len, "%lx %lx f%u\n", (unsigned long)start[i], (unsigned long)size[i],
				       name[i]);
	}
	for (unsigned i = 0; i < ADDRESSES; i++)
		claims[i].address = i * 0x11;
	cr_assert_eq(perfmap_resolve(text, len, claims, ADDRESSES), 0);
	for (unsigned i = 0; i < ADDRESSES; i++) {
		int first = -1;
		bool disputed = false;

		for (int k = 0; k < ENTRIES; k++) {
			if (claims[i].address - start[k] >= size[k])
				continue;
			first = first < 0 ? k : first;
			disputed |= name[k] != name[first];
		}
		cr_assert_eq(claims[i].covered, first >= 0);
		cr_assert_eq(claims[i].disputed, disputed);
		if (first >= 0 && !disputed)
			cr_assert_eq((unsigned)atoi(claims[i].name + 1), name[first]);
	}
}

/* 20 000 entries that cover 2 000 addresses each: no compiler does that. */
Test(perfmap, endless_overlap_is_refused)
{
	const char line[] = "0 ffffffff all\n";
	size_t one = sizeof(line) - 1, lines = 20000;
	char *text = malloc(lines * one);
	struct perfmap_claim *claims = calloc(2000, sizeof(*claims));

	for (size_t i = 0; i < lines; i++)
		memcpy(text + i * one, line, one);
	for (size_t i = 0; i < 2000; i++)
		claims[i].address = i;
	cr_assert_eq(perfmap_resolve(text, lines * one, claims, 2000), -E2BIG);
	free(claims);
	free(text);
}

/* Any bytes: each entry is well formed and inside the text. */
Test(perfmap, mutated_text_gives_sound_entries)
{
	static const char seed[] = "7f1ebe7c6980 a8 JS:^a w.js:1:17\n0x1000 0x20 b\n1000 1 \xc3\xa4\n";
	unsigned state = 3;

	for (int round = 0; round < 200000; round++) {
		size_t len = sizeof(seed) - 1 - (unsigned)round % 7, at = 0, before = 0;
		char *text = memcpy(malloc(len), seed, len); /* its end is where the sanitizer looks */
		struct perfmap_entry e;

		for (int k = 0; k < 1 + round % 5; k++) {
			state = state * 1103515245 + 12345;
			text[(state >> 8) % len] = (char)(state >> 24);
		}
		while (perfmap_next(text, len, &at, &e)) {
			cr_assert_lt(e.start, e.end);
			cr_assert(at > before && at <= len);
			before = at;
			if (!e.name)
				continue;
			cr_assert(e.name > text && e.name + e.name_len < text + len && e.name_len);
			for (size_t i = 0; i < e.name_len; i += utf8_length(e.name + i, e.name_len - i))
				cr_assert(utf8_length(e.name + i, e.name_len - i) > 0);
		}
		cr_assert_eq(at, len);
		free(text);
	}
}
