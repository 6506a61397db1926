/* collectord/live/snap.h - a process's state as bytes of a .heaptap file. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collectord/profile/snapshot.h"

struct process;

/* Would encoding it hold up everybody else?  Then a copy of us does it (offload.h). */
bool snap_is_large(const struct process *p);

/* Encode `p` as it is now, as its `seq`th snapshot.  0 or -ENOMEM; *ret_buf is malloc'ed. */
int snap_encode(const struct process *p, uint32_t seq, enum snapshot_reason why, void **ret_buf, size_t *ret_len);
