/* preload/budget.c - see budget.h. */
#include "preload/budget.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>

#include "preload/dynsym.h"
#include "preload/real.h"
#include "preload/sys.h"

#define SHARE 8u                     /* one part in so many of what a limit leaves */
#define LOCKED_PRIVATE (16ull << 20) /* 200 Ki entries of the live table */
#define STATM_SIZE 0u                /* fields of /proc/self/statm, in pages */
#define STATM_DATA 5u
#define STATM_PAGE 4096u

static uint64_t limit_of(int resource)
{
	struct rlimit limit = { 0 };

	if (sys_call6(SYS_prlimit64, 0, resource, 0, (long)&limit, 0, 0) < 0 || limit.rlim_cur == RLIM_INFINITY)
		return UINT64_MAX;
	return limit.rlim_cur;
}

/* The field of /proc/self/statm in bytes; UINT64_MAX: there is no knowing. */
static uint64_t in_use(unsigned field)
{
	char text[128];
	long n = -EBADF,
	     fd = sys_call6(SYS_openat, AT_FDCWD, (long)"/proc/self/statm", O_RDONLY | O_CLOEXEC, 0, 0, 0);
	uint64_t pages = 0;

	if (fd >= 0) {
		n = sys_call3(SYS_read, fd, (long)text, sizeof(text));
		sys_close((int)fd);
	}
	if (n <= 0)
		return UINT64_MAX;
	for (long i = 0; i < n; i++)
		if (text[i] == ' ' && field-- == 0)
			return pages * STATM_PAGE;
		else if (text[i] == ' ')
			pages = 0;
		else
			pages = pages * 10 + (uint64_t)(text[i] - '0');
	return UINT64_MAX;
}

static uint64_t share_of(int resource, unsigned field)
{
	uint64_t limit = limit_of(resource), used;

	if (limit == UINT64_MAX)
		return limit;
	used = in_use(field);
	return used < limit ? (limit - used) / SHARE : 0;
}

static uint64_t min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* mlockall() fails where all that is mapped exceeds the limit, for everybody but root. */
static uint64_t share_of_locked(void)
{
	if (!budget_may_be_locked() || sys_call3(SYS_geteuid, 0, 0, 0) == 0)
		return UINT64_MAX;
	return share_of(RLIMIT_MEMLOCK, STATM_SIZE);
}

uint64_t budget_shared(void)
{
	return min(share_of(RLIMIT_AS, STATM_SIZE), share_of_locked());
}

uint64_t budget_private(void)
{
	uint64_t room = min(budget_shared(), share_of(RLIMIT_DATA, STATM_DATA));

	return budget_may_be_locked() ? min(room, LOCKED_PRIVATE) : room;
}

bool budget_may_be_locked(void)
{
	static enum { UNKNOWN, NO, YES } answer;

	if (answer == UNKNOWN)
		answer = real_imported("mlockall") ? YES : NO;
	return answer == YES;
}
