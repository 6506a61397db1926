/* collectord/http/answer.c - what each page answers, with the words and numbers of net/http/pprof's errors.
 *
 * Somebody else's process does not exist for who asks. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/http/http_impl.h"
#include "collectord/http/metrics.h"
#include "collectord/http/page.h"
#include "collectord/http/reply.h"

#define MAX_SECONDS 3600
#define UNKNOWN_PROFILE "Unknown profile"
#define FAILED "failed to collect profile"

/* --- one profile --------------------------------------------------------------------------------------------- */

static const struct {
	enum task_kind kind;
	uint32_t flags;
	const char *name; /* to save it under */
	bool has_text, has_difference;
} profiles[] = {
	[ENDPOINT_HEAP] = { TASK_PPROF, TASK_NAMES, "heap", true, true },
	[ENDPOINT_ALLOCS] = { TASK_PPROF, TASK_NAMES | TASK_ALLOCATED, "allocs", true, true },
	[ENDPOINT_PEAK] = { TASK_PPROF, TASK_NAMES | TASK_PEAK, "peak", true, false },
	[ENDPOINT_CMDLINE] = { TASK_CMDLINE, 0, NULL, false, false },
	[ENDPOINT_SYMBOL] = { TASK_SYMBOL, TASK_NAMES, NULL, false, false },
	[ENDPOINT_HEAPTEXT] = { TASK_HEAPTEXT, 0, NULL, false, false },
};

static bool is_named_profile(enum endpoint e)
{
	return e == ENDPOINT_HEAP || e == ENDPOINT_ALLOCS || e == ENDPOINT_PEAK;
}

/* "seconds" as it stands in a query; -EINVAL for what Go refuses. */
static int parse_seconds(const char *text, int64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoll(text, &end, 10);
	return *text < '0' || *text > '9' || *end || errno || *ret <= 0 ? -EINVAL : 0;
}

/* What the query says of a profile; an error is queued and *ret set if that makes no sense. */
static bool read_query(const struct request *q, struct MHD_Connection *mhd, struct job_request *j,
		       enum MHD_Result *ret)
{
	const enum endpoint e = q->route.endpoint;
	const bool is_text = query_is_nonzero(q->route.query, "debug");
	const char *why = NULL;
	char seconds[32];

	j->kind = profiles[e].kind;
	j->flags = profiles[e].flags;
	if (!is_named_profile(e))
		return true;
	if (query_is_nonzero(q->route.query, "limit"))
		j->flags |= TASK_LIMIT;
	if (is_text)
		j->kind = TASK_GOTEXT;
	if (!query_get(q->route.query, "seconds", seconds, sizeof(seconds)))
		return true;
	if (parse_seconds(seconds, &j->seconds))
		why = "invalid value for \"seconds\" - must be a positive integer";
	else if (!profiles[e].has_difference)
		why = "\"seconds\" parameter is not supported for this profile type";
	else if (j->seconds > MAX_SECONDS)
		why = "profile duration exceeds server's WriteTimeout";
	else if (is_text)
		why = "seconds and debug params are incompatible";
	if (why)
		*ret = reply_error(mhd, MHD_HTTP_BAD_REQUEST, "%s", why);
	return !why;
}

/* --- which process ------------------------------------------------------------------------------------------- */

static enum MHD_Result ask_which(const struct request *q, struct MHD_Connection *mhd, const struct choice *all,
				 int n)
{
	char *list = choices_text(all, n, q->target, (int)q->route.path_len);
	enum MHD_Result ret = MHD_NO;

	if (list)
		ret = reply_error(mhd, MHD_HTTP_BAD_REQUEST, "%d processes are recorded: ask for one of them%s", n,
				  list);
	free(list);
	return ret;
}

