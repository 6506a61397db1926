/* tests/unit/tool.h - run other people's tools as oracles, and find this repository's test data.
 *
 * Files go to $TMPDIR, which tests/run makes for each test program; HOME is set to it, so that no tool reads or
 * writes the user's. */
#pragma once

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "common/compiler.h"

/* `name` in the scratch directory of this test; a static buffer per call site is not needed: copy what you keep. */
static inline const char *tool_scratch(char path[PATH_MAX], const char *name)
{
	const char *dir = getenv("TMPDIR");

	setenv("HOME", dir ? dir : "/tmp", 1);
	snprintf(path, PATH_MAX, "%s/%s", dir ? dir : "/tmp", name);
	return path;
}

static inline const char *tool_source(char path[PATH_MAX], const char *name)
{
	const char *dir = getenv("HEAPTAP_SOURCE");

	snprintf(path, PATH_MAX, "%s/%s", dir ? dir : ".", name);
	return path;
}

/* Standard output of a shell command, malloc'ed; its exit status in *ret_status. */
static inline char *tool_output(int *ret_status, const char *fmt, ...) PRINTF(2, 3);

static inline char *tool_output(int *ret_status, const char *fmt, ...)
{
	char command[4 * PATH_MAX], *out = NULL;
	size_t n = 0, cap = 0, got;
	va_list ap;
	FILE *f;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	f = popen(command, "r");
	cr_assert_not_null(f, "popen: %s", command);
	do {
		if (cap - n < 65536)
			out = realloc(out, cap = 2 * cap + 65536);
		got = fread(out + n, 1, cap - n - 1, f);
		n += got;
	} while (got);
	out[n] = '\0';
	*ret_status = pclose(f);
	return out;
}

static inline void tool_write(const char *path, const void *buf, size_t len)
{
	FILE *f = fopen(path, "w");

	cr_assert_not_null(f, "%s", path);
	cr_assert_eq(fwrite(buf, 1, len, f), len);
	cr_assert_eq(fclose(f), 0);
}

static inline void *tool_read(const char *path, size_t *ret_len)
{
	FILE *f = fopen(path, "r");
	char *buf;

	cr_assert_not_null(f, "%s", path);
	fseek(f, 0, SEEK_END);
	*ret_len = (size_t)ftell(f);
	rewind(f);
	buf = malloc(*ret_len + 1);
	cr_assert_eq(fread(buf, 1, *ret_len, f), *ret_len);
	buf[*ret_len] = '\0';
	fclose(f);
	return buf;
}
