/* collectord/cli/names.c - see names.h. */
#include "collectord/cli/names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "collectord/cli/progress.h"
#include "collectord/cli/say.h"
#include "collectord/profile/symbolize_foreign.h"

#define SERVER_SECONDS 90

static struct names_choice chosen;

void names_choose(const struct names_choice *choice)
{
	chosen = *choice;
}

char *names_cache_folder(void)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	char *path = NULL;
	int n = -1;

	if (cache && *cache == '/')
		n = asprintf(&path, "%s/heaptap", cache);
	else if (home && *home == '/')
		n = asprintf(&path, "%s/.cache/heaptap", home);
	return n < 0 ? NULL : path;
}

static int read_names(struct profile *p, bool is_foreign, struct symbolize_stats *ret)
{
	char *folder = chosen.no_cache ? NULL : names_cache_folder();
	struct progress progress;
	const struct symbolize_options o = {
		.cache = folder,
		.debuginfod_seconds = chosen.debuginfod ? SERVER_SECONDS : 0,
		.progress = progress_step,
		.arg = &progress,
	};
	int r;

	progress_begin(&progress, "reading symbols");
	r = is_foreign ? profile_symbolize_foreign(p, &o, ret) : profile_symbolize(p, &o, ret);
	progress_end(&progress);
	free(folder);
	return r;
}

int names_read(struct profile *p, struct symbolize_stats *ret)
{
	return read_names(p, false, ret);
}

int names_read_foreign(struct profile *p, struct symbolize_stats *ret)
{
	*ret = (struct symbolize_stats){ 0 };
	return chosen.not_foreign ? 0 : read_names(p, true, ret);
}

static void say_server(int error)
{
	if (error == -ENOENT)
		say("--debuginfod: DEBUGINFOD_URLS names no server; on Debian: export "
		    "DEBUGINFOD_URLS=https://debuginfod.debian.net");
	else if (error == -ELIBACC)
		say("--debuginfod: libdebuginfod.so.1 is missing; on Debian: apt-get install libdebuginfod1");
	else if (error == -ETIMEDOUT)
		say("--debuginfod: gave up after %d seconds; what came until then is used, and the rest the next "
		    "time",
		    SERVER_SECONDS);
}

void names_say(const struct symbolize_stats *stats)
{
	size_t n = stats->modules_missing + stats->modules_mismatched;

	say_server(stats->server_error);
	if (n)
		say("%zu module%s could not be named: %s (%s)%s", n, n == 1 ? "" : "s", stats->unnamed,
		    stats->why_unnamed, n == 1 ? "" : ", …");
}
