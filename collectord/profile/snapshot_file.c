/* collectord/profile/snapshot_file.c - reading a snapshot from disk, and the end of its life; see snapshot.h.
 *
 * The file is read into memory, not mapped: somebody may cut it meanwhile, and a mapping would then kill us.
 * Faults start with the path. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectord/profile/snapshot.h"

static int read_all(int fd, void *buf, size_t size, size_t *ret_len)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = read(fd, (char *)buf + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		len += (size_t)n;
	}
	*ret_len = len;
	return 0;
}

/* Size of a regular file that is not too large. */
static int check_file(int fd, const char *path, size_t *ret_size, struct fault *f)
{
	struct stat st;

	if (fstat(fd, &st))
		return fault_set(f, -errno, "%s: %s", path, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return fault_set(f, -EISDIR, "%s: is a directory: name a snapshot in it", path);
	if (!S_ISREG(st.st_mode))
		return fault_set(f, -EINVAL, "%s: not a regular file: name a snapshot", path);
	if ((uint64_t)st.st_size > SNAPSHOT_MAX_FILE)
		return fault_set(f, -EFBIG, "%s: larger than %llu MiB: no snapshot is", path,
				 SNAPSHOT_MAX_FILE >> 20);
	*ret_size = (size_t)st.st_size;
	return 0;
}

static int read_and_decode(int fd, const char *path, struct snapshot **ret, struct fault *f)
{
	struct fault inner = { "" };
	size_t size = 0, len = 0;
	void *buf;
	int r = check_file(fd, path, &size, f);

	if (r)
		return r;
	buf = malloc(size ? size : 1);
	if (!buf)
		return -ENOMEM;
	r = read_all(fd, buf, size, &len);
	if (r)
		fault_set(f, r, "%s: %s", path, strerror(-r));
	else
		r = snapshot_decode(buf, len, ret, &inner);
	if (r && inner.text[0])
		fault_set(f, r, "%s: %s", path, inner.text);
	free(buf);
	return r;
}

int snapshot_read_file(const char *path, struct snapshot **ret, struct fault *f)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* a FIFO must not hold us up */
	int r;

	if (fd < 0)
		return fault_set(f, -errno, "%s: %s", path, strerror(errno));
	r = read_and_decode(fd, path, ret, f);
	close(fd);
	return r == -ENOMEM ? fault_set(f, r, "%s: out of memory", path) : r;
}

void snapshot_free(struct snapshot *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n_modules; i++)
		free(s->modules[i].path);
	for (size_t i = 0; i < s->n_stacks; i++) {
		free(s->stacks[i].frames);
		histogram_done(&s->stacks[i].detail.lifetimes);
		histogram_done(&s->stacks[i].detail.sizes);
	}
	free(s->series.points);
	free(s->modules);
	for (size_t i = 0; i < s->n_threads; i++)
		free(s->threads[i].name);
	free(s->threads);
	free(s->stacks);
	free(s->exe);
	free(s->cmdline);
	free(s->allocator);
	free(s);
}

const char *snapshot_reason_name(uint32_t reason)
{
	static const char *const names[] = {
		[SNAPSHOT_TIMER] = "timer", [SNAPSHOT_SIGNAL] = "signal", [SNAPSHOT_PEAK] = "peak",
		[SNAPSHOT_EXIT] = "exit",   [SNAPSHOT_ASKED] = "asked",
	};

	return reason < ARRAY_SIZE(names) ? names[reason] : "unknown";
}
