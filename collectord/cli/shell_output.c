/* collectord/cli/shell_output.c - one report of the shell: made in memory, drawn, written or shown; see shell.h.
 *
 * A viewer gets a file in the directory for temporary files, which goes when heaptap ends. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collectord/cli/draw.h"
#include "collectord/cli/output.h"
#include "collectord/cli/pager.h"
#include "collectord/cli/say.h"
#include "collectord/cli/shell.h"

#define FILES_MAX 100 /* shown in one session */
#define NAMES_TRIED 10000
#define VIEWER_OPENS_S                                                                             \
	1 /* a viewer may hand the file's name to another process and end: that one opens it later \
	   */

extern char **environ;

static struct {
	char *at[FILES_MAX];
	size_t n;
} viewed;

/* --- to a file ---------------------------------------------------------------------------------------- */

/* A name that nothing has yet, as pprof numbers them. */
static int new_name(const char *dir, const char *base, const char *format, char **ret, struct fault *f)
{
	for (int i = 1; i < NAMES_TRIED; i++) {
		char *name = NULL;
		int fd;

		if (asprintf(&name, "%s%s%03d.%s", dir, base, i, format) < 0)
			return fault_set(f, -ENOMEM, "out of memory");
		fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		if (fd >= 0) {
			close(fd);
			*ret = name;
			return 0;
		}
		if (errno != EEXIST) {
			fault_set(f, -errno, "%s: %s; `>FILE` writes elsewhere", name, strerror(errno));
			free(name);
			return -EIO;
		}
		free(name);
	}
	return fault_set(f, -EEXIST, "%s%s001.%s to %s%s%d.%s are all there; remove some", dir, base, format, dir,
			 base, NAMES_TRIED - 1, format);
}

static int write_file(const struct shell *s, const char *name, const char *text, size_t len, struct fault *f)
{
	char *line = NULL;

	if (asprintf(&line, "Generating report in %s", name) >= 0) {
		shell_say(s, line);
		free(line);
	}
	return output_write(name, text, len, f);
}

/* --- to a viewer -------------------------------------------------------------------------------------- */

void shell_remove_files(void)
{
	while (viewed.n) {
		unlink(viewed.at[--viewed.n]);
		free(viewed.at[viewed.n]);
	}
}

static bool start(const char *command, const char *file, pid_t *ret)
{
	char *copy = strdup(command), *rest = copy, *args[8], *word;
	size_t n = 0;
	bool is = false;

	while (copy && n < ARRAY_SIZE(args) - 2 && (word = strsep(&rest, " ")))
		if (*word)
			args[n++] = word;
	args[n] = (char *)(uintptr_t)file;
	args[n + 1] = NULL;
	if (copy && n)
		is = !posix_spawnp(ret, args[0], NULL, NULL, args, environ);
	free(copy);
	return is;
}

static bool start_viewer(const char *name, const char *file, pid_t *ret)
{
	static const char *const browsers[] = { "chrome", "google-chrome", "chromium", "firefox",
						"sensible-browser" };
	const char *chosen = getenv("BROWSER");

	if (!strcmp(name, "gv"))
		return start("gv --noantialias", file, ret);
	if (strcmp(name, "web"))
		return start(name, file, ret);
	if (chosen && *chosen && start(chosen, file, ret))
		return true;
	if (!getenv("DISPLAY") && !getenv("WAYLAND_DISPLAY"))
		return false;
	if (start("xdg-open", file, ret))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(browsers); i++)
		if (start(browsers[i], file, ret))
			return true;
	return false;
}

static int fault_no_viewer(const char *name, const char *format, struct fault *f)
{
	if (!strcmp(name, "kcachegrind"))
		return fault_set(f, -ENOENT,
				 "kcachegrind: no such program here; `callgrind >heap.grind` writes its file");
	if (strcmp(name, "web"))
		return fault_set(f, -ENOENT, "%s: no such program here; `%s >heap.%s` writes the picture to a file",
				 name, format, format);
	return fault_set(f, -ENOENT,
			 "web: no desktop and no browser here; `svg >heap.svg` writes the picture to open "
			 "elsewhere, BROWSER names a program to show it");
}

static int view(const struct shell *s, const struct shell_command *c, const char *text, size_t len, struct fault *f)
{
	const char *tmp = getenv("TMPDIR");
	char *dir = NULL, *name = NULL;
	pid_t pid;
	int r;

	if (viewed.n == FILES_MAX)
		shell_remove_files();
	if (asprintf(&dir, "%s/", tmp && *tmp ? tmp : "/tmp") < 0)
		return fault_set(f, -ENOMEM, "out of memory");
	r = new_name(dir, "heaptap", c->format, &name, f);
	free(dir);
	if (r)
		return r;
	viewed.at[viewed.n++] = name;
	r = output_write(name, text, len, f);
	if (!r && !start_viewer(c->name, name, &pid))
		r = fault_no_viewer(c->name, c->format, f);
	if (!r && !s->by_line)
		waitpid(pid, NULL, 0);
	if (!r)
		sleep(VIEWER_OPENS_S);
	return r;
}

/* --- the whole ---------------------------------------------------------------------------------------- */

static void note(void *arg, const char *line)
{
	shell_say(arg, line);
}

static int make(const struct shell *s, const struct shell_command *c, struct report_request *q, char **ret,
		size_t *ret_len, struct fault *f)
{
	struct report_options o = q->report;
	FILE *out = open_memstream(ret, ret_len);
	int r;

	if (!out)
		return fault_set(f, -ENOMEM, "out of memory");
	o.kind = c->kind;
	o.note = note;
	o.note_arg = (void *)(uintptr_t)s;
	r = report_print(s->p, &o, out, f);
	if (fclose(out) && !r)
		r = fault_set(f, -ENOMEM, "out of memory");
	if (!r && *c->format && c->kind == REPORT_DOT)
		r = draw_picture(c->format, ret, ret_len, f);
	return r;
}

static int deliver(const struct shell *s, const struct shell_command *c, const char *output, const char *text,
		   size_t len, struct fault *f)
{
	bool to_screen = s->by_line || isatty(STDOUT_FILENO);
	char *name = NULL;
	int r;

	if (*output)
		return write_file(s, output, text, len, f);
	if (c->result == SHELL_VIEWED)
		return view(s, c, text, len, f);
	if ((c->result == SHELL_DRAWN || c->result == SHELL_BINARY) && to_screen) {
		r = new_name("", "profile", c->format, &name, f);
		if (!r)
			r = write_file(s, name, text, len, f);
		free(name);
		return r;
	}
	pager_write(text, len);
	return 0;
}

int shell_report(const struct shell *s, const struct shell_command *c, struct report_request *q, struct fault *f)
{
	char *text = NULL;
	size_t len = 0;
	int r;

	if (c->result == SHELL_ABSENT)
		return fault_set(f, -EINVAL, "%s: %s", c->name, c->help);
	r = make(s, c, q, &text, &len, f);
	if (!r)
		r = deliver(s, c, q->output, text, len, f);
	free(text);
	return r;
}
