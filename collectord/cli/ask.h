/* collectord/cli/ask.h - one question to one collector, and its answer, checked.
 *
 * A collector may be stopped, dead, somebody else's or an impostor: every wait has a limit, every record is checked
 * and its strings end. */
#pragma once

#include <stddef.h>

#include "collectord/live/control_proto.h"
#include "collectord/profile/fault.h"

#define ASK_MS 5000       /* for what a collector answers at once */
#define ASK_SAVE_MS 70000 /* for snapshots on disk; the collector gives up a little earlier */

struct answer {
	struct control_record *records; /* without the end */
	size_t n;
	struct control_end end;
	uint32_t uid; /* of the collector */
	int fd;       /* a memfd with what followed a CONTROL_PROFILE, or -1 */
};

/* Magic, version and size are filled in here.  0, or -errno with a fault: -ENOENT and -ECONNREFUSED mean that
 * nobody listens at `path`, -ETIMEDOUT that it does not answer, another one what the collector says itself. */
int ask(const char *path, const struct control_request *request, int timeout_ms, struct answer *ret,
	struct fault *f);

void answer_done(struct answer *a); /* takes a zeroed one */
