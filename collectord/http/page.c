/* collectord/http/page.c - see page.h.
 *
 * What programs call themselves is any bytes: escaped for HTML, one line in text. */
#include "collectord/http/page.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/profile/encode_frame.h"

#define MAX_LISTED 100

struct list {
	const struct viewer *who;
	uint32_t pid;
	struct choice *all;
	int n;
	bool failed;
};

static void add(const struct session_view *v, void *arg)
{
	struct list *l = arg;
	const char *slash = strrchr(v->exe, '/');
	struct choice *grown;

	if (v->ended || v->status || !viewer_may_see(l->who, v->uid) || (l->pid && l->pid != v->pid))
		return;
	grown = reallocarray(l->all, (size_t)l->n + 1, sizeof(*grown));
	if (!grown) {
		l->failed = true;
		return;
	}
	l->all = grown;
	grown += l->n++;
	*grown = (struct choice){ .session = v->id, .pid = v->pid, .uid = v->uid, .stacks = v->stacks };
	snprintf(grown->name, sizeof(grown->name), "%.63s", slash && slash[1] ? slash + 1 : v->exe);
}

static int by_pid(const void *a, const void *b)
{
	const struct choice *x = a, *y = b;

	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

int choices_of(struct collector *c, const struct viewer *who, uint32_t pid, struct choice **ret)
{
	struct list l = { .who = who, .pid = pid };

	collector_each(c, add, &l);
	if (l.n)
		qsort(l.all, (size_t)l.n, sizeof(*l.all), by_pid);
	if (l.failed) {
		free(l.all);
		return -ENOMEM;
	}
	*ret = l.all;
	return l.n;
}

char *choices_text(const struct choice *all, int n, const char *path, int path_len)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	for (int i = 0; i < n && i < MAX_LISTED; i++) {
		fprintf(out, "\n/pid/%u%.*s  ", all[i].pid, path_len, path);
		encode_line(all[i].name, "", out);
	}
	if (n > MAX_LISTED)
		fprintf(out, "\n... and %d more", n - MAX_LISTED);
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

/* --- HTML ---------------------------------------------------------------------------------------------------- */

static void put_escaped(const char *text, FILE *out)
{
	char *line = NULL;
	size_t len;
	FILE *tmp = open_memstream(&line, &len);

	if (!tmp)
		return;
	encode_line(text, "", tmp);
	if (!fclose(tmp))
		for (const char *c = line; *c; c++) {
			const char *as = *c == '<'    ? "&lt;"
					 : *c == '>'  ? "&gt;"
					 : *c == '&'  ? "&amp;"
					 : *c == '"'  ? "&quot;"
					 : *c == '\'' ? "&#39;"
						      : NULL;

			if (as)
				fputs(as, out);
			else
				putc(*c, out);
		}
	free(line);
}

static const struct {
	const char *name, *what;
	bool has_records;
} profiles[] = {
	{ "allocs", "A sampling of all past memory allocations", true },
	{ "cmdline", "The command line invocation of the program", false },
	{ "heap", "A sampling of memory allocations of live objects", true },
	{ "peak", "The same, at the moment when most was in use", true },
	{ "symbol", "Names for addresses, joined by +, after the ? or in the body of a POST", false },
};

static void put_process(const struct choice *c, FILE *out)
{
	fprintf(out, "<p>Process %u: ", c->pid);
	put_escaped(c->name, out);
	fputs("</p>\n<table>\n<thead><td>Count</td><td>Profile</td></thead>\n", out);
	for (size_t i = 0; i < ARRAY_SIZE(profiles); i++)
		fprintf(out, "<tr><td>%u</td><td><a href='/pid/%u/debug/pprof/%s%s'>%s</a></td></tr>\n",
			profiles[i].has_records ? c->stacks : 0, c->pid, profiles[i].name,
			profiles[i].has_records ? "?debug=1" : "", profiles[i].name);
	fputs("</table>\n<p>Profile Descriptions:</p>\n<ul>\n", out);
	for (size_t i = 0; i < ARRAY_SIZE(profiles); i++)
		fprintf(out, "<li>%s: %s</li>\n", profiles[i].name, profiles[i].what);
	fputs("</ul>\n<p>With ?debug=1 a profile is text; without, it is for <code>go tool pprof</code>. "
	      "With ?seconds=N it is what happened within N seconds.</p>\n",
	      out);
}

static void put_list(const struct choice *all, int n, FILE *out)
{
	if (!n)
		fputs("<p>No program is recorded.</p>\n", out);
	else
		fputs("<table>\n<thead><td>Process</td><td>Stacks</td><td>Program</td></thead>\n", out);
	for (int i = 0; i < n; i++) {
		fprintf(out, "<tr><td><a href='/pid/%u/debug/pprof/'>%u</a></td><td>%u</td><td>", all[i].pid,
			all[i].pid, all[i].stacks);
		put_escaped(all[i].name, out);
		fputs("</td></tr>\n", out);
	}
	if (n)
		fputs("</table>\n", out);
}

int page_index(const struct choice *all, int n, char **ret, size_t *ret_len)
{
	FILE *out = open_memstream(ret, ret_len);

	if (!out)
		return -ENOMEM;
	fputs("<!DOCTYPE html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n<title>/debug/pprof/</title>\n"
	      "</head>\n<body>\n<p>/debug/pprof/</p>\n",
	      out);
	if (n == 1)
		put_process(all, out);
	else
		put_list(all, n, out);
	fputs("</body>\n</html>\n", out);
	if (!fclose(out))
		return 0;
	free(*ret);
	return -ENOMEM;
}
