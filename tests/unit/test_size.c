/* tests/unit/test_size.c - sizes as people write them, and numbers as the summary prints them. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include <errno.h>

#include "collectord/cli/size.h"
#include "common/compiler.h"

struct size_case {
	char text[24];
	int result;
	uint64_t value;
};

ParameterizedTestParameters(size_parse, takes_sizes_and_nothing_else)
{
	static struct size_case cases[] = {
		{ "0", 0, 0 },
		{ "1", 0, 1 },
		{ "512K", 0, 512 << 10 },
		{ "512k", 0, 512 << 10 },
		{ "512kB", 0, 512 << 10 },
		{ "512KiB", 0, 512 << 10 },
		{ "1M", 0, 1 << 20 },
		{ "3GiB", 0, 3ull << 30 },
		{ "2T", 0, 2ull << 40 },
		{ "77B", 0, 77 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "18014398509481984K", -ERANGE, 0 },
		{ "18014398509481983K", 0, 18014398509481983ull << 10 },
		{ "", -EINVAL, 0 },
		{ "K", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 },
		{ "1 M", -EINVAL, 0 },
		{ "0x10", -EINVAL, 0 },
		{ "1.5M", -EINVAL, 0 },
		{ "12Q", -EINVAL, 0 },
		{ "1Mx", -EINVAL, 0 },
		{ "1iB", -EINVAL, 0 },
	};

	return cr_make_param_array(struct size_case, cases, ARRAY_SIZE(cases));
}

ParameterizedTest(struct size_case *c, size_parse, takes_sizes_and_nothing_else)
{
	uint64_t v = 0xdead;

	cr_assert_eq(size_parse(c->text, &v), c->result, "'%s'", c->text);
	cr_assert_eq(v, c->result ? 0xdead : c->value, "'%s' gave %llu", c->text, (unsigned long long)v);
}

struct text_case {
	double value;
	char expected[24];
};

ParameterizedTestParameters(size_text, has_one_decimal_and_never_four_digits)
{
	static struct text_case cases[] = {
		{ 0, "0" },
		{ 1, "1 B" },
		{ 312, "312 B" },
		{ 1023, "1023 B" },
		{ 1023.6, "1.0 kB" },
		{ 1024, "1 kB" },
		{ 524288, "512 kB" },
		{ 12897484.8, "12.3 MB" },
		{ 1048575, "1.0 MB" },
		{ 1048576, "1 MB" },
		{ 1.5 * (1ull << 40), "1.5 TB" },
	};

	return cr_make_param_array(struct text_case, cases, ARRAY_SIZE(cases));
}

ParameterizedTest(struct text_case *c, size_text, has_one_decimal_and_never_four_digits)
{
	char buf[SIZE_TEXT_MAX];

	cr_assert_str_eq(size_text(buf, c->value), c->expected, "%f: '%s'", c->value, buf);
}

ParameterizedTestParameters(count_text, scales_by_thousands)
{
	static struct text_case cases[] = {
		{ 0, "0" }, { 7, "7" }, { 999, "999" }, { 1000, "1 k" }, { 3400000, "3.4 M" }, { 999960, "1.0 M" },
	};

	return cr_make_param_array(struct text_case, cases, ARRAY_SIZE(cases));
}

ParameterizedTest(struct text_case *c, count_text, scales_by_thousands)
{
	char buf[SIZE_TEXT_MAX];

	cr_assert_str_eq(count_text(buf, c->value), c->expected, "%f: '%s'", c->value, buf);
}

ParameterizedTestParameters(time_text, has_two_units_at_most_and_is_rounded)
{
	static struct text_case cases[] = {
		{ 0, "0 ms" },
		{ 45.4e6, "45 ms" },
		{ 45.9e6, "46 ms" },
		{ 999.6e6, "1.0 s" },
		{ 2.19e9, "2.2 s" },
		{ 59.94e9, "59.9 s" },
		{ 59.96e9, "1 min 0 s" },
		{ 130e9, "2 min 10 s" },
		{ 3599.6e9, "1 h 0 min" },
		{ 3 * 3600e9 + 5 * 60e9, "3 h 5 min" },
	};

	return cr_make_param_array(struct text_case, cases, ARRAY_SIZE(cases));
}

ParameterizedTest(struct text_case *c, time_text, has_two_units_at_most_and_is_rounded)
{
	char buf[SIZE_TEXT_MAX];

	cr_assert_str_eq(time_text(buf, (uint64_t)c->value), c->expected, "%f: '%s'", c->value, buf);
}
