/* collectord/cli/program_name.c - see program_name.h.  The first word is the program's own: it is believed only
 * where the file system agrees. */
#include "collectord/cli/program_name.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char *base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

static bool is_same_file(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Where `word` is, if it is an absolute path, or may be: beside the executable. */
static void place_of(const char *word, const char *exe, char path[PATH_MAX])
{
	if (*word == '/')
		snprintf(path, PATH_MAX, "%s", word);
	else
		snprintf(path, PATH_MAX, "%.*s%s", (int)(base(exe) - exe), exe, base(word));
}

const char *program_name(const char *exe, const char *cmdline, char buf[PROGRAM_NAME_MAX])
{
	char word[PROGRAM_NAME_MAX], path[PATH_MAX];

	snprintf(word, sizeof(word), "%.*s", (int)strcspn(cmdline, " "), cmdline);
	snprintf(buf, PROGRAM_NAME_MAX, "%s", *exe ? base(exe) : "?");
	if (!*word || *exe != '/')
		return buf;
	place_of(word, exe, path);
	if (is_same_file(path, exe))
		snprintf(buf, PROGRAM_NAME_MAX, "%s", base(word));
	return buf;
}
