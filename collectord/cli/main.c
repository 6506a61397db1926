/* collectord/cli/main.c - heaptap: which subcommand runs, and what there is. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "collectord/cli/options.h"
#include "collectord/cli/pager.h"
#include "collectord/cli/say.h"
#include "collectord/cli/shell.h"
#include "collectord/http/worker.h"

static const struct command *const commands[] = {
	&command_run,    &command_ps,     &command_snapshot, &command_set,      &command_top,   &command_text,
	&command_tree,   &command_peek,   &command_traces,   &command_list,     &command_tags,  &command_dot,
	&command_svg,    &command_folded, &command_raw,      &command_comments, &command_pprof, &command_diff,
	&command_growth, &command_export, &command_doctor
};

static void usage(FILE *out)
{
	fputs("usage: heaptap COMMAND ...\n"
	      "heaptap shows where a running, unmodified program's heap memory comes from.\n\n",
	      out);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(out, "  %-8s %s\n", commands[i]->name, commands[i]->summary);
	fputs("  help     this text, or `heaptap help COMMAND`\n\n"
	      "Start with:  heaptap run -- PROGRAM ARGS...\n",
	      out);
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	return NULL;
}

static int unknown(const char *word)
{
	const char *names[ARRAY_SIZE(commands)], *near;

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		names[i] = commands[i]->name;
	if (shell_find_command(word)) {
		say("%s: a report of `heaptap pprof`: write `heaptap pprof -%s`", word, word);
		return EXIT_USAGE;
	}
	near = options_nearest(word, names, ARRAY_SIZE(commands));
	if (near)
		say("%s: unknown command; did you mean `heaptap %s`?", word, near);
	else
		say("%s: unknown command; `heaptap --help` lists them", word);
	return EXIT_USAGE;
}

static int help(const char *name)
{
	const struct command *c = name ? find_command(name) : NULL;

	if (name && !c)
		return unknown(name);
	if (c)
		options_help(c);
	else
		usage(stdout);
	return EXIT_OK;
}

/* A closed standard descriptor would be handed out by the next open(), and lines for people would go there. */
static void fill_standard_fds(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* A report that did not arrive is a failure: full disk, closed pipe. */
static int flush(int status)
{
	if (pager_end())
		return status;
	if (fflush(stdout) || ferror(stdout)) {
		say("standard output: %s; the report is incomplete", strerror(errno));
		return EXIT_FAULT;
	}
	return status;
}

int main(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : NULL;
	const struct command *c = word ? find_command(word) : NULL;

	worker_main_if_asked(argc, argv);
	fill_standard_fds();
	if (c)
		return flush(c->run(c, argc - 1, argv + 1));
	if (!word) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(word, "help") || !strcmp(word, "--help") || !strcmp(word, "-h"))
		return flush(help(argc > 2 ? argv[2] : NULL));
	if (!strcmp(word, "--version") || !strcmp(word, "version")) {
		puts("heaptap " HEAPTAP_VERSION);
		return flush(EXIT_OK);
	}
	return unknown(word);
}