static bool choose(const struct request *q, struct MHD_Connection *mhd, struct choice *chosen, enum MHD_Result *ret)
{
	struct choice *all = NULL;
	int n = choices_of(q->conn->http->collector, &q->conn->who, q->route.pid, &all);

	if (n < 0)
		*ret = MHD_NO;
	else if (n == 0 && q->route.pid)
		*ret = reply_error(mhd, MHD_HTTP_NOT_FOUND, "no process %u is recorded here", q->route.pid);
	else if (n == 0)
		*ret = reply_error(mhd, MHD_HTTP_NOT_FOUND, "no program is recorded here");
	else if (n > 1 && !q->route.pid)
		*ret = ask_which(q, mhd, all, n);
	else
		*chosen = all[n - 1];
	free(all);
	return n == 1 || (n > 1 && q->route.pid);
}

/* --- jobs ---------------------------------------------------------------------------------------------------- */

static void on_worked(void *arg, enum job_end how, struct bytes answer)
{
	struct request *q = arg;

	q->job = NULL;
	q->is_worked = true;
	q->how = how;
	q->answer = answer;
	conn_resume(q->conn);
}

static enum MHD_Result busy(struct MHD_Connection *mhd)
{
	return reply_error_with(mhd, MHD_HTTP_SERVICE_UNAVAILABLE, MHD_HTTP_HEADER_RETRY_AFTER, "5",
				"too many profiles are being made: try again");
}

static enum MHD_Result start(struct request *q, struct MHD_Connection *mhd, const char *method)
{
	struct job_request j = { .viewer = q->conn->who.uid };
	enum MHD_Result ret = MHD_NO;
	struct choice chosen = { 0 };
	int r;

	if (!read_query(q, mhd, &j, &ret) || !choose(q, mhd, &chosen, &ret))
		return ret;
	if (j.kind == TASK_SYMBOL) {
		j.addresses = !strcmp(method, MHD_HTTP_METHOD_POST) ? q->body : q->route.query;
		j.n_addresses = j.addresses == q->body ? q->n_body : strlen(j.addresses);
	}
	j.session = chosen.session;
	j.pid = chosen.pid;
	j.uid = chosen.uid;
	r = q->conn->http->is_over ? -EBUSY : job_start(q->conn->http->jobs, &j, on_worked, q, &q->job);
	return r == -EBUSY ? busy(mhd) : r ? MHD_NO : MHD_YES;
}

static bool is_text(const struct request *q)
{
	return !is_named_profile(q->route.endpoint) || query_is_nonzero(q->route.query, "debug");
}

static enum MHD_Result symbols(struct MHD_Connection *mhd)
{
	char *text = strdup("num_symbols: 1\n");

	return text ? reply_memory(mhd, &(struct reply){ .status = MHD_HTTP_OK, .type = REPLY_TEXT }, text,
				   strlen(text))
		    : MHD_NO;
}

static enum MHD_Result too_large(const struct request *q, struct MHD_Connection *mhd)
{
	const char *instead = q->route.endpoint == ENDPOINT_HEAPTEXT
				      ? ": ask for /debug/pprof/heap, which is compressed"
			      : is_text(q) ? ": ask without debug=1 for the compressed form"
					   : "";

	return reply_error(mhd, MHD_HTTP_INTERNAL_SERVER_ERROR,
			   "%s: it is larger than the %d MB an answer may have%s", FAILED, WORKER_MAX_ANSWER_MB,
			   instead);
}

enum MHD_Result answer_worked(struct request *q, struct MHD_Connection *mhd)
{
	struct reply how = { .status = MHD_HTTP_OK, .type = is_text(q) ? REPLY_TEXT : REPLY_BINARY };
	char file[32], seconds[32];

	if (q->how == JOB_DONE && !conn_may_hold(q->conn, q->answer.len)) {
		bytes_done(&q->answer);
		q->how = JOB_BUSY;
	}
	if (q->how == JOB_DONE) {
		q->conn->held = q->answer.len;
		snprintf(file, sizeof(file), "%s%s", is_text(q) ? "" : profiles[q->route.endpoint].name,
			 query_get(q->route.query, "seconds", seconds, sizeof(seconds)) ? "-delta" : "");
		how.file = is_text(q) ? NULL : file;
		return reply_bytes(mhd, &how, &q->answer);
	}
	if (q->route.endpoint == ENDPOINT_SYMBOL)
		return symbols(mhd); /* whose client gives up on any error */
	if (q->how == JOB_BUSY)
		return busy(mhd);
	if (q->how == JOB_LARGE)
		return too_large(q, mhd);
	return reply_error(mhd, MHD_HTTP_INTERNAL_SERVER_ERROR, "%s%s", FAILED,
			   q->how == JOB_ENDED ? ": the process has ended" : "");
}

