/* collectord/daemon_config.c - see daemon_config.h.  Lines are counted while inih asks for them: its own count
 * comes too late for a message about the value. */
#include "collectord/daemon_config.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define SECTION "collectord"
#define MAX_BYTES (1u << 20) /* more is another file: reading it would hold up everybody */

struct reading {
	FILE *file;
	const char *path;
	unsigned line;
	size_t bytes;
	int (*take)(void *arg, const char *name, const char *value, struct fault *f);
	void *arg;
	int error; /* the first one; *fault says it */
	struct fault *fault;
};

static void PRINTF(2, 3) fail(struct reading *r, const char *fmt, ...)
{
	char why[sizeof(r->fault->text)];
	va_list ap;

	if (r->error)
		return;
	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	r->error = fault_set(r->fault, -EINVAL, "%s, line %u: %s", r->path, r->line, why);
}

/* fgets(), and how much it read: -1 if that holds a NUL. */
static char *get_line(char *buf, int size, FILE *file, ssize_t *ret_n)
{
	char *got, *end;

	memset(buf, '\n', (size_t)size);
	got = fgets(buf, size, file);
	end = got ? memrchr(buf, '\0', (size_t)size) : buf;
	*ret_n = end == memchr(buf, '\0', (size_t)size) ? end - buf : -1;
	return got;
}

/* fgets() for inih, which would cut a long line in two. */
static char *next_line(char *buf, int size, void *arg)
{
	struct reading *r = arg;
	ssize_t n = 0;
	char *got = r->error ? NULL : get_line(buf, size, r->file, &n);

	if (!got)
		return NULL;
	r->line++;
	if (n < 0 || (got[n - 1] != '\n' && !feof(r->file)))
		fail(r, "longer than %d characters, or not text", size - 2);
	else if ((r->bytes += (size_t)n) > MAX_BYTES)
		fail(r, "the file is larger than %u kB: is it the right one?", MAX_BYTES >> 10);
	if (r->error)
		return NULL;
	if (strspn(got, " \t\r\n") < (size_t)n && strchr(" \t", *got)) {
		fail(r, "begins with a blank: a setting begins its line");
		return NULL;
	}
	return got;
}

static int on_setting(void *arg, const char *section, const char *name, const char *value)
{
	struct reading *r = arg;
	struct fault why = { "" };

	if (*section && strcmp(section, SECTION))
		fail(r, "unknown section [%s]: there is only [" SECTION "]", section);
	else if (!r->error && r->take(r->arg, name, value, &why))
		fail(r, "%s", why.text);
	return r->error == 0;
}

static bool is_file(const struct stat *st)
{
	return S_ISREG(st->st_mode) || (S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3)); /* /dev/null: none */
}

/* Neither a FIFO nor a device is waited for, or taken for an empty file. */
static int open_file(const char *path, FILE **ret, struct fault *f)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return fault_set(f, -errno, "cannot read %s: %s", path, strerror(errno));
	if (fstat(fd, &st) || !is_file(&st) || !(*ret = fdopen(fd, "r"))) {
		close(fd);
		return fault_set(f, -EINVAL, "cannot read %s: it is not a file of text", path);
	}
	return 0;
}

int config_read(const char *path, int (*take)(void *arg, const char *name, const char *value, struct fault *f),
		void *arg, struct fault *f)
{
	struct reading r = { .path = path, .take = take, .arg = arg, .fault = f };
	int error = open_file(path, &r.file, f);

	if (error)
		return error;
	/* A positive result is a line inih itself could not make sense of. */
	error = ini_parse_stream(next_line, &r, on_setting, &r);
	if (error > 0 && !r.error)
		r.error = fault_set(f, -EINVAL, "%s, line %d: neither NAME = VALUE nor a [section]", path, error);
	if (ferror(r.file) && !r.error)
		r.error = fault_set(f, -EIO, "cannot read %s: %s", path, strerror(errno));
	fclose(r.file);
	return error < 0 && !r.error ? fault_set(f, -ENOMEM, "cannot read %s: out of memory", path) : r.error;
}
