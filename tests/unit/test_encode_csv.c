/* tests/unit/test_encode_csv.c - CSV by the letter of RFC 4180, read by a strict reader. */
#include "tests/unit/encode_fixture.h"

TestSuite(encode_csv, .init = encode_setup, .fini = encode_teardown);

enum { COLUMNS = 14, FUNCTION = 8, FILE_NAME, LINE, MODULE, LABELS, STACK };

static char *fields[COLUMNS];
static char *unquoted;

/* One record at `at` into fields[]; where the next one is. */
static const char *read_record(const char *at)
{
	char *to;

	free(unquoted);
	unquoted = to = malloc(strlen(at) + 1);
	for (int i = 0; i < COLUMNS; i++) {
		bool quoted = *at == '"';

		fields[i] = to;
		at += quoted;
		while (quoted ? *at != '"' || at[1] == '"' : !strchr(",\r", *at)) {
			cr_assert(*at != '\0' && (unsigned char)*at >= ' ' && (quoted || *at != '"'), "%.60s", at);
			at += quoted && *at == '"';
			*to++ = *at++;
		}
		at += quoted;
		*to++ = '\0';
		cr_assert_eq(*at, i + 1 < COLUMNS ? ',' : '\r', "column %d: %.60s", i, at);
		at++;
	}
	cr_assert_eq(*at, '\n');
	return at + 1;
}

Test(encode_csv, every_record_has_every_field_and_the_numbers_add_up)
{
	const char *at = read_record(encoded(csv_encode));
	int64_t sums[4] = { 0 };
	size_t n = 0;

	check_plain("\r\n");
	cr_assert_str_eq(fields[0], "alloc_objects");
	cr_assert_str_eq(fields[7], "inuse_space_error_95");
	cr_assert_str_eq(fields[STACK], "stack");
	for (; *at; n++) {
		at = read_record(at);
		for (int i = 0; i < 4; i++)
			sums[i] += strtoll(fields[i], NULL, 10);
		cr_assert_str_eq(fields[7], "", "unknown errors are empty");
		cr_assert_str_eq(fields[LINE], "7");
	}
	cr_assert_eq(n, p->n_samples);
	for (size_t i = 0; i < 4; i++)
		cr_assert_eq(sums[i], total(i));
	free(unquoted);
}

/* Frames are separated by ; and nothing else is one. */
Test(encode_csv, names_stay_apart)
{
	const char *at = read_record(encoded(csv_encode));
	size_t frames;

	for (size_t n = 1; *at; n++) {
		at = read_record(at);
		frames = 1;
		for (const char *c = fields[STACK]; *c; c++)
			frames += *c == ';';
		cr_assert_eq(frames, n, "%s", fields[STACK]);
	}
	cr_assert_str_eq(fields[FUNCTION], "plain");
	cr_assert_not_null(strstr(fields[STACK], ";say \"hi\", 'you';a\\x3bb;two\\x0alines;plain"));
	cr_assert_str_eq(fields[LABELS],
			 "two\\x0alines=\\xff\\xfe\\xc3(\\xed\\xa0\\x80\\xf4\\x90\\x80\\x80\\xc0\\xaf"
			 "\\xe2\\x82;bytes=48 a\\x3bb");
	free(unquoted);
}

Test(encode_csv, errors_are_half_of_the_95_percent_interval)
{
	p->samples[0].variance = profile_alloc(p, 4, sizeof(double));
	p->samples[0].variance[3] = 10000;
	read_record(read_record(encoded(csv_encode)));
	cr_assert_str_eq(fields[6], "0.0");
	cr_assert_str_eq(fields[7], "196.0");
	free(unquoted);
}
