/* collectord/cli/source_pprof.c - SOURCEs that other tools wrote; see source.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "collectord/cli/source.h"
#include "collectord/profile/pprof_read.h"

#define HEAD 4096
#define SNAPSHOT_HEAD "\xa7heaptap" /* from the fourth byte on */

/* A profile without mappings gets one, as in pprof: everything is of the program. */
static int add_mapping(struct profile *p)
{
	if (p->n_mappings)
		return 0;
	if (profile_add_mapping(p, &(struct profile_mapping){ .file = "", .build_id = "" }) == PROFILE_NONE)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_locations; i++)
		p->locations[i].mapping = 0;
	return 0;
}

int source_load_pprof(const char *path, struct profile **ret, struct fault *f)
{
	struct fault why = { "" };
	char head[HEAD];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), r; /* a FIFO must not hold us up */
	ssize_t n = fd < 0 ? -1 : read(fd, head, sizeof(head));

	if (fd >= 0)
		close(fd);
	if (n <= 0 || !pprof_may_be(head, (size_t)n) || (n >= 11 && !memcmp(head + 3, SNAPSHOT_HEAD, 8)))
		return 1;
	r = pprof_read_file(path, ret, &why);
	if (!r)
		r = add_mapping(*ret);
	if (r == -ENOMEM)
		return fault_set(f, r, "%s: %s", path, *why.text ? why.text : "out of memory");
	if (r && pprof_is_certain(head, (size_t)n))
		return fault_set(f, r, "%s: %s", path, why.text);
	return r ? 1 : 0;
}
