/* collectord/cli/cmd_pprof.c - heaptap pprof: the command line of `go tool pprof`; without a report, its shell. */
#include <ctype.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collectord/cli/options.h"
#include "collectord/cli/report_hint.h"
#include "collectord/cli/say.h"
#include "collectord/cli/shell.h"
#include "collectord/profile/report_details.h"

/* The reports' options come first in it: they are parsed into the same struct. */
struct pprof_request {
	struct report_request report;
	bool plain[SHELL_COMMANDS];        /* by place in shell_commands */
	const char *regex[SHELL_COMMANDS]; /* of those that take one */
	const char *http, *add_comment;
	bool no_browser;
	const char *program, *buildid, *unused;
};

#define AT(field) offsetof(struct pprof_request, field)
#define PLAIN(at, name, help)                                         \
	{                                                             \
		name, 0, OPTION_FLAG, AT(plain[at]), NULL, 0, 0, help \
	}
#define REGEX(at, name, help)                                             \
	{                                                                 \
		name, 0, OPTION_WORDS, AT(regex[at]), "REGEX", 0, 0, help \
	}

static const struct option_desc options[] = {
	PLAIN(SHELL_TEXT, "text", NULL),
	PLAIN(SHELL_TOP, "top", "report: the functions that account for most"),
	PLAIN(SHELL_TREE, "tree", "report: each function with its callers and callees"),
	REGEX(SHELL_PEEK, "peek", "report: callers and callees of matching functions"),
	REGEX(SHELL_LIST, "list", "report: source lines of matching functions"),
	PLAIN(SHELL_TRACES, "traces", "report: every stack"),
	PLAIN(SHELL_TAGS, "tags", "report: labels, and what each of their values accounts for"),
	PLAIN(SHELL_DOT, "dot", "report: the call graph for graphviz"),
	PLAIN(SHELL_SVG, "svg", "report: the call graph as a picture; also -png -pdf -ps -gif"),
	PLAIN(SHELL_GIF, "gif", NULL),
	PLAIN(SHELL_PDF, "pdf", NULL),
	PLAIN(SHELL_PNG, "png", NULL),
	PLAIN(SHELL_PS, "ps", NULL),
	PLAIN(SHELL_WEB, "web", "report: the call graph, shown in a browser; also -gv -evince -eog"),
	PLAIN(SHELL_EOG, "eog", NULL),
	PLAIN(SHELL_EVINCE, "evince", NULL),
	PLAIN(SHELL_GV, "gv", NULL),
	PLAIN(SHELL_RAW, "raw", "report: the profile itself, as text"),
	PLAIN(SHELL_PROTO, "proto", "report: the profile, filtered, as protobuf"),
	PLAIN(SHELL_COMMENTS, "comments", "report: the profile's comments"),
	PLAIN(SHELL_FOLDED, "folded", "report: one line per stack, for flame graphs"),
	PLAIN(SHELL_CALLGRIND, "callgrind", "report: the call graph for kcachegrind; -kcachegrind shows it"),
	REGEX(SHELL_DISASM, "disasm", NULL),
	PLAIN(SHELL_KCACHEGRIND, "kcachegrind", NULL),
	PLAIN(SHELL_TOPPROTO, "topproto", "report: the rows of top as protobuf"),
	REGEX(SHELL_WEBLIST, "weblist", NULL),
	{ "add_comment", 0, OPTION_WORDS, AT(add_comment), "TEXT", 0, 0, "a comment to add to the profile" },
	{ "http", 0, OPTION_WORDS, AT(http), "ADDR", 0, 0, NULL },
	{ "no_browser", 0, OPTION_FLAG, AT(no_browser), NULL, 0, 0, NULL },
	{ "buildid", 0, OPTION_WORDS, AT(buildid), "ID", 0, 0, NULL },
	{ "tools", 0, OPTION_WORDS, AT(unused), "PATH", 0, 0, NULL },
};

static int choose_command(const struct pprof_request *q, const struct shell_command **ret, const char **ret_regex,
			  struct fault *f)
{
	const struct shell_command *chosen = NULL;

	for (size_t i = 0; i < SHELL_COMMANDS; i++) {
		bool given = q->plain[i] || (q->regex[i] && *q->regex[i]);

		if (given && chosen)
			return fault_set(f, -EINVAL, "-%s, -%s: one report at a time; leave one out", chosen->name,
					 shell_commands[i].name);
		if (!given)
			continue;
		chosen = &shell_commands[i];
		*ret_regex = q->regex[i] ? q->regex[i] : "";
	}
	*ret = chosen;
	return 0;
}

