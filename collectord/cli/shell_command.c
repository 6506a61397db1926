/* collectord/cli/shell_command.c - what pprof's commands are, and what a line typed into the shell means; see
 * shell.h.
 *
 * A line is a shortcut, "setting=value", or a command with words: a number (rows), -cum, FOCUS, -IGNORE, >FILE. The
 * words hold for that command only. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/cli/say.h"
#include "collectord/cli/shell.h"

#define BLANKS " \t\n\v\f\r"
#define ROWS_TYPED 10 /* of top and text, when nobody said */
#define SEEN_INSTEAD(what) "Not in heaptap: " what

const struct shell_command shell_commands[SHELL_COMMANDS] = {
	[SHELL_CALLGRIND] = { "callgrind", REPORT_CALLGRIND, SHELL_BINARY, "callgraph.out", false,
			      "The call graph in callgrind's format, for kcachegrind" },
	[SHELL_COMMENTS] = { "comments", REPORT_COMMENTS, SHELL_REPORT, "", false, "The profile's comments" },
	[SHELL_DISASM] = { "disasm", 0, SHELL_ABSENT, "", true,
			   SEEN_INSTEAD("use `list REGEX`, or `top` with granularity=addresses") },
	[SHELL_DOT] = { "dot", REPORT_DOT, SHELL_REPORT, "", false, "The call graph for graphviz" },
	[SHELL_EOG] = { "eog", REPORT_DOT, SHELL_VIEWED, "svg", false, "Show the call graph in eog" },
	[SHELL_EVINCE] = { "evince", REPORT_DOT, SHELL_VIEWED, "pdf", false, "Show the call graph in evince" },
	[SHELL_FOLDED] = { "folded", REPORT_FOLDED, SHELL_REPORT, "", false,
			   "One line per stack, for flame graphs (not one of pprof's)" },
	[SHELL_GIF] = { "gif", REPORT_DOT, SHELL_DRAWN, "gif", false, "The call graph as a GIF picture" },
	[SHELL_GV] = { "gv", REPORT_DOT, SHELL_VIEWED, "ps", false, "Show the call graph in gv" },
	[SHELL_KCACHEGRIND] = { "kcachegrind", REPORT_CALLGRIND, SHELL_VIEWED, "grind", false,
				"Show the call graph in kcachegrind" },
	[SHELL_LIST] = { "list", REPORT_LIST, SHELL_REPORT, "", true,
			 "Source lines of matching functions, with what each accounts for" },
	[SHELL_PDF] = { "pdf", REPORT_DOT, SHELL_DRAWN, "pdf", false, "The call graph as PDF" },
	[SHELL_PEEK] = { "peek", REPORT_PEEK, SHELL_REPORT, "", true, "Callers and callees of matching functions" },
	[SHELL_PNG] = { "png", REPORT_DOT, SHELL_DRAWN, "png", false, "The call graph as a PNG picture" },
	[SHELL_PROTO] = { "proto", REPORT_PROTO, SHELL_BINARY, "pb.gz", false,
			  "The profile, filtered, as compressed protobuf" },
	[SHELL_PS] = { "ps", REPORT_DOT, SHELL_DRAWN, "ps", false, "The call graph as PostScript" },
	[SHELL_RAW] = { "raw", REPORT_RAW, SHELL_REPORT, "", false, "The profile itself, as text" },
	[SHELL_SVG] = { "svg", REPORT_DOT, SHELL_DRAWN, "svg", false,
			"The call graph as a picture that browsers pan and zoom" },
	[SHELL_TAGS] = { "tags", REPORT_TAGS, SHELL_REPORT, "", false,
			 "Labels, and what each of their values accounts for" },
	[SHELL_TEXT] = { "text", REPORT_TOP, SHELL_REPORT, "", false, "The functions that account for most" },
	[SHELL_TOP] = { "top", REPORT_TOP, SHELL_REPORT, "", false, "The functions that account for most" },
	[SHELL_TOPPROTO] = { "topproto", REPORT_TOPPROTO, SHELL_BINARY, "pb.gz", false,
			     "The rows of `top` as compressed protobuf" },
	[SHELL_TRACES] = { "traces", REPORT_TRACES, SHELL_REPORT, "", false, "Every stack" },
	[SHELL_TREE] = { "tree", REPORT_TREE, SHELL_REPORT, "", false,
			 "Each function with its callers and callees" },
	[SHELL_WEB] = { "web", REPORT_DOT, SHELL_VIEWED, "svg", false, "Show the call graph in a web browser" },
	[SHELL_WEBLIST] = { "weblist", 0, SHELL_ABSENT, "", true, SEEN_INSTEAD("use `list REGEX`") },
};