/* --- pages --------------------------------------------------------------------------------------------------- */

static enum MHD_Result index_page(const struct request *q, struct MHD_Connection *mhd)
{
	struct choice *all = NULL;
	int n = choices_of(q->conn->http->collector, &q->conn->who, q->route.pid, &all), r = n;
	char *text = NULL;
	size_t len = 0;

	if (n == 0 && q->route.pid)
		return reply_error(mhd, MHD_HTTP_NOT_FOUND, "no process %u is recorded here", q->route.pid);
	if (n >= 0)
		r = page_index(all, n, &text, &len);
	free(all);
	return r ? MHD_NO
		 : reply_memory(mhd, &(struct reply){ .status = MHD_HTTP_OK, .type = REPLY_HTML }, text, len);
}

static enum MHD_Result metrics_page(const struct request *q, struct MHD_Connection *mhd)
{
	const struct http *h = q->conn->http;
	const char *accept = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);
	const enum metrics_format format = metrics_format_of(accept);
	const struct metrics_source source = { .collector = h->collector,
					       .who = &q->conn->who,
					       .io_backend = loop_backend(h->loop),
					       .log_dropped = h->config.log_dropped };
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return MHD_NO;
	metrics_write(&source, format, out);
	if (fclose(out)) {
		free(text);
		return MHD_NO;
	}
	return reply_memory(mhd, &(struct reply){ .status = MHD_HTTP_OK, .type = metrics_type(format) }, text, len);
}

static enum MHD_Result redirect(struct MHD_Connection *mhd, const struct request *q, unsigned status)
{
	char to[64];

	snprintf(to, sizeof(to), "%.*s%s", (int)q->route.path_len, q->target,
		 q->route.endpoint == ENDPOINT_ROOT ? "debug/pprof/" : "/");
	return reply_error_with(mhd, status, MHD_HTTP_HEADER_LOCATION, to, "see %s", to);
}

bool answer_takes(const struct request *q, struct MHD_Connection *mhd, const char *method, enum MHD_Result *ret)
{
	const bool posts = q->route.endpoint == ENDPOINT_SYMBOL;

	if (!strcmp(method, MHD_HTTP_METHOD_GET) || !strcmp(method, MHD_HTTP_METHOD_HEAD) ||
	    (posts && !strcmp(method, MHD_HTTP_METHOD_POST)))
		return true;
	*ret = reply_error_with(mhd, MHD_HTTP_METHOD_NOT_ALLOWED, MHD_HTTP_HEADER_ALLOW,
				posts ? "GET, HEAD, POST" : "GET, HEAD", "method not allowed");
	return false;
}

enum MHD_Result answer_request(struct request *q, struct MHD_Connection *mhd, const char *method)
{
	switch (q->route.endpoint) {
	case ENDPOINT_NONE:
		return reply_error(mhd, MHD_HTTP_NOT_FOUND, "404 page not found");
	case ENDPOINT_UNKNOWN:
		return reply_error(mhd, MHD_HTTP_NOT_FOUND, UNKNOWN_PROFILE);
	case ENDPOINT_ROOT:
		return redirect(mhd, q, MHD_HTTP_FOUND);
	case ENDPOINT_DIRECTORY:
		return redirect(mhd, q, MHD_HTTP_MOVED_PERMANENTLY);
	case ENDPOINT_INDEX:
		return index_page(q, mhd);
	case ENDPOINT_METRICS:
		return metrics_page(q, mhd);
	case ENDPOINT_SYMBOL:
		if (!(!strcmp(method, MHD_HTTP_METHOD_POST) ? q->n_body : strlen(q->route.query)))
			return symbols(mhd); /* are there any? */
		return start(q, mhd, method);
	default:
		return start(q, mhd, method);
	}
}
