/* collectord/cli/url_text.c - see url_text.h.
 *
 * The rules are those of Go 1.19's cmd/pprof, but for the path of a URL that has none: there it is the CPU profile.
 */
#include "collectord/cli/url_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/cli/curl.h"
#include "collectord/cli/source_url.h"

#define UNIX "unix://"
#define INSECURE "https+insecure://"
#define QUERY_MAX 64 /* parameters */
#define DIGITS "0123456789"

/* host:port, perhaps with a path or a query; [::1]:port. */
static bool is_host_and_port(const char *word)
{
	size_t host = *word == '[' ? strcspn(word, "]/") + 1 : strcspn(word, ":/?#");
	size_t port;

	if (host < 1 || strlen(word) <= host || word[host] != ':')
		return false;
	port = strspn(word + host + 1, DIGITS);
	return port && strchr("/?#", word[host + 1 + port]); /* the end as well */
}

bool url_text_is(const char *word)
{
	const char *scheme = strstr(word, "://");

	if (scheme && scheme > word)
		return strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.") ==
		       (size_t)(scheme - word);
	return is_host_and_port(word);
}

/* --- the query --------------------------------------------------------------------------------------------- */

struct parameter {
	char *key, *value; /* unescaped */
	size_t place;
};

static int by_key(const void *a, const void *b)
{
	const struct parameter *x = a, *y = b;
	int c = strcmp(x->key, y->key);

	return c ? c : x->place < y->place ? -1 : 1;
}

static char *unescape(const char *text, size_t n)
{
	char *copy = strndup(text, n), *plain = NULL;

	for (char *c = copy; c && *c; c++)
		*c = *c == '+' ? ' ' : *c;
	if (copy) {
		char *made = curl.easy_unescape(NULL, copy, 0, NULL);

		plain = made ? strdup(made) : NULL;
		curl.free(made);
	}
	free(copy);
	return plain;
}

static int split_query(const char *query, struct parameter *all, size_t *n)
{
	for (const char *at = query; *at && *n < QUERY_MAX; at += strcspn(at, "&"), at += *at == '&') {
		size_t end = strcspn(at, "&"), key = strcspn(at, "=&");
		struct parameter *p = &all[*n];

		if (!end)
			continue;
		p->place = (*n)++;
		p->key = unescape(at, key);
		p->value = key < end ? unescape(at + key + 1, end - key - 1) : strdup("");
		if (!p->key || !p->value)
			return -ENOMEM;
	}
	return 0;
}

/* As Go escapes a query: a blank is a plus. */
static void put_escaped(FILE *out, const char *text)
{
	char *made = *text ? curl.easy_escape(NULL, text, 0) : NULL;

	for (const char *c = made; c && *c; c++)
		if (!strncmp(c, "%20", 3)) {
			fputc('+', out);
			c += 2;
		} else {
			fputc(*c, out);
		}
	curl.free(made);
}

static char *join_query(struct parameter *all, size_t n)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	qsort(all, n, sizeof(*all), by_key);
	for (size_t i = 0; i < n; i++) {
		fputs(i ? "&" : "", out);
		put_escaped(out, all[i].key);
		fputc('=', out);
		put_escaped(out, all[i].value);
	}
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

/* Set `seconds`, or read it. */
static int apply_seconds(struct parameter *all, size_t *n, int64_t seconds, int64_t *ret_seconds)
{
	size_t at = 0;
	char *value;

	while (at < *n && strcmp(all[at].key, "seconds"))
		at++;
	if (seconds <= 0) {
		*ret_seconds = at < *n ? strtoll(all[at].value, NULL, 10) : 0;
		return 0;
	}
	*ret_seconds = seconds;
	if (at == *n) {
		if (*n == QUERY_MAX)
			return -EINVAL;
		all[at] = (struct parameter){ .key = strdup("seconds"), .place = at };
		(*n)++;
	}
	if (asprintf(&value, "%" PRId64, seconds) < 0)
		return -ENOMEM;
	free(all[at].value);
	all[at].value = value;
	return all[at].key ? 0 : -ENOMEM;
}

/* The query of `u` as Go would send it, taken out of it: libcurl would write its escapes in lower case. */
static int take_query(CURLU *u, int64_t seconds, int64_t *ret_seconds, char **ret)
{
	struct parameter all[QUERY_MAX] = { 0 };
	char *query = NULL, *text = NULL;
	size_t n = 0;
	int r = 0;

	if (!curl.url_get(u, CURLUPART_QUERY, &query, 0))
		r = split_query(query, all, &n);
	if (!r)
		r = apply_seconds(all, &n, seconds, ret_seconds);
	if (!r)
		text = join_query(all, n);
	if (!r && (!text || curl.url_set(u, CURLUPART_QUERY, NULL, 0)))
		r = -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		free(all[i].key);
		free(all[i].value);
	}
	curl.free(query);
	if (r)
		free(text);
	else
		*ret = text;
	return r;
}

/* --- the whole ----------------------------------------------------------------------------------------------- */

