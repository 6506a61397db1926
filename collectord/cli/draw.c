/* collectord/cli/draw.c - see draw.h.
 *
 * graphviz runs as a child with the graph in a file on its standard input (memory only) and its output in a pipe:
 * neither can wait for the other.  Its complaints go to our standard error. */
#include "collectord/cli/draw.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collectord/live/memfd.h"

#define NAMES_TRIED 1000

extern char **environ;

/* Wheel zooms where the pointer is, dragging pans, double click resets.  The drawing is in group "viewport". */
static const char script[] =
	"<script type=\"text/ecmascript\"><![CDATA[\n"
	"(function () {\n"
	"  var svg = document.documentElement, view, held = null;\n"
	"  function matrix() { return view.transform.baseVal.consolidate().matrix; }\n"
	"  function apply(m) {\n"
	"    view.setAttribute('transform', 'matrix(' + [m.a, m.b, m.c, m.d, m.e, m.f].join(' ') + ')');\n"
	"  }\n"
	"  function at(event) {\n"
	"    var p = svg.createSVGPoint();\n"
	"    p.x = event.clientX;\n"
	"    p.y = event.clientY;\n"
	"    return p.matrixTransform(svg.getScreenCTM().inverse());\n"
	"  }\n"
	"  svg.addEventListener('wheel', function (event) {\n"
	"    var p = at(event).matrixTransform(matrix().inverse());\n"
	"    var z = Math.pow(1.2, event.deltaY < 0 ? 1 : -1);\n"
	"    apply(matrix().translate(p.x, p.y).scale(z).translate(-p.x, -p.y));\n"
	"    event.preventDefault();\n"
	"  }, { passive: false });\n"
	"  svg.addEventListener('mousedown', function (event) {\n"
	"    held = { from: at(event), matrix: matrix() };\n"
	"    event.preventDefault();\n"
	"  });\n"
	"  svg.addEventListener('mousemove', function (event) {\n"
	"    var p = at(event), m = svg.createSVGMatrix();\n"
	"    if (held)\n"
	"      apply(m.translate(p.x - held.from.x, p.y - held.from.y).multiply(held.matrix));\n"
	"  });\n"
	"  svg.addEventListener('mouseup', function () { held = null; });\n"
	"  svg.addEventListener('mouseleave', function () { held = null; });\n"
	"  svg.addEventListener('dblclick', function () { apply(svg.createSVGMatrix().scale(0.5)); });\n"
	"  window.addEventListener('load', function () { view = document.getElementById('viewport'); });\n"
	"})();\n"
	"]]></script>\n";

/* --- graphviz ---------------------------------------------------------------------------------------- */

static int memory_file(const char *text, size_t len)
{
	int fd;

	if (memfd_with(text, len, &fd))
		return -1;
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static int start_dot(const char *format, int in, int out, pid_t *ret)
{
	char how[16], *args[] = { "dot", how, NULL };
	posix_spawn_file_actions_t actions;
	int r;

	snprintf(how, sizeof(how), "-T%s", format);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	r = posix_spawnp(ret, "dot", &actions, NULL, args, environ);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

static char *read_all(int fd, size_t *ret_len)
{
	char *text = NULL, buf[65536];
	FILE *to = open_memstream(&text, ret_len);
	ssize_t n;

	while (to && ((n = read(fd, buf, sizeof(buf))) > 0 || (n < 0 && errno == EINTR)))
		if (n > 0)
			fwrite(buf, 1, (size_t)n, to);
	if (to && fclose(to)) {
		free(text);
		return NULL;
	}
	return text;
}

static int run_dot(const char *format, const char *graph, size_t len, char **ret, size_t *ret_len, struct fault *f)
{
	int in = memory_file(graph, len), out[2] = { -1, -1 }, status = 0, r;
	char *svg = NULL;
	size_t n = 0;
	pid_t pid;

	if (in < 0 || pipe2(out, O_CLOEXEC)) {
		r = fault_set(f, -errno, "cannot start graphviz: %s", strerror(errno));
		goto out;
	}
	r = start_dot(format, in, out[1], &pid);
	if (r) {
		fault_set(f, r, "failed to execute dot: %s. Is Graphviz installed? (apt-get install graphviz)",
			  strerror(-r));
		goto out;
	}
	close(out[1]);
	out[1] = -1;
	svg = read_all(out[0], &n);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!svg)
		r = fault_set(f, -ENOMEM, "out of memory for the picture");
	else if (!WIFEXITED(status) || WEXITSTATUS(status))
		r = fault_set(f, -EIO, "dot failed on the graph (wait status %d); `heaptap dot` writes it as text",
			      status);
out:
	for (int i = 0; i < 2; i++)
		if (out[i] >= 0)
			close(out[i]);
	if (in >= 0)
		close(in);
	if (r) {
		free(svg);
		return r;
	}
	*ret = svg;
	*ret_len = n;
	return 0;
}

/* --- for browsers ------------------------------------------------------------------------------------ */

/* Write [text, to), with the ampersands that dot forgot to quote. */
static void put(FILE *out, const char *text, const char *to)
{
	for (; text < to; text++) {
		fputc(*text, out);
		if (text[0] == '&' && text + 1 < to && text[1] == ';')
			fputs("amp;", out);
	}
}

/* The attributes that fix the size, within the svg element; NULL if they are not as dot writes them. */
static const char *behind_size(const char *svg)
{
	const char *box = strstr(svg, "viewBox=\""), *end = strchr(svg, '>');

	if (!box || !end || box > end)
		return NULL;
	box = strchr(box + strlen("viewBox=\""), '"');
	return box && box < end ? box + 1 : NULL;
}

/* The picture fills the window, and the graph lies in a group that the script moves. */
static int make_movable(const char *svg, char **ret, size_t *ret_len)
{
	const char *start = strstr(svg, "<svg"), *size_end = start ? behind_size(start) : NULL;
	const char *graph = size_end ? strstr(size_end, "<g id=\"graph") : NULL;
	const char *end = svg + strlen(svg), *close = graph ? strstr(graph, "</svg>") : NULL;
	FILE *out = open_memstream(ret, ret_len);

	if (!out)
		return -ENOMEM;
	if (!close) {
		put(out, svg, end);
	} else {
		put(out, svg, start);
		fputs("<svg width=\"100%\" height=\"100%\"", out);
		put(out, size_end, graph);
		fputs(script, out);
		fputs("<g id=\"viewport\" transform=\"scale(0.5,0.5) translate(0,0)\">", out);
		put(out, graph, close);
		fputs("</g>", out);
		put(out, close, end);
	}
	return fclose(out) ? -ENOMEM : 0;
}

int draw_picture(const char *format, char **text, size_t *len, struct fault *f)
{
	char *drawn = NULL, *movable = NULL;
	size_t n = 0;
	int r = run_dot(format, *text, *len, &drawn, &n, f);

	if (r)
		return r;
	if (!strcmp(format, "svg")) {
		r = make_movable(drawn, &movable, &n);
		free(drawn);
		drawn = movable;
	}
	if (r) {
		free(drawn);
		return fault_set(f, r, "out of memory for the picture");
	}
	free(*text);
	*text = drawn;
	*len = n;
	return 0;
}

const char *draw_file_name(char name[DRAW_NAME_MAX])
{
	if (!isatty(STDOUT_FILENO))
		return NULL;
	for (int i = 1; i < NAMES_TRIED; i++) {
		snprintf(name, DRAW_NAME_MAX, "profile%03d.svg", i);
		if (access(name, F_OK))
			return name;
	}
	return NULL;
}
