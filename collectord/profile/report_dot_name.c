/* collectord/profile/report_dot_name.c - names as they stand in the boxes of a drawing: short, on several lines.
 *
 * Which parts of a name go: a leading anonymous namespace, a Go module version, then the first of these that fits:
 * the path of a Go package, the package and parameters of a Java method, the namespaces of a C++ method. */
#include <string.h>

#include "collectord/profile/report_work.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"
#define WORD LOWER UPPER DIGITS "_"

struct span {
	const char *at;
	size_t n; /* 0: nothing fits */
};

/* --- shortening -------------------------------------------------------------------------------------- */

/* The "/v2" in "example.com/pkg/v2.Func" and "…/v2/sub", before `end`. */
static struct span find_version(const char *name)
{
	for (const char *t = strstr(name, "/v"); t; t = strstr(t + 1, "/v")) {
		size_t digits = strspn(t + 2, DIGITS);

		if (digits && t[2] != '0' && !(digits == 1 && t[2] == '1') &&
		    (t[2 + digits] == '.' || t[2 + digits] == '/'))
			return (struct span){ t, 2 + digits };
	}
	return (struct span){ NULL, 0 };
}

/* What follows "component/component/"; newer pprof wants a dot in it. */
static struct span go_function(const char *name, bool upstream)
{
	struct span best = { NULL, 0 };

	for (;;) {
		size_t n = strspn(name, WORD "-.");

		if (!n || name[n] != '/')
			return best;
		name += n + 1;
		n = strcspn(name, ".");
		if (*name && (!upstream || (n && name[n] && name[n + 1])))
			best = (struct span){ name, strlen(name) };
	}
}

/* Class.method of "package.Class.method(parameters)". */
static struct span java_method(const char *name)
{
	size_t class, method;
	const char *t = name;

	for (size_t n; strspn(t, LOWER) && t[n = strspn(t, WORD)] == '.';)
		t += n + 1;
	class = strspn(t, UPPER) ? strspn(t, WORD "$") : 0;
	if (!class || t[class] != '.')
		return (struct span){ NULL, 0 };
	if (!strncmp(t + class + 1, "<init>", 6))
		method = 6;
	else
		method = strspn(t + class + 1, LOWER) ? strspn(t + class + 1, WORD "$") : 0;
	if (!method || (t[class + 1 + method] && t[class + 1 + method] != '('))
		return (struct span){ NULL, 0 };
	return (struct span){ t, class + 1 + method };
}

/* "Class::method" or "Class::~Class<T>" at `t`; 0 if it is none. */
static size_t class_method(const char *t)
{
	size_t under = strspn(t, "_"), class = strspn(t, WORD), method, from;
	const char *close;

	if (!strspn(t + under, UPPER) || strncmp(t + class, "::", 2))
		return 0;
	from = class + 2 + (t[class + 2] == '~');
	method = strspn(t + from, WORD);
	if (!method || strspn(t + from, DIGITS))
		return 0;
	from += method;
	close = t[from] == '<' ? strrchr(t + from, '>') : NULL;
	return close ? (size_t)(close + 1 - t) : from;
}

/* Class::method behind at least one namespace, as few as possible left. */
static struct span cpp_method(const char *name)
{
	struct span best = { NULL, 0 };

	for (;;) {
		size_t n = strspn(name, WORD);

		if (!n || strspn(name, DIGITS) || strncmp(name + n, "::", 2))
			return best;
		name += n + 2;
		n = class_method(name);
		if (n)
			best = (struct span){ name, n };
	}
}

static const char *shorten(struct report *r, const char *name)
{
	static const char anonymous[] = "(anonymous namespace)::";
	struct span s;

	if (!strncmp(name, anonymous, sizeof(anonymous) - 1))
		name += sizeof(anonymous) - 1;
	s = find_version(name);
	if (s.n)
		name = report_format_string(r, "%.*s%s", (int)(s.at - name), name, s.at + s.n);
	s = go_function(name, r->o.upstream);
	if (!s.n)
		s = java_method(name);
	if (!s.n)
		s = cpp_method(name);
	return s.n ? report_format_string(r, "%.*s", (int)s.n, s.at) : name;
}

/* --- spelling ---------------------------------------------------------------------------------------- */

/* `text` with every `from` replaced. */
static char *replace(struct report *r, const char *text, const char *from, const char *to)
{
	size_t n = 0, from_len = strlen(from), to_len = strlen(to);
	char *out, *at;

	for (const char *t = text; (t = strstr(t, from)); t += from_len)
		n++;
	out = at = profile_alloc(r->p, strlen(text) + n * to_len + 1, 1);
	if (!out) {
		r->failed = true;
		return report_format_string(r, "%s", "");
	}
	for (const char *next; (next = strstr(text, from)); text = next + from_len) {
		at = mempcpy(at, text, (size_t)(next - text));
		at = mempcpy(at, to, to_len);
	}
	strcpy(at, text);
	return out;
}

char *report_dot_escape(struct report *r, const char *text)
{
	return replace(r, replace(r, replace(r, text, "\\", "\\\\"), "\"", "\\\""), "\n", "\\l");
}

const char *report_dot_name(struct report *r, const struct graph_key *k)
{
	struct graph_key shown = *k;
	const char *name = report_dot_escape(r, shorten(r, k->name)), *label;

	name = replace(r, name, "::", "\\n");
	name = replace(r, name, "[...]", "[…]");
	shown.name = replace(r, name, ".", "\\n");
	if (*k->file)
		shown.file = graph_base(r->p, k->file);
	label = shown.file ? graph_node_label(r->p, &shown, "\\n") : NULL;
	r->failed |= !label;
	return label ? label : "";
}
