/* collectord/live/offload.h - bytes made by a forked copy of this process, so that the loop goes on meanwhile.
 *
 * The copy sees everything as it was at the fork, computes, and is gone; it has a deadline, dies with us, and
 * touches neither the loop nor a file.  One thread.  What it made comes as a memory file, of the size it has. */
#pragma once

#include <stddef.h>

struct loop;
struct offload;

/* In the copy: the bytes, malloc'ed.  0 or -errno. */
typedef int offload_make(const void *arg, void **ret_buf, size_t *ret_len);

/* Back here, from the loop: 0 and a descriptor that is the callee's, or -errno and -1: -EIO if the copy died. */
typedef void offload_done(void *arg, int result, int fd);

/* 0 or -errno: then `done` is not called. */
int offload_start(struct loop *loop, offload_make *make, const void *make_arg, offload_done *done, void *done_arg,
		  struct offload **ret);

/* It is not wanted any more; `done` is not called.  Takes NULL. */
void offload_cancel(struct offload *w);
