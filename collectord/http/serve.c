/* collectord/http/serve.c - a request from its first line to its answer; see http_impl.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/http/http_impl.h"
#include "collectord/http/reply.h"

#define MAX_BODY (1u << 20)

void *serve_request_line(void *cls, const char *target, struct MHD_Connection *mhd)
{
	struct request *q = calloc(1, sizeof(*q));
	const union MHD_ConnectionInfo *i = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	(void)cls;
	if (!q)
		return NULL;
	q->conn = i ? i->socket_context : NULL;
	q->target = strdup(target);
	if (!q->target || !q->conn) {
		free(q->target);
		free(q);
		return NULL;
	}
	q->route = route_of(q->target);
	q->conn->request = q;
	return q;
}

static void log_request(const struct request *q, struct MHD_Connection *mhd, const char *method)
{
	const struct http_config *config = &q->conn->http->config;
	char line[512];

	(void)mhd;
	if (!config->log)
		return;
	if (q->conn->door->is_unix)
		snprintf(line, sizeof(line), "http: %.16s %.*s of uid %u", method, (int)q->route.path_len,
			 q->target, q->conn->who.uid);
	else
		snprintf(line, sizeof(line), "http: %.16s %.*s", method, (int)q->route.path_len, q->target);
	config->log(line, config->arg);
}

void serve_completed(void *cls, struct MHD_Connection *mhd, void **context, enum MHD_RequestTerminationCode how)
{
	struct request *q = *context;

	(void)cls, (void)mhd, (void)how;
	if (!q)
		return;
	job_cancel(q->job);
	q->conn->request = NULL;
	bytes_done(&q->answer);
	free(q->target);
	free(q->body);
	free(q);
	*context = NULL;
}

struct counted {
	const char *name;
	unsigned n;
};

static enum MHD_Result count_header(void *cls, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct counted *c = cls;

	(void)kind, (void)value;
	c->n += !strcasecmp(key, c->name);
	return MHD_YES;
}

static unsigned headers_of(struct MHD_Connection *mhd, const char *name)
{
	struct counted c = { name, 0 };

	MHD_get_connection_values(mhd, MHD_HEADER_KIND, count_header, &c);
	return c.n;
}

/* What two programs might read differently, and what no client of ours sends.  The rest is head.c's. */
static const char *malformed(struct MHD_Connection *mhd, const char *method)
{
	const char *length = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

	if (headers_of(mhd, MHD_HTTP_HEADER_TRANSFER_ENCODING))
		return "Transfer-Encoding is not understood here: say a Content-Length";
	if (headers_of(mhd, MHD_HTTP_HEADER_CONTENT_LENGTH) > 1 || headers_of(mhd, MHD_HTTP_HEADER_HOST) > 1)
		return "a header is there twice";
	if (length && (!*length || strspn(length, "0123456789") != strlen(length)))
		return "Content-Length is no number";
	if (strcmp(method, MHD_HTTP_METHOD_POST) && length && strspn(length, "0") != strlen(length))
		return "a body belongs to a POST";
	return NULL;
}

static bool is_large(struct MHD_Connection *mhd)
{
	const char *length = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

	return length && strtoull(length, NULL, 10) > MAX_BODY;
}

/* The header is there.  True: go on; else an error was queued. */
static bool begin(struct request *q, struct MHD_Connection *mhd, const char *method, enum MHD_Result *ret)
{
	const char *why = malformed(mhd, method);

	q->is_begun = true;
	log_request(q, mhd, method);
	if (why)
		*ret = reply_error(mhd, MHD_HTTP_BAD_REQUEST, "%s", why);
	else if (is_large(mhd))
		*ret = reply_error(mhd, MHD_HTTP_CONTENT_TOO_LARGE, "more than %u bytes of body", MAX_BODY);
	else
		return access_check(q, mhd, ret) && answer_takes(q, mhd, method, ret);
	return false;
}

static enum MHD_Result take_body(struct request *q, const char *data, size_t *size)
{
	char *grown;

	if (*size > MAX_BODY - q->n_body)
		return MHD_NO; /* more than it said */
	grown = realloc(q->body, q->n_body + *size);
	if (!grown)
		return MHD_NO;
	q->body = grown;
	memcpy(q->body + q->n_body, data, *size);
	q->n_body += *size;
	*size = 0;
	return MHD_YES;
}

enum MHD_Result serve_request(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
			      const char *version, const char *data, size_t *size, void **context)
{
	struct request *q = *context;
	enum MHD_Result ret = MHD_YES;

	(void)cls, (void)url, (void)version;
	if (!q)
		return MHD_NO;
	if (!q->is_begun) {
		if (!begin(q, mhd, method, &ret))
			conn_set_state(q->conn, CONN_SENDING);
		return ret;
	}
	if (*size)
		return take_body(q, data, size);
	ret = q->is_worked ? answer_worked(q, mhd) : answer_request(q, mhd, method);
	if (q->job)
		conn_suspend(q->conn);
	else
		conn_set_state(q->conn, CONN_SENDING);
	return ret;
}
