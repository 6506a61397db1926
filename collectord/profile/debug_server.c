/* collectord/profile/debug_server.c - see debug_server.h.
 *
 * The library has time limits of its own, per transfer and per server; its progress callback, called several times
 * a second while it waits, enforces ours over all of them. */
#include "collectord/profile/debug_server.h"

#include <dlfcn.h>
#include <elfutils/debuginfod.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef int find_function(debuginfod_client *client, const unsigned char *id, int n, char **path);

struct debug_server {
	void *library;
	debuginfod_client *client;
	void (*end)(debuginfod_client *client);
	find_function *find[2]; /* by enum debug_server_file */
	char *urls;
	int64_t deadline; /* CLOCK_MONOTONIC, seconds */
	bool is_late;
};

static int64_t now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

/* The library's callback knows nothing of ours but the client. */
static struct debug_server *(*user_data)(debuginfod_client *client);

static int keep_deadline(debuginfod_client *client, long a, long b)
{
	struct debug_server *s = user_data(client);

	(void)a;
	(void)b;
	s->is_late = s->is_late || now_s() >= s->deadline;
	return s->is_late;
}

/* A function of the library, as a pointer of any function type. */
static bool load(void *library, const char *name, void *ret_function)
{
	void *f = dlsym(library, name);

	memcpy(ret_function, &f, sizeof(f));
	return f;
}

static bool load_library(struct debug_server *s)
{
	debuginfod_client *(*begin)(void);
	void (*set_progress)(debuginfod_client *, debuginfod_progressfn_t);
	void (*set_user_data)(debuginfod_client *, void *);

	s->library = dlopen(DEBUGINFOD_SONAME, RTLD_NOW | RTLD_LOCAL);
	if (!s->library || !load(s->library, "debuginfod_begin", &begin) ||
	    !load(s->library, "debuginfod_end", &s->end) ||
	    !load(s->library, "debuginfod_set_progressfn", &set_progress) ||
	    !load(s->library, "debuginfod_set_user_data", &set_user_data) ||
	    !load(s->library, "debuginfod_get_user_data", &user_data) ||
	    !load(s->library, "debuginfod_find_debuginfo", &s->find[DEBUG_SERVER_SYMBOLS]) ||
	    !load(s->library, "debuginfod_find_executable", &s->find[DEBUG_SERVER_PROGRAM]))
		return false;
	s->client = begin();
	if (!s->client)
		return false;
	set_user_data(s->client, s);
	set_progress(s->client, keep_deadline);
	return true;
}

int debug_server_open(unsigned seconds, struct debug_server **ret)
{
	const char *urls = getenv(DEBUGINFOD_URLS_ENV_VAR);
	struct debug_server *s;

	if (!urls || !*urls)
		return -ENOENT;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->deadline = now_s() + seconds;
	s->urls = strdup(urls);
	if (!s->urls || !load_library(s)) {
		int r = s->urls ? -ELIBACC : -ENOMEM;

		debug_server_close(s);
		return r;
	}
	unsetenv(DEBUGINFOD_URLS_ENV_VAR);
	*ret = s;
	return 0;
}

/* The library stays loaded: curl's and GnuTLS's do not like to go. */
void debug_server_close(struct debug_server *s)
{
	if (!s)
		return;
	if (s->client) {
		s->end(s->client);
		setenv(DEBUGINFOD_URLS_ENV_VAR, s->urls, 1);
	}
	free(s->urls);
	free(s);
}

int debug_server_find(struct debug_server *s, enum debug_server_file which, const uint8_t *id, size_t n,
		      char **ret_path)
{
	char *path = NULL;
	int fd;

	if (!s || s->is_late || !n || setenv(DEBUGINFOD_URLS_ENV_VAR, s->urls, 1))
		return -1;
	fd = s->find[which](s->client, id, (int)n, &path);
	unsetenv(DEBUGINFOD_URLS_ENV_VAR);
	if (fd < 0)
		return -1;
	*ret_path = path;
	return fd;
}

bool debug_server_is_late(const struct debug_server *s)
{
	return s && s->is_late;
}
