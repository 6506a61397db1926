/* collectord/cli/pager.c - see pager.h.
 *
 * The pager is a child that reads our standard output.  When it goes first, writing fails, which is no fault: the
 * user has seen enough. */
#include "collectord/cli/pager.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collectord/profile/utf8.h"

#define TERMINAL_UNKNOWN (-1)

static pid_t pager;
static int to_terminal = TERMINAL_UNKNOWN; /* was standard output one, before there was a pager? */

static int is_terminal(void)
{
	if (to_terminal == TERMINAL_UNKNOWN)
		to_terminal = isatty(STDOUT_FILENO);
	return to_terminal;
}

static const char *const codes[] = { "\033[0m", "\033[31m", "\033[32m", "\033[33m", "\033[1m" };

const char *pager_colour(enum pager_paint paint)
{
	const char *none = getenv("NO_COLOR"), *term = getenv("TERM");

	if (!is_terminal() || (none && *none) || !term || !strcmp(term, "dumb"))
		return "";
	return codes[paint];
}

static const char *command(void)
{
	const char *chosen = getenv("HEAPTAP_PAGER");

	if (!chosen)
		chosen = getenv("PAGER");
	if (!chosen)
		chosen = "less";
	return *chosen && strcmp(chosen, "cat") != 0 ? chosen : NULL;
}

static void become(const char *shell_command, int in)
{
	dup2(in, STDIN_FILENO);
	setenv("LESS", "FRX", 0);
	execl("/bin/sh", "sh", "-c", shell_command, (char *)NULL);
	_exit(127);
}

/* Is there such a program?  Without less a report is a report all the same. */
static int is_there(const char *shell_command)
{
	char line[512];

	if (strchr(shell_command, ' ') || strlen(shell_command) > sizeof(line) - 64)
		return 1;
	snprintf(line, sizeof(line), "command -v '%s' >/dev/null 2>&1", shell_command);
	return system(line) == 0;
}

void pager_start(void)
{
	const char *run = command();
	int ends[2];

	if (!is_terminal() || !run || pager > 0 || !is_there(run) || pipe2(ends, O_CLOEXEC))
		return;
	fflush(stdout);
	pager = fork();
	if (pager == 0)
		become(run, ends[0]);
	if (pager > 0) {
		dup2(ends[1], STDOUT_FILENO);
		signal(SIGPIPE, SIG_IGN);
	}
	close(ends[0]);
	close(ends[1]);
}

/* How much of the text goes out as it is, up to the first control byte. */
static size_t harmless(const char *text, size_t len)
{
	size_t at = 0;

	while (at < len) {
		const unsigned n = utf8_length(text + at, len - at);

		if (!n || (utf8_is_control(text + at, n) && text[at] != '\n' && text[at] != '\t'))
			break;
		at += n;
	}
	return at;
}

static size_t colour_at(const char *text, size_t len)
{
	for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++)
		if (len >= strlen(codes[i]) && !memcmp(text, codes[i], strlen(codes[i])))
			return strlen(codes[i]);
	return 0;
}

void pager_write(const char *text, size_t len)
{
	if (!is_terminal()) {
		fwrite(text, 1, len, stdout);
		return;
	}
	while (len) {
		size_t n = harmless(text, len);

		n = n ? n : colour_at(text, len);
		if (n)
			fwrite(text, 1, n, stdout);
		else
			printf("\\x%02x", (unsigned char)*text);
		text += n ? n : 1;
		len -= n ? n : 1;
	}
}

bool pager_end(void)
{
	if (pager <= 0)
		return false;
	fflush(stdout);
	clearerr(stdout);
	signal(SIGINT, SIG_IGN); /* the pager's */
	fclose(stdout);
	while (waitpid(pager, NULL, 0) < 0 && errno == EINTR)
		;
	pager = 0;
	return true;
}
