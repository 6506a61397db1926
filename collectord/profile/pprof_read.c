/* collectord/profile/pprof_read.c - see pprof_read.h. */
#include "collectord/profile/pprof_read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectord/profile/pprof.h"
#include "collectord/profile/pprof_legacy.h"

#define FILE_MAX ((size_t)2 << 30)

/* gzip, or the first words of a heap profile in text. */
bool pprof_is_certain(const void *head, size_t n)
{
	const uint8_t *b = head;

	return (n >= 2 && b[0] == 0x1f && b[1] == 0x8b) || legacy_may_be(head, n);
}

/* A plain protobuf begins with the number of one of profile.proto's fields and its wire type: a weak sign. */
bool pprof_may_be(const void *head, size_t n)
{
	const uint8_t *b = head;

	return pprof_is_certain(head, n) || (n && (b[0] & 7) <= 2 && b[0] >> 3 >= 1 && b[0] >> 3 <= 15);
}

/* One read() into the buffer, which grows; the number of bytes, 0 at the end, or -errno. */
static ssize_t read_some(int fd, char **buf, size_t *room, size_t n)
{
	ssize_t got;

	if (n == *room) {
		char *grown = *room < FILE_MAX ? realloc(*buf, 2 * *room) : NULL;

		if (!grown)
			return -ENOMEM;
		*buf = grown;
		*room *= 2;
	}
	do
		got = read(fd, *buf + n, *room - n);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

static int read_all(int fd, size_t guess, char **ret, size_t *ret_len, struct fault *f)
{
	size_t room = guess + 1, n = 0;
	char *buf = malloc(room);
	ssize_t got;

	if (!buf)
		return fault_set(f, -ENOMEM, "too large to read (%zu bytes)", guess);
	while ((got = read_some(fd, &buf, &room, n)) > 0)
		n += (size_t)got;
	if (got < 0) {
		free(buf);
		return fault_set(f, (int)got, "%s after %zu bytes", strerror((int)-got), n);
	}
	*ret = buf;
	*ret_len = n;
	return 0;
}

int pprof_read_file(const char *path, struct profile **ret, struct fault *f)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), r;
	struct stat st;
	char *buf = NULL;
	size_t n = 0;

	if (fd < 0 || fstat(fd, &st)) {
		r = fault_set(f, -errno, "%s", strerror(errno));
		goto out;
	}
	r = read_all(fd, st.st_size > 0 && st.st_size < (off_t)FILE_MAX ? (size_t)st.st_size : 65536, &buf, &n, f);
	if (!r)
		r = legacy_may_be(buf, n) ? legacy_decode(buf, n, ret, f) : pprof_decode(buf, n, ret, f);
out:
	free(buf);
	if (fd >= 0)
		close(fd);
	return r;
}
