/* tests/tools/kill_at.c - a collector that is killed at a named moment: HEAPTAP_KILL_AT=POINT:N, the N-th passage.
 *
 * Linked with collectord/live compiled with test points (common/testpoint.h) into
 * build/tests/tools/collectord_points. SIGKILL by its own hand is as sudden as by anybody's. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEAPTAP_TEST_POINTS
#include "common/testpoint.h"

void test_point(const char *name)
{
	static const char *at;
	static long left = -1;
	size_t n;

	if (left < 0) {
		at = getenv("HEAPTAP_KILL_AT");
		left = at && strchr(at, ':') ? strtol(strchr(at, ':') + 1, NULL, 10) : 0;
	}
	n = at ? strcspn(at, ":") : 0;
	if (left > 0 && strlen(name) == n && strncmp(at, name, n) == 0 && --left == 0)
		kill(getpid(), SIGKILL);
}
