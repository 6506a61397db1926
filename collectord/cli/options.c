/* collectord/cli/options.c - see options.h.
 *
 * An error names the option as the user wrote it, says what would have been right, and is one line. */
#include "collectord/cli/options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>

#include "collectord/cli/say.h"
#include "collectord/cli/size.h"

#define OPTIONS_MAX 128
#define LONG_BASE 256 /* getopt values above every letter: table index + this */
#define HELP_VALUE 1
#define WORD_MAX 31

/* Edit distance (insert, delete, replace, swap two neighbours), for words of at most 31 bytes. */
static unsigned distance(const char *a, const char *b)
{
	unsigned d[WORD_MAX + 1][WORD_MAX + 1];
	size_t m = strlen(a), n = strlen(b);

	if (m > WORD_MAX || n > WORD_MAX)
		return UINT32_MAX;
	for (size_t i = 0; i <= m; i++)
		d[i][0] = (unsigned)i;
	for (size_t j = 0; j <= n; j++)
		d[0][j] = (unsigned)j;
	for (size_t i = 1; i <= m; i++) {
		for (size_t j = 1; j <= n; j++) {
			unsigned best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

			best = MIN(best, d[i - 1][j] + 1);
			best = MIN(best, d[i][j - 1] + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				best = MIN(best, d[i - 2][j - 2] + 1);
			d[i][j] = best;
		}
	}
	return d[m][n];
}

/* One slip in a short word, two in a longer one: more is another word. */
const char *options_nearest(const char *word, const char *const *names, size_t n)
{
	const char *ret = NULL;
	unsigned best = UINT32_MAX;

	for (size_t i = 0; i < n; i++) {
		unsigned d = distance(word, names[i]);

		if (d < best && d <= (strlen(names[i]) > 4 ? 2 : 1)) {
			best = d;
			ret = names[i];
		}
	}
	return ret;
}

static size_t option_count(const struct command *c)
{
	return c->n_options + c->n_more;
}

static const struct option_desc *option_at(const struct command *c, size_t i)
{
	return i < c->n_options ? &c->options[i] : &c->more[i - c->n_options];
}

/* --- parsing ----------------------------------------------------------------------------------------- */

static int set_number(const struct option_desc *o, const char *text, int64_t *ret, struct fault *f)
{
	char *end;
	long long v;

	errno = 0;
	v = strtoll(text, &end, 10);
	if (isspace((unsigned char)*text) || end == text || *end || errno || v < o->min || v > o->max) {
		if (o->min == INT64_MIN)
			return fault_set(f, -EINVAL, "--%s %s: not a whole number; write one like 20", o->name,
					 text);
		return fault_set(f, -EINVAL,
				 "--%s %s: not a number in range; choose one from %" PRId64 " to %" PRId64, o->name,
				 text, o->min, o->max);
	}
	*ret = v;
	return 0;
}

static int set_size(const struct option_desc *o, const char *text, uint64_t *ret, struct fault *f)
{
	char max[SIZE_TEXT_MAX];
	uint64_t v;
	int r = size_parse(text, &v);

	if (r == -EINVAL)
		return fault_set(f, r, "--%s %s: not a size; write bytes or a size like 4K, 512K, 1M", o->name,
				 text);
	if (r || v < (uint64_t)o->min || v > (uint64_t)o->max)
		return fault_set(f, -EINVAL, "--%s %s: out of range; choose from %" PRId64 " byte to %s", o->name,
				 text, o->min, size_text(max, (double)o->max));
	*ret = v;
	return 0;
}

/* -cum, and as Go's programs take it, -cum=true. */
static int set_flag(const struct option_desc *o, const char *text, bool *ret, struct fault *f)
{
	static const char *const yes[] = { "true", "1", "t", "T", "TRUE", "True" };
	static const char *const no[] = { "false", "0", "f", "F", "FALSE", "False" };
	bool is_true = !text, is_false = false;

	for (size_t i = 0; text && i < ARRAY_SIZE(yes); i++) {
		is_true |= !strcmp(text, yes[i]);
		is_false |= !strcmp(text, no[i]);
	}
	if (!is_true && !is_false)
		return fault_set(f, -EINVAL, "--%s=%s: --%s takes no value; leave out what follows the =", o->name,
				 text, o->name);
	*ret = is_true;
	return 0;
}

static int set_real(const struct option_desc *o, const char *text, double *ret, struct fault *f)
{
	char *end;
	double v = strtod(text, &end);

	if (isspace((unsigned char)*text) || end == text || *end)
		return fault_set(f, -EINVAL, "--%s %s: not a number; write one like 0.01", o->name, text);
	*ret = v;
	return 0;
}

static int set_choice(const struct option_desc *o, const char *text, int *ret, struct fault *f)
{
	bool chosen = false;
	int r = set_flag(o, text, &chosen, f);

	if (!r && chosen)
		*ret = (int)o->min;
	return r;
}

static int set_value(const struct option_desc *o, const char *text, char *values, struct fault *f)
{
	void *at = values + o->offset;

	switch (o->kind) {
	case OPTION_FLAG:
		return set_flag(o, text, at, f);
	case OPTION_CHOICE:
		return set_choice(o, text, at, f);
	case OPTION_TEXT:
		if (!*text)
			return fault_set(f, -EINVAL, "--%s needs %s, not an empty word", o->name, o->arg);
		*(const char **)at = text;
		return 0;
	case OPTION_MAYBE:
		*(const char **)at = text ? text : "";
		return 0;
	case OPTION_WORDS:
		*(const char **)at = text;
		return 0;
	case OPTION_REAL:
		return set_real(o, text, at, f);
	case OPTION_NUMBER:
		return set_number(o, text, at, f);
	case OPTION_SIZE:
		return set_size(o, text, at, f);
	}
	return -EINVAL;
}

/* What getopt_long_only() wants to know of the table. */
struct getopt_table {
	struct option longs[OPTIONS_MAX + 2];
	char shorts[2 * OPTIONS_MAX + sizeof("+:h")];
};

static void fill_getopt(const struct command *c, struct getopt_table *t)
{
	char *s = stpcpy(t->shorts, c->stops_at_operand ? "+:h" : ":h");

	memset(t->longs, 0, sizeof(t->longs));
	for (size_t i = 0; i < option_count(c) && i < OPTIONS_MAX; i++) {
		const struct option_desc *o = option_at(c, i);

		t->longs[i].name = o->name;
		t->longs[i].has_arg = o->arg && o->kind != OPTION_MAYBE ? required_argument : optional_argument;
		t->longs[i].val = LONG_BASE + (int)i;
		if (o->letter)
			*s++ = o->letter;
		if (o->letter && o->arg)
			*s++ = ':';
	}
	t->longs[option_count(c)] = (struct option){ .name = "help", .val = HELP_VALUE };
	*s = '\0';
}

static const struct option_desc *find_option(const struct command *c, int value)
{
	if (value >= LONG_BASE)
		return option_at(c, (size_t)(value - LONG_BASE));
	for (size_t i = 0; i < option_count(c); i++)
		if (option_at(c, i)->letter && option_at(c, i)->letter == value)
			return option_at(c, i);
	return NULL;
}

static int fault_unknown(const struct command *c, const char *word, struct fault *f)
{
	const char *names[OPTIONS_MAX + 1], *near;
	char bare[32];

	for (size_t i = 0; i < option_count(c); i++)
		names[i] = option_at(c, i)->name;
	names[option_count(c)] = "help";
	snprintf(bare, sizeof(bare), "%.*s", (int)strcspn(word + strspn(word, "-"), "="), word + strspn(word, "-"));
	near = options_nearest(bare, names, option_count(c) + 1);
	if (near)
		return fault_set(f, -EINVAL, "%s: unknown option; did you mean --%s?", word, near);
	return fault_set(f, -EINVAL, "%s: unknown option; `heaptap %s --help` lists them", word, c->name);
}

/* The word getopt just stumbled over: it stays at the word while letters of a cluster are left. */
static const char *refused_word(int argc, char **argv)
{
	const char *last = argv[optind - 1];
	bool is_letter = optopt > 0 && optopt < LONG_BASE;

	if (is_letter && last[strlen(last) - 1] != optopt && optind < argc)
		return argv[optind];
	return last;
}

int options_parse(const struct command *c, int argc, char **argv, void *values, int *ret_first, struct fault *f)
{
	struct getopt_table t;
	const struct option_desc *o;

	fill_getopt(c, &t);
	opterr = 0;
	optind = 0; /* start afresh */
	for (;;) {
		int value = getopt_long_only(argc, argv, t.shorts, t.longs, NULL);

		if (value == -1)
			break;
		if (value == 'h' && optind < argc && !strncmp(argv[optind], "-h", 2) && argv[optind][2])
			return fault_unknown(c, argv[optind],
					     f); /* "-http=:80" is no -h: getopt stays at its word */
		if (value == 'h' || value == HELP_VALUE) {
			options_help(c);
			return OPTIONS_HELP;
		}
		if (value == '?')
			return fault_unknown(c, refused_word(argc, argv), f);
		o = find_option(c, value == ':' ? optopt : value);
		if (value == ':')
			return fault_set(f, -EINVAL, "%s needs %s after it; `heaptap %s --help` shows examples",
					 argv[optind - 1], o->arg, c->name);
		if (set_value(o, optarg, values, f))
			return -EINVAL;
	}
	*ret_first = optind;
	return 0;
}

int options_status(int parsed, const struct fault *f)
{
	return parsed == OPTIONS_HELP ? EXIT_OK : say_fault(f, EXIT_USAGE);
}

/* --- help -------------------------------------------------------------------------------------------- */

static void help_option(const struct option_desc *o)
{
	char left[64];
	const char *line = o->help;
	const bool maybe = o->kind == OPTION_MAYBE;

	if (!line)
		return;
	snprintf(left, sizeof(left), "%c%c%s --%s%s%s%s", o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
		 o->letter ? "," : " ", o->name,
		 maybe    ? "[="
		 : o->arg ? " "
			  : "",
		 o->arg ? o->arg : "", maybe ? "]" : "");
	while (line) {
		int n = (int)strcspn(line, "\n");

		printf("  %-22s  %.*s\n", line == o->help ? left : "", n, line);
		line = line[n] ? line + n + 1 : NULL;
	}
}

void options_help(const struct command *c)
{
	printf("usage: heaptap %s %s\n%s\n\n", c->name, c->synopsis, c->summary);
	for (size_t i = 0; i < option_count(c); i++)
		help_option(option_at(c, i));
	printf("  %-22s  %s\n\n%s", "-h, --help", "this text", c->notes);
}