const struct shell_command *shell_find_command(const char *name)
{
	for (size_t i = 0; i < SHELL_COMMANDS; i++)
		if (!strcmp(shell_commands[i].name, name))
			return &shell_commands[i];
	return NULL;
}

/* --- the words of a command --------------------------------------------------------------------------- */

/* The next word of *text, ended by a NUL; NULL if there is none. */
static char *next_word(char **text)
{
	char *word = *text + strspn(*text, BLANKS);
	size_t n = strcspn(word, BLANKS);

	if (!n)
		return NULL;
	*text = word + n + (word[n] != '\0');
	word[n] = '\0';
	return word;
}

/* As Go's ParseInt(word, 10, 32) has it. */
static bool is_number(const char *word, int64_t *ret)
{
	size_t sign = *word == '-' || *word == '+';
	long long v;

	if (!word[sign] || word[sign + strspn(word + sign, "0123456789")])
		return false;
	errno = 0;
	v = strtoll(word, NULL, 10);
	if (errno || v < INT32_MIN || v > INT32_MAX)
		return false;
	*ret = v;
	return true;
}

/* `more` as another alternative of `all`. */
static int add_regex(struct shell *s, const char **all, const char *more)
{
	char *both = NULL;
	const char *kept;

	if (asprintf(&both, "%s%s%s", *all, **all && *more ? "|" : "", more) < 0)
		return -ENOMEM;
	kept = profile_string(s->p, both);
	free(both);
	if (!kept)
		return -ENOMEM;
	*all = kept;
	return 0;
}

struct line_words {
	const char *focus, *ignore;
};

static int take_word(struct shell *s, char *word, char **rest, struct report_request *q, struct line_words *w,
		     struct fault *f)
{
	if (is_number(word, &q->report.node_count))
		return 0;
	if (*word == '>') {
		q->output = word[1] ? word + 1 : next_word(rest);
		return q->output ? 0 : fault_set(f, -EINVAL, "unexpected end of line after >");
	}
	if (!strcmp(word, "-cum") || !strcmp(word, "--cum")) {
		q->report.cum = true;
		return 0;
	}
	if (add_regex(s, *word == '-' ? &w->ignore : &w->focus, word + (*word == '-')))
		return fault_set(f, -ENOMEM, "out of memory");
	return 0;
}

static int take_words(struct shell *s, const struct shell_command *c, char *rest, struct report_request *q,
		      struct fault *f)
{
	bool tags = c->kind == REPORT_TAGS && c->result == SHELL_REPORT;
	struct line_words w = { "", "" };
	char *word;

	if (c->takes_regex) {
		q->report.symbol = next_word(&rest);
		if (!q->report.symbol)
			return fault_set(f, -EINVAL, "command %s requires an argument", c->name);
	}
	while ((word = next_word(&rest)))
		if (take_word(s, word, &rest, q, &w, f))
			return -EINVAL;
	if (*w.focus)
		*(tags ? &q->report.tagfocus : &q->report.focus) = w.focus;
	if (*w.ignore)
		*(tags ? &q->report.tagignore : &q->report.ignore) = w.ignore;
	if (q->report.node_count == -1 && c->kind == REPORT_TOP && c->result == SHELL_REPORT)
		q->report.node_count = ROWS_TYPED;
	return 0;
}

/* Where the digits of "top10" begin, which is "top 10"; the end of a name that is a command, or no name without
 * them. */
static size_t digits_of(const char *name)
{
	size_t n = strlen(name), at = n;

	while (at && strchr("0123456789", name[at - 1]))
		at--;
	return shell_find_command(name) || !at ? n : at;
}

static int fault_unknown(const char *name, char *words, struct fault *f)
{
	const char *first = next_word(&words);

	if (shell_is_setting(name) && strcmp(name, "sort") && strcmp(name, "granularity"))
		return fault_set(f, -EINVAL, "did you mean: %s=%s", name, first ? first : "<val>");
	return fault_set(f, -EINVAL, "unrecognized command: \"%s\"", name);
}