/* pprof lets the program, or its build id, stand before the profiles. */
static bool is_program(const char *word)
{
	char head[SELFMAG] = "";
	int fd = open(word, O_RDONLY | O_CLOEXEC);
	bool is = fd >= 0 && read(fd, head, sizeof(head)) == SELFMAG && !memcmp(head, ELFMAG, SELFMAG);

	if (fd >= 0)
		close(fd);
	return is;
}

static bool take_program(struct pprof_request *q, const char *word)
{
	if (is_program(word))
		q->program = word;
	else if ((!q->buildid || !*q->buildid) && !word[strspn(word, "0123456789abcdefABCDEF")])
		q->buildid = word;
	else
		return false;
	return true;
}

/* It says what the first mapping is; names were read when the profile was made. */
static void name_program(struct profile *p, const struct pprof_request *q)
{
	if (p->n_mappings && q->program)
		p->mappings[0].file = q->program;
	if (p->n_mappings && q->buildid && *q->buildid)
		p->mappings[0].build_id = q->buildid;
}

static int add_comment(struct profile *p, const char *text)
{
	const char **comments = profile_alloc(p, p->n_comments + 1, sizeof(*comments));

	if (!comments)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_comments; i++)
		comments[i] = p->comments[i];
	comments[p->n_comments] = profile_string(p, text);
	if (!comments[p->n_comments])
		return -ENOMEM;
	p->comments = comments;
	p->n_comments++;
	return 0;
}

static int serve(struct pprof_request *q, const struct shell_command *c, const char *regex)
{
	struct shell s = { .by_line = !c };
	struct source_peak peak = { 0 };
	struct fault f = { "" };
	int r = source_read_all(&q->report.sources, &s.p, &peak, &f);

	if (!r && q->add_comment && *q->add_comment && add_comment(s.p, q->add_comment))
		r = fault_set(&f, -ENOMEM, "out of memory");
	if (!r && q->report.temporary)
		r = report_make_temporary(s.p, &f);
	if (!r && !s.p->n_sample_types)
		r = fault_set(&f, -EINVAL, "profile has no samples");
	if (!r)
		name_program(s.p, q);
	s.settings = q->report;
	s.settings.report.symbol = regex;
	if (!r && c)
		r = shell_report(&s, c, &s.settings, &f);
	else if (!r)
		r = shell_run(&s);
	if (r)
		say("%s", f.text);
	if (c && s.p)
		report_hint(s.p, &s.settings, c->kind, &peak, r != 0);
	shell_remove_files();
	profile_free(s.p);
	return r ? EXIT_FAULT : EXIT_OK;
}

static int pprof_run(const struct command *c, int argc, char **argv)
{
	static struct pprof_request q; /* as long as the shell */
	const struct shell_command *report = NULL;
	const char *regex = "";
	struct fault f = { "" };
	int first, r;

	q = (struct pprof_request){ .report = REPORT_REQUEST_DEFAULT };
	r = options_parse(c, argc, argv, &q, &first, &f);
	if (!r && argc - first > 1 && take_program(&q, argv[first]))
		first++;
	if (!r && q.http)
		r = fault_set(
			&f, -EINVAL,
			"-http: there is no web page here; leave it out for the shell (`web` shows the graph), "
			"or export --pprof and use `go tool pprof -http`");
	if (!r && q.no_browser)
		r = fault_set(&f, -EINVAL, "-no_browser only makes sense with -http");
	if (!r)
		r = choose_command(&q, &report, &regex, &f);
	if (!r)
		r = report_options_finish(c->name, argc - first, argv + first, &q.report, &f);
	if (!r && (q.report.lifetime || q.report.sizes || *q.report.by))
		r = fault_set(&f, -EINVAL, "-lifetime, -sizes, -by: tables of heaptap's own; use `heaptap top`");
	if (r)
		return options_status(r, &f);
	return serve(&q, report, regex);
}

const struct command command_pprof = {
	.name = "pprof",
	.synopsis = "[-REPORT] [OPTIONS] [PROGRAM] SOURCE...",
	.summary = "`go tool pprof` by its own command line; without a report, its interactive shell",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.more = report_option_table,
	.n_more = REPORT_OPTION_COUNT,
	.notes = "In the shell: top10, top20 -cum, tree, peek REGEX, list REGEX, traces, tags, web, svg, "
		 "focus=REGEX,\n"
		 "sample_index=alloc_space, `>FILE` after a command, o (settings), help, quit.  It reads a pipe as "
		 "well.\n"
		 "Its history is kept in $XDG_STATE_HOME/heaptap.\n\n"
		 "examples:\n"
		 "  heaptap pprof heaptap.server.4711\n"
		 "  heaptap pprof -top -cum heap.pb.gz\n"
		 "  heaptap pprof -peek='parse|read' -alloc_space heaptap.server.4711\n"
		 "  echo top5 | heaptap pprof heaptap.server.4711\n",
	.run = pprof_run,
};
