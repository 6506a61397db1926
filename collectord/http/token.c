/* collectord/http/token.c - see token.h. */
#include "collectord/http/token.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define RANDOM_BYTES 32
#define MIN_LENGTH 16

int token_make(char buf[TOKEN_MAX])
{
	unsigned char raw[RANDOM_BYTES];

	if (getrandom(raw, sizeof(raw), 0) != sizeof(raw))
		return -EIO;
	for (size_t i = 0; i < sizeof(raw); i++)
		snprintf(buf + 2 * i, 3, "%02x", raw[i]);
	return 0;
}

static int create(const char *path, char buf[TOKEN_MAX], struct fault *f)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600), r;
	size_t n;

	if (fd < 0)
		return fault_set(f, -errno, "cannot make the token's file %s: %s; name another with --http-token",
				 path, strerror(errno));
	r = token_make(buf);
	n = r ? 0 : strlen(buf);
	if (!r && (write(fd, buf, n) != (ssize_t)n || write(fd, "\n", 1) != 1 || fsync(fd)))
		r = -errno;
	close(fd);
	if (!r)
		return 0;
	unlink(path);
	return fault_set(f, r, "cannot write the token's file %s: %s", path, strerror(-r));
}

/* A line of its own, with nothing in it that a URL or a header would have to escape. */
static int parse(const char *path, char *text, struct fault *f)
{
	size_t n = strcspn(text, "\r\n");

	text[n] = '\0';
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr("-_.", text[i]))
			n = 0;
	if (n < MIN_LENGTH)
		return fault_set(
			f, -EINVAL,
			"%s: a token has at least %d letters, digits, '-', '_' or '.'; remove the file for a "
			"new one",
			path, MIN_LENGTH);
	return 0;
}

int token_of_file(const char *path, char buf[TOKEN_MAX], struct fault *f)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	ssize_t n = -1;

	if (fd < 0 && errno == ENOENT)
		return create(path, buf, f);
	if (fd < 0)
		return fault_set(f, -errno, "cannot read the token's file %s: %s", path, strerror(errno));
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && (st.st_uid == geteuid() || st.st_uid == 0) &&
	    !(st.st_mode & 077))
		n = read(fd, buf, TOKEN_MAX - 1);
	close(fd);
	if (n < 0)
		return fault_set(f, -EPERM, "%s must be a file of your own that others cannot read: chmod 600 it",
				 path);
	buf[n] = '\0';
	return parse(path, buf, f);
}
