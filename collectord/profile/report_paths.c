/* collectord/profile/report_paths.c - names of source files as reports show them: cut by -trim_path or
 * -source_path. */
#include <string.h>

#include "collectord/profile/report_work.h"

static bool strip_prefix(const char **path, const char *prefix, size_t n)
{
	if (strncmp(*path, prefix, n) || (prefix[n - 1] != '/' && (*path)[n] != '/'))
		return false;
	*path += n + (prefix[n - 1] != '/');
	return true;
}

/* The first entry of list `trim` that is a directory above `path` goes; without a list, what comes before the name
 * of a search directory. */
const char *report_trim_path(struct report *r, const char *path, const char *search)
{
	static const char cwd_dot[] = "/proc/self/cwd/./", cwd[] = "/proc/self/cwd/";
	const char *list = *r->o.trim_path ? r->o.trim_path : search, *found;

	for (size_t n; *list; list += n + (list[n] == ':')) {
		n = strcspn(list, ":");
		if (*r->o.trim_path) {
			if (n && strip_prefix(&path, list, n))
				return path;
			if (!n && *path == '/')
				return path + 1;
		} else {
			const char *base = graph_base(r->p, report_format_string(r, "%.*s", (int)n, list));

			base = report_format_string(r, "/%s/", base && *base ? base : ".");
			found = strstr(path, base);
			if (found)
				return found + strlen(base);
		}
	}
	if (!strip_prefix(&path, cwd_dot, sizeof(cwd_dot) - 1))
		strip_prefix(&path, cwd, sizeof(cwd) - 1);
	return path;
}
