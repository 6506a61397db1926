/* collectord/cli/source_url.c - see source_url.h.
 *
 * One thread, libcurl's multi interface: several servers are asked at once, so that profiles over `seconds` are of
 * the same time.  As in pprof, the timeout is for the answer to begin; after that, for silence in it. */
#include "collectord/cli/source_url.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "collectord/cli/clock.h"
#include "collectord/cli/curl.h"
#include "collectord/cli/say.h"
#include "collectord/cli/url_text.h"
#include "collectord/live/memfd.h"
#include "collectord/profile/snapshot.h"
#include "collectord/profile/write_all.h"

#define DEFAULT_TIMEOUT_S 60
#define MORE_TIMEOUT_S 5
#define MAX_TIMEOUT_S 1000000000
#define MAX_REDIRECTS 10
#define POLL_MS 200

struct transfer {
	struct url_fetch *to;
	struct url_text text;
	CURL *easy;
	int fd; /* memory for what comes */
	size_t size;
	int64_t timeout_s;
	uint64_t heard_ns;         /* when the server last said something that counts */
	char status[128];          /* "404 Not Found" */
	char body[1024];           /* of an error */
	bool says_why, text_plain; /* an error's body is for people */
	bool answered, too_large, done;
	char error[CURL_ERROR_SIZE];
};

bool url_is(const char *source)
{
	return access(source, F_OK) && url_text_is(source);
}

/* --- what comes ---------------------------------------------------------------------------------------------- */

static bool begins(const char *line, size_t n, const char *name)
{
	return n >= strlen(name) && !strncasecmp(line, name, strlen(name));
}

/* "HTTP/1.1 404 Not Found" begins a response; redirects and 100 are followed by others. */
static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	size_t len = n * size, at;

	while (len && (line[len - 1] == '\r' || line[len - 1] == '\n'))
		len--;
	if (begins(line, len, "HTTP/")) {
		for (at = 0; at < len && line[at] != ' '; at++)
			;
		at += at < len;
		snprintf(t->status, sizeof(t->status), "%.*s", (int)(len - at), line + at);
		t->says_why = t->text_plain = false;
	}
	t->says_why |= begins(line, len, "x-go-pprof:");
	t->text_plain |= begins(line, len, "content-type:") && memmem(line, len, "text/plain", 10);
	if (!len && t->status[0] != '1' && t->status[0] != '3') {
		t->answered = true;
		t->heard_ns = clock_ns();
	}
	return n * size;
}

static bool is_ok(const struct transfer *t)
{
	return !strncmp(t->status, "200", 3);
}

static size_t keep_error(struct transfer *t, const char *data, size_t n)
{
	size_t used = strlen(t->body), room = sizeof(t->body) - 1 - used;

	memcpy(t->body + used, data, n < room ? n : room);
	t->body[used + (n < room ? n : room)] = '\0';
	return n;
}

static size_t on_data(char *data, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	size_t left = n * size;

	t->heard_ns = clock_ns();
	if (!is_ok(t))
		return keep_error(t, data, left);
	t->size += left;
	t->too_large = t->size > SNAPSHOT_MAX_FILE;
	return t->too_large || write_all(t->fd, data, left) ? 0 : left;
}

/* --- one transfer -------------------------------------------------------------------------------------------- */

/* "1m30s", as Go writes a duration. */
static void say_wait(int64_t s)
{
	if (s >= 3600)
		say("Please wait... (%" PRId64 "h%" PRId64 "m%" PRId64 "s)", s / 3600, s / 60 % 60, s % 60);
	else if (s >= 60)
		say("Please wait... (%" PRId64 "m%" PRId64 "s)", s / 60, s % 60);
	else
		say("Please wait... (%" PRId64 "s)", s);
}

static int64_t timeout_of(const struct url_options *o, int64_t seconds)
{
	int64_t s = o->timeout > 0 ? o->timeout : seconds > 0 ? seconds + seconds / 2 : DEFAULT_TIMEOUT_S;

	return (s < MAX_TIMEOUT_S ? s : MAX_TIMEOUT_S) + MORE_TIMEOUT_S;
}

/* libcurl minds http_proxy in lower case only, and for this machine as well; Go does not. */
static CURLcode set_proxy(struct transfer *t)
{
	const char *upper = getenv("HTTP_PROXY");

	if (t->text.is_local)
		return curl.easy_setopt(t->easy, CURLOPT_PROXY, "");
	if (upper && *upper && !getenv("http_proxy") && !strncmp(t->text.ask, "http:", 5))
		return curl.easy_setopt(t->easy, CURLOPT_PROXY, upper);
	return CURLE_OK;
}

