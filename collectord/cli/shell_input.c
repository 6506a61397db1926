/* collectord/cli/shell_input.c - where the shell's lines come from: a terminal (libedit) or anything else; see
 * shell.h.
 *
 * On a terminal there are history, in the user's state directory, and completion; the prompt is on standard error,
 * so that standard output has reports alone.  Off it both streams are those of `go tool pprof`. */
#include <editline/readline.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectord/cli/say.h"
#include "collectord/cli/shell.h"

#define PROMPT "(pprof) "
#define HISTORY_LINES 1000
#define RED "\033[31m"
#define PLAIN "\033[0m"

static const struct shell *completing; /* readline's callbacks take no argument */

void shell_say(const struct shell *s, const char *text)
{
	bool colour = s->on_terminal && isatty(STDERR_FILENO) && !getenv("NO_COLOR");
	const char *prefix = s->by_line ? "" : "heaptap: ";

	fflush(stdout);
	fprintf(stderr, "%s%s", colour ? RED : "", prefix);
	say_put(stderr, text);
	fprintf(stderr, "%s\n", colour ? PLAIN : "");
}

/* --- completion --------------------------------------------------------------------------------------- */

/* The words there are for the first place: commands, settings, and the rest. */
static const char *first_word(size_t n)
{
	static const char *const more[] = { "help", "options", "quit", "exit" };

	if (n < SHELL_COMMANDS)
		return shell_commands[n].name;
	n -= SHELL_COMMANDS;
	if (n < ARRAY_SIZE(more))
		return more[n];
	return shell_setting_name(n - ARRAY_SIZE(more));
}

/* A setting comes with its "=", everything else with a blank behind it. */
static char *next_first_word(const char *text, int state)
{
	static size_t at;
	const char *word;

	if (!state)
		at = 0;
	while ((word = first_word(at))) {
		bool is_value = shell_is_setting(word) && !shell_is_switch(word);
		char *found = NULL;

		at++;
		if (strncmp(word, text, strlen(text)) != 0)
			continue;
		rl_completion_append_character = is_value ? '\0' : ' ';
		return asprintf(&found, "%s%s", word, is_value ? "=" : "") < 0 ? NULL : found;
	}
	return NULL;
}

/* Functions whose names begin with the text, or with it after "-". */
static char *next_function(const char *text, int state)
{
	static size_t at;
	const struct profile *p = completing->p;
	bool minus = *text == '-';
	char *found = NULL;

	if (!state)
		at = 0;
	while (at < p->n_functions) {
		const char *name = p->functions[at++].name;

		if (*name && !strncmp(name, text + minus, strlen(text + minus)) && !strchr(name, ' '))
			return asprintf(&found, "%s%s", minus ? "-" : "", name) < 0 ? NULL : found;
	}
	return NULL;
}

static char **complete(const char *text, int from, int to)
{
	size_t begin = strspn(rl_line_buffer, " ");
	bool is_help = !strncmp(rl_line_buffer + begin, "help ", 5);

	(void)to;
	rl_attempted_completion_over = 1; /* not names of files */
	if ((size_t)from <= begin || is_help)
		return rl_completion_matches(text, next_first_word);
	rl_completion_append_character = ' ';
	return rl_completion_matches(text, next_function);
}

/* --- history ------------------------------------------------------------------------------------------ */

/* Path of the history, its directories made; NULL: there is no place for it. */
static char *history_file(void)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	char *path = NULL;
	int n;

	if (state && *state == '/')
		n = asprintf(&path, "%s/heaptap/history", state);
	else if (home && *home == '/')
		n = asprintf(&path, "%s/.local/state/heaptap/history", home);
	else
		return NULL;
	if (n < 0)
		return NULL;
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	return path;
}

static void remember(const char *line, char *const *last)
{
	if (*line && (!*last || strcmp(*last, line)))
		add_history(line);
}

/* --- lines -------------------------------------------------------------------------------------------- */

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal)
{
	(void)signal;
	interrupted = 1;
}

/* ^C at the prompt throws the line away; while a report is made it ends heaptap, as ever. */
static char *edit_line(void)
{
	struct sigaction stop = { .sa_handler = on_interrupt }, before;
	char *line;

	do {
		interrupted = 0;
		sigaction(SIGINT, &stop, &before);
		line = readline(PROMPT);
		sigaction(SIGINT, &before, NULL);
		if (!line && interrupted)
			fputc('\n', stderr);
	} while (!line && interrupted);
	return line;
}

static void run_terminal(struct shell *s)
{
	char *file = history_file(), *line, *last = NULL;
	bool stay = true;

	completing = s;
	rl_outstream = stderr;
	rl_readline_name = "heaptap";
	rl_initialize();
	rl_attempted_completion_function = complete;
	stifle_history(HISTORY_LINES);
	if (file)
		read_history(file);
	while (stay && (line = edit_line())) {
		remember(line, &last);
		free(last);
		last = line;
		stay = shell_line(s, line);
		fflush(stdout);
	}
	if (stay)
		fputc('\n', stderr);
	if (file)
		write_history(file); /* for the user alone: libedit sees to that */
	free(last);
	free(file);
}

static void run_pipe(struct shell *s)
{
	char *line = NULL;
	size_t room = 0;
	bool stay = true;

	while (stay) {
		fputs(PROMPT, stdout);
		fflush(stdout);
		if (getline(&line, &room, stdin) < 0)
			break;
		stay = shell_line(s, line);
	}
	free(line);
}

static void greet_note(void *arg, const char *line)
{
	(void)arg;
	fprintf(stderr, "%s\n", line);
}

static void greet(struct shell *s)
{
	struct report_options o = s->settings.report;
	struct fault f = { "" };
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	o.kind = REPORT_HEADER;
	o.note = greet_note;
	if (out && !report_print(s->p, &o, out, &f) && !fflush(out))
		fputs(text, stderr);
	if (out)
		fclose(out);
	free(text);
	fputs("Entering interactive mode (type \"help\" for commands, \"o\" for options)\n", stderr);
}

int shell_run(struct shell *s)
{
	const char *term = getenv("TERM");

	s->on_terminal = isatty(STDIN_FILENO) && term && *term && strcasecmp(term, "dumb") != 0;
	s->settings.report.compact_labels = true;
	greet(s);
	if (s->on_terminal)
		run_terminal(s);
	else
		run_pipe(s);
	return EXIT_OK;
}
