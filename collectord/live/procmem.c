/* collectord/live/procmem.c - see procmem.h.
 *
 * /proc/PID/status has what the process's memory map counts anyway; smaps_rollup is what costs.  Lines are found by
 * their names: their number and order change with the kernel. */
#include "collectord/live/procmem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collectord/live/clock.h"
#include "collectord/profile/snapshot.h"
#include "common/compiler.h"

#define CLOCK_SLACK_NS 1000000000 /* by which clocks may have been put right since the snapshot */
#define START_FIELD 22            /* of /proc/PID/stat */

/* A line "Name:   123 kB" and where its bytes are added. */
struct field {
	const char *name;
	uint64_t *to;
};

static FILE *open_of(uint32_t pid, const char *file)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/%.20s", pid, file);
	return fopen(path, "re");
}

static void take_line(const char *line, const struct field *fields, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(fields[i].name);

		if (!strncmp(line, fields[i].name, len) && line[len] == ':')
			*fields[i].to += strtoull(line + len + 1, NULL, 10) << 10;
	}
}

/* 0 or -errno. */
static int read_fields(uint32_t pid, const char *file, const struct field *fields, size_t n)
{
	char line[256];
	FILE *f = open_of(pid, file);
	int r = f ? 0 : -errno;

	if (!f)
		return r;
	errno = 0;
	while (fgets(line, sizeof(line), f))
		take_line(line, fields, n);
	if (ferror(f))
		r = errno ? -errno : -EIO;
	fclose(f);
	return r;
}

/* The process's name stands in parentheses and may hold anything, these too. */
static const char *stat_field(const char *text, int number)
{
	const char *at = strrchr(text, ')');

	for (int i = 2; at && i < number; i++)
		at = strchr(at + 1, ' ');
	return at;
}

static int read_start(uint32_t pid, int64_t *ret_ns)
{
	const uint64_t tick_ns = 1000000000u / (uint64_t)sysconf(_SC_CLK_TCK);
	char text[1024];
	const char *at = NULL;
	FILE *f = open_of(pid, "stat");
	size_t n;

	if (!f)
		return -errno;
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	at = stat_field(text, START_FIELD);
	fclose(f);
	if (!at)
		return -ESRCH;
	*ret_ns = (int64_t)(clock_read_ns(CLOCK_REALTIME) - clock_read_ns(CLOCK_BOOTTIME) +
			    strtoull(at, NULL, 10) * tick_ns);
	return 0;
}

void procmem_read(uint32_t pid, struct procmem *ret)
{
	struct procmem m = { 0 };
	const struct field status[] = {
		{ "VmData", &m.data_space }, { "VmStk", &m.stack_space }, { "RssAnon", &m.anonymous },
		{ "VmSwap", &m.swapped },    { "VmHWM", &m.max_rss },
	};
	const struct field rollup[] = {
		{ "Private_Clean", &m.private_resident },
		{ "Private_Dirty", &m.private_resident },
		{ "Private_Hugetlb", &m.private_resident },
		{ "Pss", &m.proportional },
	};
	int r = read_start(pid, &m.started_ns);

	if (!r)
		r = read_fields(pid, "status", status, ARRAY_SIZE(status));
	if (!r && !m.max_rss) /* a zombie has no memory, and says nothing of it */
		r = -ESRCH;
	if (r) {
		*ret = (struct procmem){ .error = r == -ENOENT ? -ESRCH : r };
		return;
	}
	m.has_rollup = read_fields(pid, "smaps_rollup", rollup, ARRAY_SIZE(rollup)) == 0 && m.proportional;
	*ret = m;
}

/* --- as Go's lines ------------------------------------------------------------------------------------------- */

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static uint64_t min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static const char *why_unknown(const struct procmem *pm, const struct snapshot *s)
{
	if (!pm || !s)
		return "only a running process's memory can be read";
	if (pm->error == -ESRCH)
		return "the process has ended, or is not visible from here";
	if (pm->error)
		return "its files in /proc cannot be read";
	if (pm->started_ns > s->wall_ns + CLOCK_SLACK_NS)
		return "the process has ended, and another one has its number";
	return NULL;
}

void procmem_fill(const struct procmem *pm, const struct profile *p, struct memstats *m)
{
	m->why_unknown = why_unknown(pm, p->origin);
	if (m->why_unknown)
		return;
	m->heap_sys = less(pm->data_space, m->own_space);
	m->stack_inuse = m->stack_sys = pm->stack_space;
	m->other_sys = m->own_space;
	m->sys = m->heap_sys + m->stack_sys + m->other_sys;
	m->anonymous = pm->anonymous + pm->swapped;
	m->heap_idle = less(m->heap_sys, m->alloc);
	m->heap_released = min(m->heap_idle, less(m->heap_sys, less(m->anonymous, pm->stack_space)));
	m->max_rss = pm->max_rss;
	m->swapped = pm->swapped;
	m->has_resident = pm->has_rollup;
	m->private_resident = pm->private_resident;
	m->proportional = pm->proportional;
}