static CURLcode set_tls(struct transfer *t, const struct url_options *o)
{
	CURLcode bad = CURLE_OK;

	if (t->text.insecure) {
		bad = curl.easy_setopt(t->easy, CURLOPT_SSL_VERIFYPEER, 0L);
		bad = bad ? bad : curl.easy_setopt(t->easy, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	if (!bad && o->tls_ca && *o->tls_ca)
		bad = curl.easy_setopt(t->easy, CURLOPT_CAINFO, o->tls_ca);
	if (!bad && o->tls_cert && *o->tls_cert) {
		bad = curl.easy_setopt(t->easy, CURLOPT_SSLCERT, o->tls_cert);
		bad = bad ? bad : curl.easy_setopt(t->easy, CURLOPT_SSLKEY, o->tls_key);
	}
	return bad;
}

static CURLcode set_request(struct transfer *t)
{
	CURL *e = t->easy;
	CURLcode bad = curl.easy_setopt(e, CURLOPT_URL, t->text.ask);

	bad = bad ? bad : curl.easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	bad = bad ? bad : curl.easy_setopt(e, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	bad = bad ? bad : curl.easy_setopt(e, CURLOPT_FOLLOWLOCATION, 1L);
	bad = bad ? bad : curl.easy_setopt(e, CURLOPT_MAXREDIRS, (long)MAX_REDIRECTS);
	bad = bad ? bad : curl.easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	bad = bad ? bad : curl.easy_setopt(e, CURLOPT_ACCEPT_ENCODING, "gzip");
	bad = bad ? bad : curl.easy_setopt(e, CURLOPT_USERAGENT, "heaptap/" HEAPTAP_VERSION);
	bad = bad ? bad : curl.easy_setopt(e, CURLOPT_ERRORBUFFER, t->error);
	bad = bad ? bad : curl.easy_setopt(e, CURLOPT_PRIVATE, t);
	bad = bad ? bad : curl.easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	bad = bad ? bad : curl.easy_setopt(e, CURLOPT_HEADERDATA, t);
	bad = bad ? bad : curl.easy_setopt(e, CURLOPT_WRITEFUNCTION, on_data);
	bad = bad ? bad : curl.easy_setopt(e, CURLOPT_WRITEDATA, t);
	if (!bad && t->text.socket)
		bad = curl.easy_setopt(e, CURLOPT_UNIX_SOCKET_PATH, t->text.socket);
	return bad;
}

static int fail(struct transfer *t, int error, const char *why)
{
	t->done = true;
	t->to->result = fault_set(&t->to->why, error, "%s: %s", t->to->url ? t->to->url : t->to->source, why);
	return error;
}

static int begin(struct transfer *t, const struct url_options *o, CURLM *multi)
{
	CURLcode bad;
	int r = url_text_parse(t->to->source, o->seconds, &t->text, &t->to->why);

	if (r) {
		t->done = true;
		t->to->result = r;
		return r;
	}
	t->to->url = strdup(t->text.show);
	t->fd = memfd_new("heaptap-url");
	t->easy = curl.easy_init();
	if (!t->to->url || t->fd < 0 || !t->easy)
		return fail(t, -ENOMEM, "out of memory or descriptors");
	say("Fetching profile over HTTP from %s", t->to->url);
	if (o->seconds > 0)
		say_wait(o->seconds);
	t->timeout_s = timeout_of(o, t->text.seconds);
	t->heard_ns = clock_ns();
	bad = set_request(t);
	bad = bad ? bad : set_proxy(t);
	bad = bad ? bad : set_tls(t, o);
	if (bad || curl.multi_add_handle(multi, t->easy))
		return fail(t, -EINVAL, bad ? curl.easy_strerror(bad) : "out of memory");
	return 0;
}

static void refuse_status(struct transfer *t)
{
	char text[sizeof(t->status) + sizeof(t->body) + 32];
	size_t n = strlen(t->body);

	while (n && strchr("\r\n ", t->body[n - 1]))
		t->body[--n] = '\0';
	for (char *c = t->body; *c; c++)
		*c = *c == '\n' ? ' ' : *c; /* a fault is a line */
	snprintf(text, sizeof(text), "server response: %s%s%s", t->status,
		 t->says_why && t->text_plain ? " - " : "", t->says_why && t->text_plain ? t->body : "");
	fail(t, -EIO, text);
}

static void end(struct transfer *t, CURLcode bad)
{
	long os = 0;

	t->done = true;
	curl.easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &os);
	if (t->too_large)
		fail(t, -EFBIG, "more than 1 GB came: that is no profile");
	else if (bad == CURLE_COULDNT_CONNECT && os)
		fail(t, -EIO, strerror((int)os));
	else if (bad)
		fail(t, -EIO, *t->error ? t->error : curl.easy_strerror(bad));
	else if (!is_ok(t))
		refuse_status(t);
	else if (asprintf(&t->to->path, "/proc/self/fd/%d", t->fd) < 0)
		fail(t, -ENOMEM, "out of memory");
	else
		t->fd = -1; /* stays open */
}

static void check_time(struct transfer *t, CURLM *multi)
{
	char text[128];

	if (t->done || clock_ns() - t->heard_ns < (uint64_t)t->timeout_s * 1000000000ull)
		return;
	snprintf(text, sizeof(text), "%s for %" PRId64 " s; -timeout=SECONDS waits longer",
		 t->answered ? "the answer stopped coming" : "no answer", t->timeout_s);
	curl.multi_remove_handle(multi, t->easy);
	fail(t, -ETIMEDOUT, text);
}

/* --- all of them --------------------------------------------------------------------------------------------- */

static void take_results(CURLM *multi)
{
	struct CURLMsg *m;
	struct transfer *t;
	int left;

	while ((m = curl.multi_info_read(multi, &left))) {
		if (m->msg != CURLMSG_DONE || curl.easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t))
			continue;
		end(t, m->data.result);
		curl.multi_remove_handle(multi, t->easy);
	}
}

static void run(CURLM *multi, struct transfer *all, size_t n)
{
	size_t left = n;
	int running;

	while (left && !curl.multi_perform(multi, &running)) {
		take_results(multi);
		left = 0;
		for (size_t i = 0; i < n; i++) {
			check_time(&all[i], multi);
			left += !all[i].done;
		}
		if (left && curl.multi_poll(multi, NULL, 0, POLL_MS, NULL))
			break;
	}
	for (size_t i = 0; i < n; i++)
		if (!all[i].done)
			fail(&all[i], -EIO, "libcurl failed");
}

static int check_options(const struct url_options *o, struct fault *f)
{
	const bool cert = o->tls_cert && *o->tls_cert, key = o->tls_key && *o->tls_key;

	return cert == key ? 0 : fault_set(f, -EINVAL, "both (-tls_key, -tls_cert) must be specified");
}

static void refuse_all(struct url_fetch *all, size_t n, int error, const struct fault *f)
{
	for (size_t i = 0; i < n; i++)
		if (url_is(all[i].source)) {
			all[i].result = error;
			all[i].why = *f;
		}
}

void url_fetch_all(struct url_fetch *all, size_t n, const struct url_options *o)
{
	struct transfer *transfers = calloc(n + 1, sizeof(*transfers));
	struct fault f = { "out of memory" };
	CURLM *multi = NULL;
	size_t used = 0;
	int r = check_options(o, &f);

	if (!r && !curl_load())
		r = fault_set(&f, -ELIBACC, "libcurl is missing: URLs need `apt-get install libcurl4`");
	if (!r && (!transfers || !(multi = curl.multi_init())))
		r = -ENOMEM;
	if (r)
		refuse_all(all, n, r, &f);
	for (size_t i = 0; !r && i < n; i++)
		if (url_is(all[i].source)) {
			transfers[used] = (struct transfer){ .to = &all[i], .fd = -1 };
			begin(&transfers[used++], o, multi);
		}
	if (multi)
		run(multi, transfers, used);
	for (size_t i = 0; i < used; i++) {
		curl.easy_cleanup(transfers[i].easy);
		if (transfers[i].fd >= 0)
			close(transfers[i].fd);
		url_text_done(&transfers[i].text);
	}
	if (multi)
		curl.multi_cleanup(multi);
	free(transfers);
}

void url_done(struct url_fetch *u)
{
	free(u->url);
	free(u->path);
	u->url = u->path = NULL;
}

int url_fetch_one(const char *source, const struct url_options *o, char **ret_path, struct fault *f)
{
	struct url_fetch u = { .source = source };

	url_fetch_all(&u, 1, o);
	if (u.result)
		*f = u.why;
	else
		*ret_path = strdup(u.path);
	url_done(&u);
	return u.result || *ret_path ? u.result : fault_set(f, -ENOMEM, "out of memory");
}
