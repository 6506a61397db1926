/* collectord/cli/run_http.c - heaptap run --http: profiles over HTTP while the program runs; see run.h.
 *
 * Where the kernel tells whose connection it is, its user needs no token, and none is printed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/cli/names.h"
#include "collectord/cli/run.h"
#include "collectord/cli/say.h"
#include "collectord/http/door.h"

#define ADDRESS "127.0.0.1:6061"
#define ANY_PORT "127.0.0.1:0"

/* Nobody chose the port: when another run has it, any will do. */
static int listen_somewhere(struct http *h, const char *address, struct fault *f)
{
	if (*address)
		return http_listen_tcp(h, address, f);
	return http_listen_tcp(h, ADDRESS, f) ? http_listen_tcp(h, ANY_PORT, f) : 0;
}

int run_http_start(struct run_http *r, const struct run_options *o, struct loop *loop, struct collector *c,
		   struct fault *f)
{
	struct http_config config = { .token = r->token };
	char url[512];
	int err;

	if (!o->http)
		return 0;
	config.trusts_user = door_can_tell_peers();
	config.cache = r->cache = names_cache_folder();
	err = o->http_token ? token_of_file(o->http_token, r->token, f) : token_make(r->token);
	if (err)
		return *f->text ? err : fault_set(f, err, "no random numbers for a token: %s", strerror(-err));
	err = http_new(loop, c, &config, &r->server, f);
	if (!err)
		err = listen_somewhere(r->server, o->http, f);
	if (err)
		return err;
	http_url(r->server, url, sizeof(url));
	if (!o->quiet)
		say("go tool pprof %s/debug/pprof/heap", url);
	return 0;
}

void run_http_stop(struct run_http *r)
{
	http_free(r->server);
	r->server = NULL;
	free(r->cache);
	r->cache = NULL;
}
