/* common/proctab.h - process entries: the program itself and its forked children, each with an ordinal.
 *
 * Writer: a process that begins to be recorded takes an entry, once; no wait, no system call, bounded by the table.
 * Reader: the collector copies, and gives the entry of a dead process back when it has read all that is said in its
 * name.  One that is killed between taking and filling an entry leaves it taken.  Letters: common/abi.h. */
#pragma once

#include "common/abi.h"

struct proc_info {
	uint32_t pid, parent, parent_pid;
	uint64_t start_ns;
	uint64_t own_space; /* of the shim's tables, bytes */
};

/* Writer: take an entry, and with it the spill entry that events of unknown stacks go to, and fill it in.  Returns
 * its ordinal, or -1: none is free (counted as refused).  info->parent UINT32_MAX: nobody's child in this region.
 * Follow with proc_activate(), or proc_give_back() if another thread of the process was faster. */
int proc_take(const struct abi_region *r, const struct proc_info *info);
void proc_activate(const struct abi_region *r, uint32_t ordinal);
void proc_give_back(const struct abi_region *r, uint32_t ordinal);

/* Both steps. */
int proc_claim(const struct abi_region *r, const struct proc_info *info);

/* Reader: copy entry `ordinal`.  False: not in use.  `heard`: there was an event in its name, so it is, whether or
 * not the thread that took it has come to say so. */
bool proc_read(const struct abi_region *r, uint32_t ordinal, bool heard, struct proc_info *ret);

/* Reader: make the entry free for another process.  Its spill entries must be gone: spill_release(). */
void proc_release(const struct abi_region *r, uint32_t ordinal);
