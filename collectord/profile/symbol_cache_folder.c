/* collectord/profile/symbol_cache_folder.c - see symbol_cache_folder.h and symbol_cache.h. */
#include "collectord/profile/symbol_cache_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectord/profile/symbol_cache.h"
#include "collectord/profile/write_all.h"

#define TRIM_MAX 4096 /* files looked at */

static int make_folder(const char *path)
{
	char parent[PATH_MAX];
	const char *slash = strrchr(path, '/');

	if (!slash || slash == path || (size_t)(slash - path) >= sizeof(parent))
		return -EINVAL;
	memcpy(parent, path, (size_t)(slash - path));
	parent[slash - path] = '\0';
	if (mkdir(parent, 0700) && errno != EEXIST)
		return -errno;
	return mkdir(path, 0700) && errno != EEXIST ? -errno : 0;
}

int symbol_cache_folder(const char *path)
{
	struct stat st;
	int fd, r = make_folder(path);

	if (r)
		return r;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (!fstat(fd, &st) && st.st_uid == geteuid() && !(st.st_mode & (S_IWGRP | S_IWOTH)))
		return fd;
	close(fd);
	return -EPERM;
}

static bool is_ours(int fd, uint64_t max, size_t *ret_size)
{
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_nlink != 1 ||
	    st.st_mode & (S_IWGRP | S_IWOTH) || st.st_size <= 0 || (uint64_t)st.st_size > max)
		return false;
	*ret_size = (size_t)st.st_size;
	return true;
}

static bool read_all(int fd, uint8_t *bytes, size_t size)
{
	size_t n = 0;
	ssize_t got = 1;

	while (n < size && (got > 0 || errno == EINTR)) {
		got = read(fd, bytes + n, size - n);
		if (!got)
			return false;
		n += got > 0 ? (size_t)got : 0;
	}
	return n == size;
}

void *symbol_cache_read(int folder, const char *name, uint64_t max, size_t *ret_size)
{
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	uint8_t *bytes = NULL;

	if (fd < 0)
		return NULL;
	if (is_ours(fd, max, ret_size))
		bytes = malloc(*ret_size);
	if (bytes && !read_all(fd, bytes, *ret_size)) {
		free(bytes);
		bytes = NULL;
	}
	if (bytes)
		futimens(fd, NULL);
	close(fd);
	return bytes;
}

int symbol_cache_write(int folder, const char *name, const void *bytes, size_t size)
{
	char aside[64];
	int fd, r;

	snprintf(aside, sizeof(aside), ".%ld.new", (long)getpid());
	unlinkat(folder, aside, 0); /* of a process that had our number and was killed */
	fd = openat(folder, aside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = write_all(fd, bytes, size);
	if (close(fd) && !r)
		r = -errno;
	if (!r && renameat(folder, aside, folder, name))
		r = -errno;
	if (r)
		unlinkat(folder, aside, 0);
	return r;
}

struct entry {
	char name[NAME_MAX + 1];
	struct timespec used;
	uint64_t size;
};

static int compare_use(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->used.tv_sec != y->used.tv_sec)
		return x->used.tv_sec < y->used.tv_sec ? -1 : 1;
	return x->used.tv_nsec < y->used.tv_nsec ? -1 : x->used.tv_nsec > y->used.tv_nsec;
}

/* Files of that suffix; their number. */
static size_t list_files(int folder, DIR *dir, const char *suffix, struct entry *files)
{
	size_t n = 0, suffix_len = strlen(suffix);
	struct dirent *d;
	struct stat st;

	while (n < TRIM_MAX && (d = readdir(dir))) {
		size_t len = strlen(d->d_name);

		if (len < suffix_len || strcmp(d->d_name + len - suffix_len, suffix) ||
		    fstatat(folder, d->d_name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
			continue;
		memcpy(files[n].name, d->d_name, len + 1);
		files[n].used = st.st_mtim;
		files[n++].size = (uint64_t)st.st_size;
	}
	return n;
}

void symbol_cache_trim(int folder, const char *suffix, uint64_t max)
{
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct entry *files = dir ? calloc(TRIM_MAX, sizeof(*files)) : NULL;
	size_t n = files ? list_files(folder, dir, suffix, files) : 0;
	uint64_t all = 0;

	for (size_t i = 0; i < n; i++)
		all += files[i].size;
	if (n)
		qsort(files, n, sizeof(*files), compare_use);
	for (size_t i = 0; i < n && all > max; i++)
		if (!unlinkat(folder, files[i].name, 0))
			all -= files[i].size;
	free(files);
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
}
