/* collectord/cli/shell_help.c - what `help` says in the shell; see shell.h.
 *
 * Options are described by the table that the command line is parsed with. */
#include <string.h>

#include "collectord/cli/say.h"
#include "collectord/cli/shell.h"

/* Settings that are no options, or less than that. */
static const struct {
	const char *name, *help;
} more[] = {
	{ "granularity", "what a row is: functions, filefunctions, files, lines or addresses" },
	{ "sort", "order of the rows: flat or cum" },
	{ "intel_syntax", "accepted for pprof's sake: there is no disassembly" },
};

static const char *setting_help(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(more); i++)
		if (!strcmp(more[i].name, name))
			return more[i].help;
	for (size_t i = 0; i < REPORT_OPTION_COUNT; i++)
		if (!strcmp(report_option_table[i].name, name) && report_option_table[i].help)
			return report_option_table[i].help;
	return "";
}

static void overview(FILE *out)
{
	const char *name;

	fputs("  Commands:\n", out);
	for (size_t i = 0; i < SHELL_COMMANDS; i++)
		fprintf(out, "    %-20s %s\n", shell_commands[i].name, shell_commands[i].help);
	fputs("    o/options            The settings and their values\n"
	      "    q/quit/exit/^D       Leave\n\n"
	      "  Settings (name=value; o shows the present values):\n",
	      out);
	for (size_t i = 0; (name = shell_setting_name(i)); i++)
		fprintf(out, "    %-20s %s\n", name, setting_help(name));
	fputs("\n  A command's words: a number limits the rows (top10), REGEX keeps only matching stacks, -REGEX "
	      "leaves\n"
	      "  them out, -cum sorts by cumulative value, >FILE writes to a file.  The name of a sample type "
	      "shows its\n"
	      "  values; : clears focus, ignore, hide, tagfocus and tagignore.  `help NAME` tells about one of "
	      "these.\n",
	      out);
}

static void command_usage(const struct shell_command *c, FILE *out)
{
	fprintf(out, "%s\n", c->help);
	if (c->result == SHELL_ABSENT)
		return;
	fprintf(out, "usage: %s%s%s [FOCUS...] [-IGNORE...]%s%s\n", c->name, c->takes_regex ? " REGEX" : "",
		c->kind == REPORT_TOP || c->kind == REPORT_TREE || c->kind == REPORT_DOT ? " [N]" : "",
		c->kind == REPORT_TOP || c->kind == REPORT_TREE ? " [-cum]" : "",
		c->result == SHELL_VIEWED ? "" : " [>FILE]");
}

void shell_help(const char *word, FILE *out)
{
	const struct shell_command *c = shell_find_command(word);

	if (!*word)
		overview(out);
	else if (c)
		command_usage(c, out);
	else if (shell_is_setting(word))
		fprintf(out, "%s: %s\n", word, setting_help(word));
	else
		fprintf(out, "Unknown command: %s\n", word);
}
