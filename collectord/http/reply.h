/* collectord/http/reply.h - answers, with the headers net/http/pprof sends and those a browser is kept in check by.
 *
 * Each queues one response and returns what an access handler of libmicrohttpd must return.  Every connection
 * serves one request. */
#pragma once

#include <microhttpd.h>
#include <stddef.h>

#include "collectord/http/worker.h"
#include "common/compiler.h"

#define REPLY_TEXT "text/plain; charset=utf-8"
#define REPLY_HTML "text/html; charset=utf-8"
#define REPLY_BINARY "application/octet-stream"

struct reply {
	unsigned status;
	const char *type;
	const char *name, *value; /* one more header, or NULL */
	const char *file;         /* name to save it under, or NULL */
};

/* The bytes, which become the reply's. */
enum MHD_Result reply_bytes(struct MHD_Connection *to, const struct reply *how, struct bytes *b);

/* `len` bytes of malloc'ed memory, which become the reply's. */
enum MHD_Result reply_memory(struct MHD_Connection *to, const struct reply *how, char *text, size_t len);

/* An error as net/http/pprof sends it: a line of text that the client prints. */
enum MHD_Result reply_error(struct MHD_Connection *to, unsigned status, const char *fmt, ...) PRINTF(3, 4);
enum MHD_Result reply_error_with(struct MHD_Connection *to, unsigned status, const char *name, const char *value,
				 const char *fmt, ...) PRINTF(5, 6);
