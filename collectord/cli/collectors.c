/* collectord/cli/collectors.c - see collectors.h.
 *
 * A program may have overwritten its environment (setproctitle), so the places where `heaptap run` puts its sockets
 * are looked at as well. */
#include "collectord/cli/collectors.h"

#include <dirent.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/handshake.h"

static void add(struct collector_places *p, const char *path, bool is_named)
{
	struct collector_place one = { .is_named = is_named }, *grown;
	struct stat st = { 0 };

	if (snprintf(one.path, sizeof(one.path), "%s", path) >= (int)sizeof(one.path))
		return;
	if (stat(path, &st) || !S_ISSOCK(st.st_mode)) {
		if (!is_named || !strcmp(path, HEAPTAP_DEFAULT_SOCKET))
			return;
	} else if (!is_named && geteuid() && st.st_uid != geteuid() && st.st_uid) {
		return;
	}
	one.dev = st.st_dev;
	one.ino = st.st_ino;
	for (size_t i = 0; i < p->n; i++)
		if (p->list[i].dev == one.dev && p->list[i].ino == one.ino)
			return;
	grown = reallocarray(p->list, p->n + 1, sizeof(*grown));
	if (!grown)
		return;
	p->list = grown;
	p->list[p->n++] = one;
}

/* What the environment of a process says, if it may be read. */
static void add_from_process(struct collector_places *p, const char *pid)
{
	const size_t n = strlen(HEAPTAP_ENV_SOCKET "=");
	char path[64], *word = NULL;
	size_t room = 0;
	FILE *env;

	snprintf(path, sizeof(path), "/proc/%.32s/environ", pid);
	env = fopen(path, "re");
	if (!env)
		return;
	while (getdelim(&word, &room, '\0', env) > 0) {
		if (strncmp(word, HEAPTAP_ENV_SOCKET "=", n) == 0 && word[n] == '/') {
			add(p, word + n, false);
			break;
		}
	}
	free(word);
	fclose(env);
}

static void add_from_processes(struct collector_places *p)
{
	DIR *d = opendir("/proc");
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (*e->d_name >= '1' && *e->d_name <= '9')
			add_from_process(p, e->d_name);
	if (d)
		closedir(d);
}

/* Where `heaptap run` puts them. */
static void add_private(struct collector_places *p)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char own[4096];
	glob_t g = { 0 };

	glob("/tmp/heaptap.*/socket", 0, NULL, &g);
	if (runtime && *runtime == '/' &&
	    snprintf(own, sizeof(own), "%s/heaptap.*/socket", runtime) < (int)sizeof(own))
		glob(own, GLOB_APPEND, NULL, &g);
	if (geteuid() == 0)
		glob("/run/user/*/heaptap.*/socket", GLOB_APPEND, NULL, &g);
	for (size_t i = 0; i < g.gl_pathc; i++)
		add(p, g.gl_pathv[i], false);
	globfree(&g);
}

void collectors_find(const char *only, uint32_t pid, struct collector_places *ret)
{
	const char *env = getenv(HEAPTAP_ENV_SOCKET);
	char digits[16];

	*ret = (struct collector_places){ 0 };
	if (only) {
		add(ret, only, true);
		return;
	}
	snprintf(digits, sizeof(digits), "%u", pid);
	if (pid)
		add_from_process(ret, digits);
	if (env && *env == '/')
		add(ret, env, true);
	add(ret, HEAPTAP_DEFAULT_SOCKET, true);
	add_private(ret);
	add_from_processes(ret);
}

void collectors_done(struct collector_places *p)
{
	free(p->list);
	*p = (struct collector_places){ 0 };
}
