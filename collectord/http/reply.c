/* collectord/http/reply.c - see reply.h. */
#include "collectord/http/reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLICY "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

static bool add_headers(struct MHD_Response *r, const struct reply *how)
{
	const struct {
		const char *name, *value;
	} headers[] = {
		{ MHD_HTTP_HEADER_CONTENT_TYPE, how->type },
		{ "X-Content-Type-Options", "nosniff" },
		{ "Cross-Origin-Resource-Policy", "same-origin" },
		{ "Referrer-Policy", "no-referrer" },
		{ MHD_HTTP_HEADER_CACHE_CONTROL, "no-store" },
		{ MHD_HTTP_HEADER_CONNECTION, "close" },
		{ "Content-Security-Policy", POLICY },
	};
	bool ok = true;

	for (size_t i = 0; i < ARRAY_SIZE(headers); i++)
		ok &= MHD_add_response_header(r, headers[i].name, headers[i].value) == MHD_YES;
	if (how->name)
		ok &= MHD_add_response_header(r, how->name, how->value) == MHD_YES;
	if (how->status >= 400)
		ok &= MHD_add_response_header(r, "X-Go-Pprof", "1") == MHD_YES;
	if (how->file) {
		char value[64];

		snprintf(value, sizeof(value), "attachment; filename=\"%s\"", how->file);
		ok &= MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_DISPOSITION, value) == MHD_YES;
	}
	return ok;
}

/* Takes `r` over; NULL: out of memory, and the connection is dropped. */
static enum MHD_Result queue(struct MHD_Connection *to, const struct reply *how, struct MHD_Response *r)
{
	enum MHD_Result ret = r && add_headers(r, how) ? MHD_queue_response(to, how->status, r) : MHD_NO;

	if (r)
		MHD_destroy_response(r);
	return ret;
}

static void unmap(void *cls)
{
	struct bytes *b = cls;

	bytes_done(b);
	free(b);
}

enum MHD_Result reply_bytes(struct MHD_Connection *to, const struct reply *how, struct bytes *b)
{
	struct bytes *owned = malloc(sizeof(*owned));
	struct MHD_Response *r;

	if (!owned)
		return MHD_NO;
	*owned = *b;
	*b = (struct bytes){ 0 };
	r = MHD_create_response_from_buffer_with_free_callback_cls(owned->len, owned->at, unmap, owned);
	if (!r)
		unmap(owned);
	return queue(to, how, r);
}

enum MHD_Result reply_memory(struct MHD_Connection *to, const struct reply *how, char *text, size_t len)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE);

	if (!r)
		free(text);
	return queue(to, how, r);
}

static enum MHD_Result PRINTF(3, 0)
	error_line(struct MHD_Connection *to, const struct reply *how, const char *fmt, va_list ap)
{
	char *line = NULL, *text = NULL;
	int n = vasprintf(&line, fmt, ap) < 0 ? -1 : asprintf(&text, "%s\n", line);
	enum MHD_Result ret = n < 0 ? MHD_NO : reply_memory(to, how, text, (size_t)n);

	free(line);
	return ret;
}

enum MHD_Result reply_error(struct MHD_Connection *to, unsigned status, const char *fmt, ...)
{
	enum MHD_Result ret;
	va_list ap;

	va_start(ap, fmt);
	ret = error_line(to, &(struct reply){ .status = status, .type = REPLY_TEXT }, fmt, ap);
	va_end(ap);
	return ret;
}

enum MHD_Result reply_error_with(struct MHD_Connection *to, unsigned status, const char *name, const char *value,
				 const char *fmt, ...)
{
	const struct reply how = { .status = status, .type = REPLY_TEXT, .name = name, .value = value };
	enum MHD_Result ret;
	va_list ap;

	va_start(ap, fmt);
	ret = error_line(to, &how, fmt, ap);
	va_end(ap);
	return ret;
}
