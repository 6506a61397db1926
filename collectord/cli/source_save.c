/* collectord/cli/source_save.c - keeping profiles that were fetched; see source.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectord/cli/say.h"
#include "collectord/cli/source.h"
#include "collectord/profile/pprof.h"
#include "collectord/profile/write_all.h"

#define NAMES_MAX 10000

/* With the directories above it.  0 or -errno. */
static int make_directory(char *path)
{
	for (char *at = path + 1; (at = strchr(at, '/')); at++) {
		*at = '\0';
		mkdir(path, 0755);
		*at = '/';
	}
	return mkdir(path, 0755) && errno != EEXIST ? -errno : 0;
}

/* The first of pprof's places that is there or can be made; malloc'ed, NULL: none. */
static char *choose_directory(void)
{
	const char *places[] = { getenv("PPROF_TMPDIR"), getenv("HOME"), getenv("TMPDIR") };
	struct stat st;
	char *path;

	for (size_t i = 0; i < ARRAY_SIZE(places) + 1; i++) {
		const char *place = i < ARRAY_SIZE(places) ? places[i] : "/tmp";
		int r;

		if (!place || !*place)
			continue;
		if (asprintf(&path, "%s%s", place, i == 1 ? "/pprof" : "") < 0)
			return NULL;
		r = make_directory(path);
		if (!r && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
			return path;
		say("Could not use temp dir %s: %s", path, strerror(r ? -r : ENOTDIR));
		free(path);
	}
	return NULL;
}

/* "pprof.server.alloc_objects.….inuse_space." */
static char *file_prefix(const struct profile *p)
{
	const char *file = p->n_mappings ? p->mappings[0].file : "", *slash = strrchr(file, '/');
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	file = slash ? slash + 1 : file;
	fprintf(out, "pprof.%s%s", file, *file ? "." : "");
	for (size_t i = 0; i < p->n_sample_types; i++)
		fprintf(out, "%s.", p->sample_types[i].type);
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	for (char *c = text; *c; c++)
		*c = *c == '/' ? '_' : *c;
	return text;
}

/* A file that nobody has, PREFIX001.pb.gz or the next number.  0 or -errno. */
static int create(const char *dir, const char *prefix, char **ret_path, int *ret_fd)
{
	char *path;
	int fd, error;

	for (int i = 1; i < NAMES_MAX; i++) {
		if (asprintf(&path, "%s/%s%03d.pb.gz", dir, prefix, i) < 0)
			return -ENOMEM;
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		error = errno;
		if (fd >= 0) {
			*ret_path = path;
			*ret_fd = fd;
			return 0;
		}
		free(path);
		if (error != EEXIST)
			return -error;
	}
	return -EEXIST;
}

void source_save(const struct profile *p)
{
	char *dir = choose_directory(), *prefix = file_prefix(p), *path = NULL;
	void *data = NULL;
	size_t len = 0;
	int fd = -1, r = dir && prefix ? pprof_encode(p, &data, &len) : -ENOENT;

	if (!r)
		r = create(dir, prefix, &path, &fd);
	if (!r)
		r = write_all(fd, data, len);
	if (fd >= 0 && close(fd) && !r)
		r = -errno;
	if (r && path)
		unlink(path);
	if (r)
		say("Could not save profile: %s", strerror(-r));
	else
		say("Saved profile in %s", path);
	free(data);
	free(path);
	free(prefix);
	free(dir);
}
