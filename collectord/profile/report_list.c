/* collectord/profile/report_list.c - the `list` report: source lines with what each of them accounts for.
 *
 * Files are looked for as pprof does: absolute names as they are, others below each search directory and below all
 * directories above it. */
#include <errno.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collectord/profile/plain_file.h"
#include "collectord/profile/report_work.h"

#define MARGIN 5            /* lines shown around those that have values */
#define LINE_MAX_READ 65536 /* a longer one ends the listing, as in pprof */

/* --- finding the file -------------------------------------------------------------------------------- */

/* The directory above `dir`, in the arena; "." or "/" is its own. */
static const char *parent_of(struct report *r, const char *dir)
{
	const char *clean = graph_clean_path(r->p, dir), *slash;

	if (!clean)
		return dir;
	slash = strrchr(clean, '/');
	if (!slash)
		return ".";
	return slash == clean ? "/" : report_format_string(r, "%.*s", (int)(slash - clean), clean);
}

/* The name is from a binary's DWARF: its author may have written what should not be opened. */
static FILE *open_text(const char *path)
{
	int fd = plain_file_open(path);

	if (fd < 0) /* to pprof a directory is a source without lines */
		return errno == ENODATA || errno == EISDIR ? fopen("/dev/null", "re") : NULL;
	return fdopen(fd, "re");
}

static FILE *open_below(struct report *r, const char *dir, const char *path)
{
	for (;;) {
		const char *name =
			graph_clean_path(r->p, *dir ? report_format_string(r, "%s/%s", dir, path) : path);
		const char *parent = parent_of(r, dir);
		FILE *in = name ? open_text(name) : NULL;

		if (in || !strcmp(parent, dir))
			return in;
		dir = parent;
	}
}

/* What is known of files already looked for: pprof complains again about those it did not find. */
struct listing {
	struct report *r;
	FILE *out;
	const char *search;
	const char **missing; /* names, in pairs with the complaints */
	size_t n_missing, room;
};

static const char *complaint_about(const struct listing *l, const char *file)
{
	for (size_t i = 0; i < l->n_missing; i++)
		if (!strcmp(l->missing[2 * i], file))
			return l->missing[2 * i + 1];
	return NULL;
}

static void remember_missing(struct listing *l, const char *file, const char *why)
{
	size_t room = l->room ? 2 * l->room : 16;
	const char **grown = l->missing;

	if (l->n_missing == l->room)
		grown = reallocarray(l->missing, room, 2 * sizeof(*grown));
	if (!grown) {
		l->r->failed = true;
		return;
	}
	l->room = l->n_missing == l->room ? room : l->room;
	l->missing = grown;
	l->missing[2 * l->n_missing] = file;
	l->missing[2 * l->n_missing++ + 1] = why;
}

/* NULL and why, in pprof's words. */
static FILE *open_source(struct report *r, const char *file, const char *search, const char **ret_why)
{
	const char *path = report_trim_path(r, file, search);
	char *list, *dir, *why;
	FILE *in;

	if (*path == '/') {
		in = open_text(path);
		why = report_format_string(r, "open %s: %s", path, strerror(errno));
		why[strlen("open : ") + strlen(path)] =
			(char)tolower((unsigned char)why[strlen("open : ") + strlen(path)]);
		*ret_why = why;
		return in;
	}
	list = report_format_string(r, "%s", search);
	while ((dir = strsep(&list, ":"))) {
		in = open_below(r, dir, path);
		if (in)
			return in;
	}
	*ret_why = report_format_string(r, "could not find file %s on path %s", path, search);
	return NULL;
}

/* --- one file ---------------------------------------------------------------------------------------- */

struct range {
	int64_t start, end;
};

/* The lines to show: from the function's first, or a margin before the first with a value. */
static struct range range_of(const struct report *r, const uint32_t *nodes, uint32_t n)
{
	struct range range = { 0, 0 };

	for (uint32_t i = 0; i < n; i++) {
		const struct graph_key *k = &r->g->nodes[nodes[i]].key;
		int64_t start = k->start_line ? k->start_line : k->line - MARGIN, end = k->line + MARGIN;

		if (!i)
			range = (struct range){ start, end };
		else if (start < range.start)
			range.start = start;
		else if (end > range.end)
			range.end = end;
	}
	range.start = range.start < 1 ? 1 : range.start;
	return range;
}

static void print_value(const struct report *r, int64_t v, FILE *out)
{
	char num[REPORT_NUMBER_MAX];

	report_pad(out, 10, v ? report_text(r, v, num) : ".");
}

static void print_line(const struct report *r, const uint32_t *nodes, uint32_t n, int64_t line, const char *text,
		       FILE *out)
{
	int64_t flat = 0, cum = 0;

	for (uint32_t i = 0; i < n; i++)
		if (r->g->nodes[nodes[i]].key.line == line) {
			flat = report_add(flat, r->g->nodes[nodes[i]].flat);
			cum = report_add(cum, r->g->nodes[nodes[i]].cum);
		}
	print_value(r, flat, out);
	fputc(' ', out);
	print_value(r, cum, out);
	fprintf(out, " %6" PRId64 ":%s\n", line, text);
}

