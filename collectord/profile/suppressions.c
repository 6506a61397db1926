/* collectord/profile/suppressions.c - see suppressions.h. */
#include "collectord/profile/suppressions.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct suppression {
	char *text;
	uint64_t hits;
	int64_t objects, bytes;
};

struct suppressions {
	struct suppression *all;
	size_t n;
};

/* --- matching ----------------------------------------------------------------------------------------- */

/* Parts between the stars are found one after another, each as early as possible. */
static bool matches(const char *template, const char *line, size_t len)
{
	const char *at = line, *end = line + len;
	bool anchored = *template == '^';

	template += anchored;
	for (;;) {
		size_t n = strcspn(template, "*"), part = n;
		bool last = !template[n], to_end = last && part && template[part - 1] == '$';
		const char *found;

		part -= to_end;
		if ((size_t)(end - at) < part)
			return false;
		if (anchored && to_end)
			return (size_t)(end - at) == part && !memcmp(at, template, part);
		if (anchored)
			found = memcmp(at, template, part) ? NULL : at;
		else if (to_end)
			found = memcmp(end - part, template, part) ? NULL : end - part;
		else
			found = part ? memmem(at, (size_t)(end - at), template, part) : at;
		if (!found || last)
			return found != NULL;
		at = found + part;
		template += n + 1;
		anchored = false;
	}
}

int suppressions_match(struct suppressions *s, const char *lines, int64_t objects, int64_t bytes)
{
	for (size_t i = 0; s && i < s->n; i++) {
		for (const char *line = lines; *line;) {
			size_t n = strcspn(line, "\n");

			if (n && matches(s->all[i].text, line, n)) {
				s->all[i].hits++;
				s->all[i].objects += objects;
				s->all[i].bytes += bytes;
				return 1;
			}
			line += n + (line[n] == '\n');
		}
	}
	return 0;
}

/* --- reading ------------------------------------------------------------------------------------------ */

static int add(struct suppressions *s, const char *text)
{
	struct suppression *all = reallocarray(s->all, s->n + 1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	s->all = all;
	all[s->n] = (struct suppression){ .text = strdup(text) };
	return all[s->n].text ? (int)(s->n++, 0) : -ENOMEM;
}

static int add_line(struct suppressions *s, const char *path, int number, char *line, struct fault *f)
{
	static const char kind[] = "leak:";
	size_t n;

	line += strspn(line, " \t");
	for (n = strlen(line); n && strchr(" \t\r\n", line[n - 1]); n--)
		;
	line[n] = '\0';
	if (!*line || *line == '#')
		return 0;
	if (strncmp(line, kind, sizeof(kind) - 1) != 0 || !line[sizeof(kind) - 1])
		return fault_set(f, -EINVAL, "%s:%d: %s: write leak:TEMPLATE, as for LeakSanitizer", path, number,
				 line);
	return add(s, line + sizeof(kind) - 1) ? fault_set(f, -ENOMEM, "%s: out of memory", path) : 0;
}

int suppressions_read(const char *path, struct suppressions **ret, struct fault *f)
{
	struct suppressions *s = calloc(1, sizeof(*s));
	FILE *in = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;
	int r = 0;

	if (!s || !in)
		r = fault_set(f, in ? -ENOMEM : -errno, "%s: %s", path, in ? "out of memory" : strerror(errno));
	for (int number = 1; !r && getline(&line, &room, in) >= 0; number++)
		r = add_line(s, path, number, line, f);
	if (!r && ferror(in))
		r = fault_set(f, -EIO, "%s: cannot be read; name a file of lines leak:TEMPLATE", path);
	free(line);
	if (in)
		fclose(in);
	if (r)
		suppressions_free(s);
	else
		*ret = s;
	return r;
}

/* --- the rest ----------------------------------------------------------------------------------------- */

void suppressions_print(const struct suppressions *s, FILE *out)
{
	static const char rule[] = "-----------------------------------------------------\n";
	bool any = false;

	for (size_t i = 0; s && i < s->n; i++) {
		if (!s->all[i].hits)
			continue;
		if (!any)
			fprintf(out, "%sSuppressions used:\n  count      bytes template\n", rule);
		any = true;
		fprintf(out, "%7" PRId64 " %10" PRId64 " %s\n", s->all[i].objects, s->all[i].bytes, s->all[i].text);
	}
	if (any)
		fputs(rule, out);
}

void suppressions_free(struct suppressions *s)
{
	for (size_t i = 0; s && i < s->n; i++)
		free(s->all[i].text);
	if (s)
		free(s->all);
	free(s);
}
