/* collectord/http/access.c - who may ask: the Host and Origin a browser sends, the token, the kernel's word.
 *
 * A page in somebody's browser must not read us: it cannot choose its Host (names that were pointed here are not
 * ours) and says its Origin.  Other users of this machine must not either: unix sockets say who connected, on TCP a
 * token is asked for, or the kernel which user's socket the other end is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "collectord/http/http_impl.h"
#include "collectord/http/reply.h"

#define TOKEN_MAX 256

/* Takes the same time wherever they differ; the length of a token is no secret. */
static bool is_token(const struct http_config *config, const char *given)
{
	const char *token = config->token;
	size_t n = token ? strlen(token) : 0;
	volatile unsigned char differ = 0;

	if (!n || !given || strlen(given) != n)
		return false;
	for (size_t i = 0; i < n; i++)
		differ |= (unsigned char)(token[i] ^ given[i]);
	return !differ;
}

static const char *header(struct MHD_Connection *mhd, const char *name)
{
	return MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, name);
}

/* "Authorization: Bearer TOKEN"; "Basic" with it as password or user name, which is what a URL can hold; ?token=.
 */
static bool has_token(const struct request *q, struct MHD_Connection *mhd)
{
	const struct http_config *config = &q->conn->http->config;
	const char *authorization = header(mhd, MHD_HTTP_HEADER_AUTHORIZATION);
	char text[TOKEN_MAX], *user, *password = NULL;
	bool ok = false;

	if (authorization && !strncasecmp(authorization, "Bearer ", strlen("Bearer ")))
		ok = is_token(config, authorization + strlen("Bearer "));
	user = MHD_basic_auth_get_username_password(mhd, &password);
	ok = is_token(config, user) || is_token(config, password) || ok;
	MHD_free(user);
	MHD_free(password);
	return ok || (query_get(q->route.query, "token", text, sizeof(text)) && is_token(config, text));
}

static bool gives_token(const struct request *q, struct MHD_Connection *mhd)
{
	char text[TOKEN_MAX];

	return header(mhd, MHD_HTTP_HEADER_AUTHORIZATION) || query_get(q->route.query, "token", text, sizeof(text));
}

/* A wrong token is an error, whoever gives it. */
static bool is_known(const struct request *q, struct MHD_Connection *mhd)
{
	uint32_t uid;

	if (gives_token(q, mhd))
		return has_token(q, mhd);
	return q->conn->http->config.trusts_user && !door_tcp_peer(q->conn->fd, &uid) &&
	       (uid == geteuid() || uid == 0);
}

/* "http://HOST", the Host being ours: the page came from here. */
static bool is_own_origin(const char *origin, const char *host)
{
	return host && !strncasecmp(origin, "http://", strlen("http://")) &&
	       !strcasecmp(origin + strlen("http://"), host);
}

bool access_check(struct request *q, struct MHD_Connection *mhd, enum MHD_Result *ret)
{
	const char *host = header(mhd, MHD_HTTP_HEADER_HOST), *origin = header(mhd, MHD_HTTP_HEADER_ORIGIN);
	struct conn *c = q->conn;

	if (!door_is_named(c->door, host)) {
		*ret = reply_error(mhd, MHD_HTTP_FORBIDDEN,
				   "this is not the Host you are looking for: ask by address or as localhost");
		return false;
	}
	if (origin && !is_own_origin(origin, host)) {
		*ret = reply_error(mhd, MHD_HTTP_FORBIDDEN, "pages of other origins may not read this");
		return false;
	}
	if (c->door->is_unix)
		return true; /* conn->who is what the kernel said when it connected */
	if (!is_known(q, mhd)) {
		*ret = reply_error_with(mhd, MHD_HTTP_UNAUTHORIZED, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
					"Basic realm=\"heaptap\", charset=\"UTF-8\"",
					"a token is needed: as Authorization: Bearer TOKEN, ?token=TOKEN, or "
					"http://:TOKEN@HOST/...");
		return false;
	}
	c->who = (struct viewer){ .uid = geteuid(), .sees_all = true };
	return true;
}