static void print_source(const struct report *r, const uint32_t *nodes, uint32_t n, struct range range, FILE *in,
			 FILE *out)
{
	char *text = NULL;
	size_t room = 0;
	ssize_t len;

	for (int64_t line = 1; line <= range.end; line++) {
		len = getline(&text, &room, in);
		if (len < 0 || len > LINE_MAX_READ)
			break;
		if (len && text[len - 1] == '\n')
			text[--len] = '\0';
		if (len && text[len - 1] == '\r')
			text[--len] = '\0';
		if (line >= range.start)
			print_line(r, nodes, n, line, text, out);
	}
	free(text);
}

/* The lines, or why there are none; nobody looks for a file of which no line is to be shown. */
static void print_lines(struct listing *l, const uint32_t *nodes, uint32_t n, const char *file)
{
	struct range range = range_of(l->r, nodes, n);
	const char *why = complaint_about(l, file);
	FILE *in = NULL;

	if (!why && range.start > range.end)
		return;
	if (!why) {
		in = open_source(l->r, file, l->search, &why);
		if (!in)
			remember_missing(l, file, why);
	}
	if (in) {
		print_source(l->r, nodes, n, range, in, l->out);
		fclose(in);
	} else {
		fprintf(l->out, " Error: %s\n", why);
	}
}

static void print_file(struct listing *l, const uint32_t *nodes, uint32_t n)
{
	struct report *r = l->r;
	FILE *out = l->out;
	const struct graph_key *k = &r->g->nodes[nodes[0]].key;
	char flat_text[REPORT_NUMBER_MAX], cum_text[REPORT_NUMBER_MAX], share[REPORT_NUMBER_MAX];
	int64_t flat = 0, cum = 0;

	for (uint32_t i = 0; i < n; i++) {
		flat = report_add(flat, r->g->nodes[nodes[i]].flat);
		cum = report_add(cum, r->g->nodes[nodes[i]].cum);
	}
	fprintf(out, "ROUTINE ======================== %s in %s\n", k->name, k->file);
	report_pad(out, 10, report_text(r, flat, flat_text));
	fputc(' ', out);
	report_pad(out, 10, report_text(r, cum, cum_text));
	report_percentage(share, cum, r->total);
	fprintf(out, " (flat, cum) %s of Total\n", share);
	print_lines(l, nodes, n, k->file);
}

/* --- all of them ------------------------------------------------------------------------------------- */

static int by_place(const void *pa, const void *pb, void *arg)
{
	const struct graph *g = arg;
	const struct graph_key *a = &g->nodes[*(const uint32_t *)pa].key, *b = &g->nodes[*(const uint32_t *)pb].key;
	int r = strcmp(a->name, b->name);

	if (!r)
		r = strcmp(a->file, b->file);
	return r ? r : a->line < b->line ? -1 : a->line > b->line;
}

/* Nodes [0, n) of one function, by file. */
static void print_function(struct listing *l, const uint32_t *nodes, uint32_t n)
{
	const struct report *r = l->r;
	bool any = false;

	for (uint32_t i = 0, end; i < n; i = end) {
		const char *file = r->g->nodes[nodes[i]].key.file;

		for (end = i; end < n && !strcmp(r->g->nodes[nodes[end]].key.file, file);)
			end++;
		if (!*file)
			continue;
		print_file(l, &nodes[i], end - i);
		any = true;
	}
	if (!any)
		fprintf(l->out, "No source information for %s\n", r->g->nodes[nodes[0]].key.name);
}

int report_print_list(struct report *r, FILE *out)
{
	char num[REPORT_NUMBER_MAX], *here = NULL;
	struct listing l = { .r = r, .out = out, .search = r->o.source_path };
	int err = report_build_graph(r, true);
	uint32_t n = 0, *nodes;

	if (err)
		return err;
	nodes = r->g->order;
	for (uint32_t i = 0; i < r->g->n_order; i++)
		if (regex_matches(r->symbol, r->g->nodes[nodes[i]].key.name))
			nodes[n++] = nodes[i];
	if (!n)
		return fault_set(r->fault, -EINVAL, "no matches found for regexp: %s", r->o.symbol);
	if (!*l.search) {
		here = getcwd(NULL, 0);
		l.search = here ? here : ".";
	}
	qsort_r(nodes, n, sizeof(*nodes), by_place, r->g);
	fprintf(out, "Total: %s\n", report_text(r, r->total, num));
	for (uint32_t i = 0, end; i < n; i = end) {
		for (end = i; end < n && !strcmp(r->g->nodes[nodes[end]].key.name, r->g->nodes[nodes[i]].key.name);)
			end++;
		print_function(&l, &nodes[i], end - i);
	}
	free(here);
	free(l.missing);
	return 0;
}
