/* collectord/profile/report_node.c - names of graph nodes and their tags; see report_graph.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/profile/report_format.h"
#include "collectord/profile/arena.h"
#include "collectord/profile/report_graph.h"

/* --- names ------------------------------------------------------------------------------------------- */

/* Drop the last element of out[from..n); the new end. */
static size_t drop_element(const char *out, size_t from, size_t n)
{
	while (n > from && out[n - 1] != '/')
		n--;
	return n > from ? n - 1 : n;
}

static bool ends_in_parent(const char *out, size_t n)
{
	return (n == 2 || (n > 2 && out[n - 3] == '/')) && !memcmp(out + n - 2, "..", 2);
}

/* The shortest path that is the same file by its name alone: no "//", "/./", "x/../". */
const char *graph_clean_path(struct profile *p, const char *path)
{
	bool rooted = *path == '/';
	char *out;
	const char *ret;
	size_t n = rooted, keep = rooted;

	if (!*path)
		return "";
	out = malloc(strlen(path) + 2);
	if (!out)
		return NULL;
	out[0] = '/';
	for (const char *t = path; *t;) {
		size_t len = strcspn(t, "/");

		if (len == 2 && t[0] == '.' && t[1] == '.' && (rooted || (n > keep && !ends_in_parent(out, n)))) {
			n = drop_element(out, keep, n);
		} else if (len && !(len == 1 && *t == '.')) {
			if (n > keep)
				out[n++] = '/';
			memcpy(out + n, t, len);
			n += len;
		}
		t += len + (t[len] == '/');
	}
	if (!n)
		out[n++] = '.';
	ret = profile_string_n(p, out, n);
	free(out);
	return ret;
}

/* The last element of a path, interned. */
const char *graph_base(struct profile *p, const char *path)
{
	size_t n = strlen(path), from;

	while (n > 1 && path[n - 1] == '/')
		n--;
	for (from = n; from && path[from - 1] != '/';)
		from--;
	return profile_string_n(p, path + (from < n ? from : 0), from < n ? n - from : n);
}

/* "0000000000401000 main /src/main.c:12", whatever of it there is; "[libfoo.so]" if only the object is known. */
static void spell_key(FILE *out, const struct graph_key *k, const char *base, const char *separator)
{
	const char *between = "";

	if (k->address) {
		fprintf(out, "%016" PRIx64, k->address);
		between = separator;
	}
	if (*k->name) {
		fprintf(out, "%s%s", between, k->name);
		between = separator;
	}
	if (k->line)
		fprintf(out, "%s%s:%" PRId64, between, k->file, k->line);
	else if (*k->file)
		fprintf(out, "%s%s", between, k->file);
	else if (!*k->name)
		fprintf(out, *base ? "%s[%s]" : "%s<unknown>%s", between, base);
}

const char *graph_node_label(struct profile *p, const struct graph_key *k, const char *separator)
{
	const char *ret = NULL, *base = graph_base(p, k->object);
	char *text = NULL;
	size_t len;
	FILE *out;

	if (*k->name && !k->address && !k->line && !*k->file)
		return k->name;
	out = base ? open_memstream(&text, &len) : NULL;
	if (!out)
		return NULL;
	spell_key(out, k, base, separator);
	if (!fclose(out))
		ret = profile_string_n(p, text, len);
	free(text);
	return ret;
}

/* --- tags -------------------------------------------------------------------------------------------- */

/* String labels as "key:value", sorted, with `\n` between them as dot wants it. */
const char *graph_join_labels(struct graph *g, const struct profile_sample *s)
{
	char **parts = calloc((size_t)s->n_labels + 1, sizeof(*parts)), *joined = NULL;
	const char *ret = NULL;
	size_t n = 0, len;
	FILE *out = parts ? open_memstream(&joined, &len) : NULL;
	bool failed = !out;

	for (uint32_t i = 0; i < s->n_labels && !failed; i++)
		if (s->labels[i].str)
			failed = asprintf(&parts[n++], "%s:%s", s->labels[i].key, s->labels[i].str) < 0;
	if (failed)
		goto out;
	qsort(parts, n, sizeof(*parts), report_by_text);
	for (size_t i = 0; i < n; i++)
		fprintf(out, "%s%s", i ? "\\n" : "", parts[i]);
out:
	if (out && fclose(out))
		failed = true;
	if (!failed)
		ret = profile_string(g->p, joined);
	for (size_t i = 0; i < n && parts; i++)
		free(parts[i]);
	free(parts);
	free(joined);
	return ret;
}

/* Strings are interned: pointers compare. */
static bool same_tag(const struct graph *g, uint32_t entry, const void *key)
{
	const struct graph_tag *a = &g->tags[entry], *b = key;

	return a->node == b->node && a->group == b->group && a->name == b->name;
}

static uint32_t tag_bits(const struct graph_tag *t)
{
	return graph_hash(graph_hash((uintptr_t)t->name, (uintptr_t)t->group), t->node);
}

static uint32_t tag_hash(const struct graph *g, uint32_t entry)
{
	return tag_bits(&g->tags[entry]);
}

static struct graph_tag *tag_get(struct graph *g, const struct graph_tag *like)
{
	uint32_t *slot = graph_slot(g, &g->tag_table, tag_bits(like), same_tag, like, tag_hash);

	if (!slot)
		return NULL;
	if (*slot)
		return &g->tags[*slot - 1];
	if (!table_reserve(&g->tags, g->n_tags, &g->tags_room, sizeof(*g->tags)))
		return NULL;
	g->tags[g->n_tags] = *like;
	g->tags[g->n_tags].next = g->nodes[like->node].tags;
	g->nodes[like->node].tags = g->n_tags;
	*slot = ++g->n_tags;
	return &g->tags[g->n_tags - 1];
}

static int weigh_tag(struct graph *g, const struct graph_weights *w, const struct profile_sample *s,
		     const struct graph_tag *like, bool flat)
{
	struct graph_tag *t = like->name ? tag_get(g, like) : NULL;
	int64_t weight = s->values[w->type], divisor = w->mean ? s->values[0] : 0;

	if (!t)
		return -ENOMEM;
	if (flat) {
		t->flat = report_add(t->flat, weight);
		t->flat_div = report_add(t->flat_div, divisor);
	} else {
		t->cum = report_add(t->cum, weight);
		t->cum_div = report_add(t->cum_div, divisor);
	}
	return 0;
}

/* Of numeric labels only those called "bytes" become tags. */
int graph_add_tags(struct graph *g, const struct graph_weights *w, uint32_t node, const struct profile_sample *s,
		   const char *joined, bool flat)
{
	struct graph_tag like = { .name = joined, .unit = "", .node = node };
	int r = *joined ? weigh_tag(g, w, s, &like, flat) : 0;

	for (uint32_t i = 0; i < s->n_labels && !r; i++) {
		const struct profile_label *l = &s->labels[i];

		if (l->str || strcmp(l->key, "bytes"))
			continue;
		like = (struct graph_tag){ .name = w->tag_text(w->arg, l),
					   .unit = w->bytes_unit,
					   .group = joined,
					   .value = l->num,
					   .node = node };
		r = weigh_tag(g, w, s, &like, flat);
	}
	return r;
}