static int do_command(struct shell *s, char *name, const char *rest, struct fault *f)
{
	struct report_request q = s->settings;
	const struct shell_command *c;
	size_t digits = digits_of(name);
	char *words = NULL;
	int r;

	if (asprintf(&words, "%s %s", name + digits, rest) < 0)
		return fault_set(f, -ENOMEM, "out of memory");
	name[digits] = '\0';
	c = shell_find_command(name);
	r = c ? take_words(s, c, words, &q, f) : fault_unknown(name, words, f);
	if (!r)
		r = shell_report(s, c, &q, f);
	free(words);
	return r;
}

/* --- a line ------------------------------------------------------------------------------------------- */

static char *trim(char *text)
{
	size_t n;

	text += strspn(text, BLANKS);
	for (n = strlen(text); n && strchr(BLANKS, text[n - 1]); n--)
		;
	text[n] = '\0';
	return text;
}

/* "name=value //: remark".  False: it is none. */
static bool assign(struct shell *s, const char *line)
{
	char *name = strdup(line), *value = name ? strchr(name, '=') : NULL, *remark = NULL, *bare;
	struct fault f = { "" };
	bool is = false;

	if (value)
		*value++ = '\0';
	bare = name ? trim(name) : NULL;
	if (bare && shell_is_setting(bare)) {
		is = true;
		for (char *at = value; at && (at = strstr(at, "//:")); at++)
			remark = at;
		if (remark)
			*remark = '\0';
		if (!value && !shell_is_switch(bare)) {
			fault_set(&f, -EINVAL, "please specify a value, e.g. %s=<val>", bare);
			shell_say(s, f.text);
		} else if (shell_set(s, bare, value ? trim(value) : "", &f)) {
			shell_say(s, f.text);
		}
	}
	free(name);
	return is;
}

/* False: leave. */
static bool do_line(struct shell *s, const char *line)
{
	char *copy, *rest, *word;
	struct fault f = { "" };
	bool stay = true;

	if (assign(s, line))
		return true;
	copy = strdup(line);
	rest = copy;
	word = copy ? next_word(&rest) : NULL;
	if (word && (!strcmp(word, "o") || !strcmp(word, "options")))
		shell_print_settings(s, stderr);
	else if (word && (!strcmp(word, "q") || !strcmp(word, "quit") || !strcmp(word, "exit")))
		stay = false;
	else if (word && !strcmp(word, "help"))
		shell_help(trim(rest), stderr);
	else if (word && do_command(s, word, rest, &f))
		shell_say(s, f.text);
	free(copy);
	return stay;
}

static void choose_type(struct shell *s, const char *type, const char *mean)
{
	struct fault f = { "" };

	if (mean)
		shell_set(s, "mean", mean, &f);
	if (shell_set(s, "sample_index", type, &f))
		shell_say(s, f.text);
}

/* ":", and the names of the sample types, also with total_ and mean_ in front. */
static bool is_shortcut(struct shell *s, const char *line)
{
	static const char *const filters[] = { "focus", "ignore", "hide", "tagfocus", "tagignore" };
	const char *mean = !strncmp(line, "mean_", 5) ? "1" : !strncmp(line, "total_", 6) ? "0" : NULL;
	const char *bare = mean ? strchr(line, '_') + 1 : line;
	struct fault f = { "" };

	for (size_t i = s->p->n_sample_types; i > 0; i--) {
		const char *type = s->p->sample_types[i - 1].type;

		if (!strcmp(type, line) || (mean && !strcmp(type, bare))) {
			choose_type(s, type, strcmp(type, line) ? mean : NULL);
			return true;
		}
	}
	for (size_t i = 0; !strcmp(line, ":") && i < ARRAY_SIZE(filters); i++)
		shell_set(s, filters[i], "", &f);
	return !strcmp(line, ":");
}

bool shell_line(struct shell *s, const char *line)
{
	char *copy = strdup(line);
	bool stay = true;

	if (copy && !is_shortcut(s, trim(copy)))
		stay = do_line(s, trim(copy));
	free(copy);
	return stay;
}
