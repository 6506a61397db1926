/* collectord/cli/output.c - see output.h. */
#include "collectord/cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectord/profile/write_all.h"

static int write_to(const char *file, int fd, bool sync, const void *buf, size_t len, struct fault *f)
{
	int r = write_all(fd, buf, len);

	if (!r && sync && fsync(fd))
		r = -errno;
	return r ? fault_set(f, r, "%s: %s", file, strerror(-r)) : 0;
}

/* Permissions of a new file: what the umask leaves, or those of the file it replaces. */
static mode_t new_mode(const struct stat *old)
{
	mode_t mask = umask(0);

	umask(mask);
	return old ? old->st_mode & 0777 : 0666 & ~mask;
}

static int replace(const char *file, const struct stat *old, const void *buf, size_t len, struct fault *f)
{
	char *temp;
	int fd, r;

	if (asprintf(&temp, "%s.XXXXXX", file) < 0)
		return fault_set(f, -ENOMEM, "%s: out of memory", file);
	fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0) {
		r = fault_set(f, -errno, "%s: %s; name a file in a directory you may write to", file,
			      strerror(errno));
		free(temp);
		return r;
	}
	fchmod(fd, new_mode(old));
	r = write_to(file, fd, true, buf, len, f);
	close(fd);
	if (!r && rename(temp, file))
		r = fault_set(f, -errno, "%s: %s", file, strerror(errno));
	if (r)
		unlink(temp);
	free(temp);
	return r;
}

static int write_special(const char *file, const void *buf, size_t len, struct fault *f)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC | O_NOCTTY), r;

	if (fd < 0)
		return fault_set(f, -errno, "%s: %s; name a file you may write to", file, strerror(errno));
	r = write_to(file, fd, false, buf, len, f);
	close(fd);
	return r;
}

int output_write(const char *file, const void *buf, size_t len, struct fault *f)
{
	struct stat st;
	char *real;
	int r;

	if (!strcmp(file, "-"))
		return write_to("standard output", STDOUT_FILENO, false, buf, len, f);
	if (stat(file, &st))
		return replace(file, NULL, buf, len, f);
	if (S_ISDIR(st.st_mode))
		return fault_set(f, -EISDIR, "%s: is a directory; name a file in it", file);
	if (!S_ISREG(st.st_mode))
		return write_special(file, buf, len, f);
	real = realpath(file, NULL);
	if (!real)
		return fault_set(f, -errno, "%s: %s", file, strerror(errno));
	r = replace(real, &st, buf, len, f);
	free(real);
	return r;
}
