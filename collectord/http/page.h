/* collectord/http/page.h - the index, and which process is meant. */
#pragma once

#include "collectord/http/http_impl.h"

/* A living process that is recorded, as far as answers need to know it. */
struct choice {
	uint64_t session;
	uint32_t pid, uid, stacks;
	char name[64]; /* of its program: any bytes */
};

/* The processes `who` may see, by pid; of `pid` only if that is not 0.  *ret is malloc'ed.  The number, or -ENOMEM.
 */
int choices_of(struct collector *c, const struct viewer *who, uint32_t pid, struct choice **ret);

/* One line for each: how to ask for it.  malloc'ed, NULL = no memory. */
char *choices_text(const struct choice *all, int n, const char *path, int path_len);

/* The index page: profiles of the only process there is, or a list of processes.  0 or -ENOMEM. */
int page_index(const struct choice *all, int n, char **ret, size_t *ret_len);