/* unix:///run/x.sock:/path: the socket's path, and a URL for libcurl.  0 or -ENOMEM. */
static int split_socket(const char *word, struct url_text *u, char **ret_plain)
{
	const char *path = word + strlen(UNIX), *rest = strstr(path, ":/");
	size_t n = rest ? (size_t)(rest - path) : strlen(path);

	u->socket = strndup(path, n);
	if (!u->socket || asprintf(ret_plain, "http://localhost%s", rest ? rest + 1 : "") < 0)
		return -ENOMEM;
	return 0;
}

static int plain_url(const char *word, struct url_text *u, char **ret)
{
	int n;

	if (!strncmp(word, UNIX, strlen(UNIX)))
		return split_socket(word, u, ret);
	u->insecure = !strncmp(word, INSECURE, strlen(INSECURE));
	if (u->insecure)
		n = asprintf(ret, "https://%s", word + strlen(INSECURE));
	else
		n = asprintf(ret, "%s%s", strstr(word, "://") ? "" : "http://", word);
	return n < 0 ? -ENOMEM : 0;
}

static bool is_this_machine(CURLU *u)
{
	char *host = NULL;
	bool is = !curl.url_get(u, CURLUPART_HOST, &host, 0) &&
		  (!strcmp(host, "localhost") || !strncmp(host, "127.", 4) || !strcmp(host, "[::1]"));

	curl.free(host);
	return is;
}

/* All of it, and the query. */
static int get(CURLU *u, const char *query, char **ret)
{
	char *text = NULL;
	int n;

	if (curl.url_get(u, CURLUPART_URL, &text, 0))
		return -ENOMEM;
	n = asprintf(ret, "%s%s%s", text, *query ? "?" : "", query);
	curl.free(text);
	return n < 0 ? -ENOMEM : 0;
}

static bool is_fetchable(CURLU *u, const char *word, struct fault *f)
{
	char *scheme = NULL;
	bool is = !curl.url_get(u, CURLUPART_SCHEME, &scheme, 0) &&
		  (!strcmp(scheme, "http") || !strcmp(scheme, "https"));

	if (!is)
		fault_set(f, 0,
			  "%s: unsupported protocol scheme \"%s\"; there are http, https, https+insecure and unix",
			  word, scheme ? scheme : "");
	curl.free(scheme);
	return is;
}

/* What is shown of a socket's URL begins as the user wrote it. */
static int show(CURLU *u, const char *query, struct url_text *t)
{
	const char *rest = NULL;
	char *plain = NULL, *password = NULL;
	int r = 0;

	if (!curl.url_get(u, CURLUPART_PASSWORD, &password, 0) && curl.url_set(u, CURLUPART_PASSWORD, "xxxxx", 0))
		r = -ENOMEM;
	curl.free(password);
	if (!r)
		r = get(u, query, &plain);
	if (!r && !t->socket)
		rest = plain;
	else if (!r)
		rest = plain + strlen("http://localhost");
	if (!r && asprintf(&t->show, "%s%s%s%s", t->socket ? UNIX : "", t->socket ? t->socket : "",
			   t->socket ? ":" : "", rest) < 0) {
		t->show = NULL;
		r = -ENOMEM;
	}
	free(plain);
	return r;
}

static int complete(CURLU *u, const char *word, int64_t seconds, struct url_text *t, struct fault *f)
{
	char *path = NULL, *query = NULL;
	int r = 0;

	if (!is_fetchable(u, word, f))
		return -EINVAL;
	t->is_local = t->socket || is_this_machine(u);
	if (curl.url_get(u, CURLUPART_PATH, &path, 0) || !*path || !strcmp(path, "/"))
		r = curl.url_set(u, CURLUPART_PATH, URL_HEAP_PATH, 0) ? -ENOMEM : 0;
	curl.free(path);
	curl.url_set(u, CURLUPART_FRAGMENT, NULL, 0);
	if (!r)
		r = take_query(u, seconds, &t->seconds, &query);
	if (r == -EINVAL)
		return fault_set(f, r, "%s: more than %d parameters", word, QUERY_MAX);
	if (!r)
		r = get(u, query, &t->ask);
	if (!r)
		r = show(u, query, t);
	free(query);
	return r;
}

int url_text_parse(const char *word, int64_t seconds, struct url_text *ret, struct fault *f)
{
	struct url_text t = { 0 };
	CURLU *u = curl.url();
	char *plain = NULL;
	CURLUcode bad = CURLUE_OK;
	int r = u ? plain_url(word, &t, &plain) : -ENOMEM;

	if (!r)
		bad = curl.url_set(u, CURLUPART_URL, plain, CURLU_NON_SUPPORT_SCHEME);
	if (bad == CURLUE_OUT_OF_MEMORY)
		r = -ENOMEM;
	else if (bad)
		r = fault_set(f, -EINVAL, "%s: not a URL: %s", word, curl.url_strerror(bad));
	if (!r)
		r = complete(u, word, seconds, &t, f);
	free(plain);
	curl.url_cleanup(u);
	if (r) {
		url_text_done(&t);
		return r == -ENOMEM ? fault_set(f, r, "%s: out of memory", word) : r;
	}
	*ret = t;
	return 0;
}

void url_text_done(struct url_text *u)
{
	free(u->ask);
	free(u->show);
	free(u->socket);
	*u = (struct url_text){ 0 };
}
