/* collectord/profile/source_path.c - see source_path.h.
 *
 * Build systems that map their own directory away leave a relative `dir` ("./malloc" in Debian's libc), beside
 * files that are relative to it ("../sysdeps/x.c") and files that were mapped the same way ("./malloc/malloc.c").
 * The latter begin with "./" and are taken as they are. */
#include "collectord/profile/source_path.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_part(const char *s, size_t n, const char *part)
{
	return n == strlen(part) && !memcmp(s, part, n);
}

/* End of `path` without its last part, if that is one which ".." undoes; NULL if not. */
static char *parent_end(char *path, char *end)
{
	char *s = end;

	while (s > path && s[-1] != '/')
		s--;
	if (s == end || is_part(s, (size_t)(end - s), ".."))
		return NULL;
	return s > path + 1 ? s - 1 : s; /* keep a leading slash */
}

/* Lexical: symbolic links of the build machine are not ours to know. */
static void clean(char *path)
{
	bool rooted = path[0] == '/';
	char *out = path + rooted;
	const char *s = path;

	while (*s) {
		size_t n = strcspn(s, "/");
		char *up = is_part(s, n, "..") ? parent_end(path, out) : NULL;

		if (up) {
			out = up;
		} else if (n && !is_part(s, n, ".") && !(rooted && is_part(s, n, ".."))) {
			if (out > path + rooted)
				*out++ = '/';
			memmove(out, s, n);
			out += n;
		}
		s += n + (s[n] == '/');
	}
	*out = '\0';
}

char *source_path(const char *dir, const char *file)
{
	bool alone = file[0] == '/' || !dir || (dir[0] != '/' && !strncmp(file, "./", 2));
	char *path;

	if (asprintf(&path, "%s%s%s", alone ? "" : dir, alone ? "" : "/", file) < 0)
		return NULL;
	clean(path);
	return path;
}
