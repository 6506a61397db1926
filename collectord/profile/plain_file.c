/* collectord/profile/plain_file.c - see plain_file.h. */
#include "collectord/profile/plain_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* 0, or why it is not opened. */
static int objection(const struct stat *st)
{
	if (S_ISDIR(st->st_mode))
		return EISDIR;
	return !S_ISREG(st->st_mode) ? EINVAL : !st->st_size ? ENODATA : 0;
}

int plain_file_open(const char *path)
{
	const int there = open(path, O_PATH | O_CLOEXEC);
	int fd = -1, why;
	char same[32];
	struct stat st;

	if (there < 0)
		return -1;
	why = fstat(there, &st) ? errno : objection(&st);
	snprintf(same, sizeof(same), "/proc/self/fd/%d", there);
	if (!why) {
		fd = open(same, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		why = errno;
	}
	close(there);
	errno = why;
	return fd;
}

bool plain_file_is_trap(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && objection(&st);
}
