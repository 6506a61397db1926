/* collectord/live/kin.c - see kin.h. */
#include "collectord/live/kin.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#define MAX_LOOKS 4096u /* at processes or threads in one search: some 60 ms */

struct status {
	uint32_t ppid, ns_pid; /* ns_pid: in its innermost namespace */
	uint32_t uid;          /* effective, as we see it */
	unsigned depth;        /* namespaces from ours to its own, ours included */
};

static FILE *open_proc(uint32_t pid, const char *file)
{
	char path[128];

	snprintf(path, sizeof(path), "/proc/%u/%.64s", pid, file);
	return fopen(path, "re");
}

static void read_ns_pids(const char *line, struct status *ret)
{
	char *end;

	for (unsigned long v = strtoul(line, &end, 10); end != line; v = strtoul(line, &end, 10)) {
		ret->ns_pid = (uint32_t)v;
		ret->depth++;
		line = end;
	}
}

static bool read_status(uint32_t pid, struct status *ret)
{
	FILE *f = open_proc(pid, "status");
	char line[256];

	*ret = (struct status){ 0 };
	while (f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "PPid:", 5))
			ret->ppid = (uint32_t)strtoul(line + 5, NULL, 10);
		else if (!strncmp(line, "NSpid:", 6))
			read_ns_pids(line + 6, ret);
		else if (!strncmp(line, "Uid:", 4))
			sscanf(line, "Uid: %*u %" SCNu32, &ret->uid);
	}
	if (f)
		fclose(f);
	return ret->depth > 0;
}

/* 1: it maps the memfd with this inode; 0: no; -1: not for us to see. */
static int maps_region(uint32_t pid, uint64_t ino)
{
	FILE *f = open_proc(pid, "maps");
	unsigned long long seen;
	char *line = NULL;
	size_t size = 0;
	int found = f ? 0 : -1;

	while (f && !found && getline(&line, &size, f) > 0)
		found = strstr(line, "/memfd:heaptap") && sscanf(line, "%*s %*s %*s %*s %llu", &seen) == 1 &&
			seen == ino;
	if (f && ferror(f))
		found = -1;
	free(line);
	if (f)
		fclose(f);
	return found;
}

bool kin_is_dead(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

/* 0; -ESRCH: it is another; -EPERM: no way to know. */
static int check(const struct kin *k, uint32_t pid)
{
	int maps = maps_region(pid, k->region_ino);
	struct status s;

	if (maps >= 0)
		return maps ? 0 : -ESRCH;
	if (!read_status(pid, &s) || s.ns_pid != k->pid)
		return -ESRCH;
	return k->parent && s.ppid == k->parent ? 0 : -EPERM;
}

/* The pidfd first: if it still lives after the look at it, the look was at the process the pidfd stands for. */
static int try_pid(const struct kin *k, uint32_t pid, int *ret_pidfd)
{
	int fd, r;

	if (pid ==
	    (uint32_t)
		    getpid()) /* we have every region mapped: an entry that names us would live as long as we do */
		return -ESRCH;
	fd = pidfd_open((pid_t)pid, 0);
	if (fd < 0)
		return -errno;
	r = check(k, pid);
	if (r != -ESRCH && kin_is_dead(fd))
		r = -ESRCH;
	if (r)
		close(fd);
	else
		*ret_pidfd = fd;
	return r;
}

/* Another pid than it says: then only if that is its pid in its own namespace. */
static int try_nested(const struct kin *k, uint32_t pid, uint32_t *ret_pid, int *ret_pidfd)
{
	struct status s;
	int r;

	if (pid == k->pid || !read_status(pid, &s) || s.depth < 2 || s.ns_pid != k->pid)
		return -ESRCH;
	r = try_pid(k, pid, ret_pidfd);
	if (!r)
		*ret_pid = pid;
	return r;
}

/* Among the children that one of its parent's threads has. */
static int try_children(const struct kin *k, const char *thread, uint32_t *left, uint32_t *ret_pid, int *ret_pidfd)
{
	char file[64];
	unsigned pid;
	int r = -ESRCH;
	FILE *f;

	snprintf(file, sizeof(file), "task/%.20s/children", thread);
	f = open_proc(k->parent, file);
	for (; f && r && fscanf(f, "%u", &pid) == 1 && *left; --*left)
		r = try_nested(k, pid, ret_pid, ret_pidfd);
	if (f)
		fclose(f);
	return r;
}

/* Each number in a directory of /proc, but not so many that others wait: then -EAGAIN. */
static int search(const struct kin *k, const char *dir, uint32_t *ret_pid, int *ret_pidfd)
{
	uint32_t left = k->max_looks ? k->max_looks : MAX_LOOKS;
	DIR *d = opendir(dir);
	bool is_below = strcmp(dir, "/proc") != 0;
	struct dirent *e;
	int r = -ESRCH;

	while (d && r && (e = readdir(d))) {
		if (!isdigit((unsigned char)*e->d_name))
			continue;
		if (left == 0) {
			r = -EAGAIN;
			break;
		}
		left--;
		r = is_below ? try_children(k, e->d_name, &left, ret_pid, ret_pidfd)
			     : try_nested(k, (uint32_t)strtoul(e->d_name, NULL, 10), ret_pid, ret_pidfd);
	}
	if (d)
		closedir(d);
	return r;
}

int kin_find(const struct kin *k, uint32_t *ret_pid, int *ret_pidfd)
{
	char dir[64];
	int r;

	if (k->pid == 0 || k->pid > INT32_MAX)
		return -ESRCH;
	r = try_pid(k, k->pid, ret_pidfd);
	if (!r)
		*ret_pid = k->pid;
	if (r != -ESRCH)
		return r;
	if (k->no_search)
		return k->is_nested ? -EAGAIN : -ESRCH;
	snprintf(dir, sizeof(dir), "/proc/%u/task", k->parent);
	if (k->parent && search(k, dir, ret_pid, ret_pidfd) == 0)
		return 0;
	return k->is_nested ? search(k, "/proc", ret_pid, ret_pidfd) : -ESRCH;
}

bool kin_is_nested(uint32_t pid)
{
	struct status s;

	return read_status(pid, &s) && s.depth > 1;
}

int kin_user(uint32_t pid, uint32_t *ret_uid)
{
	struct status s;

	if (!read_status(pid, &s))
		return -EPERM;
	*ret_uid = s.uid;
	return 0;
}

/* Field 22 of stat; the second one is a name in parentheses with whatever in it. */
uint64_t kin_started(uint32_t pid)
{
	FILE *f = open_proc(pid, "stat");
	unsigned long long ticks = 0;
	char text[1024];
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
	char *at;

	if (f)
		fclose(f);
	text[n] = '\0';
	at = strrchr(text, ')');
	if (!at || sscanf(at + 1,
			  " %*c"
			  " %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
			  &ticks) != 1)
		return 0;
	return ticks;
}

int kin_reopen(uint32_t pid, uint64_t ticks, int *ret_pidfd)
{
	int fd = pidfd_open((pid_t)pid, 0), r = 0;
	uint64_t now;

	if (fd < 0)
		return -errno;
	errno = 0;
	now = kin_started(pid);
	if (!now && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
		r = -errno;
	else if (now != ticks || kin_is_dead(fd))
		r = -ESRCH;
	if (r)
		close(fd);
	else
		*ret_pidfd = fd;
	return r;
}
