/* common/modtab.h - the modules (executable, shared objects) of a traced process, in shared memory.
 *
 * Writer: the shim, from its constructor and when an unknown module turns up; append-only, lock-free.
 * Reader: the collector; copies one entry at a time and checks it.  Letters: common/abi.h. */
#pragma once

#include "common/abi.h"

struct module_info {
	uint64_t start, end, bias;
	uint32_t epoch;
	uint32_t build_id_len;
	uint8_t build_id[ABI_BUILD_ID_MAX];
};

/* Writer: append a module.  `path` may be NULL.  False when table or string area is full. */
bool module_publish(const struct abi_region *r, const struct module_info *m, const char *path, uint32_t path_len);
/* Likewise, by a path in two parts, one after the other. */
bool module_publish_in(const struct abi_region *r, const struct module_info *m, const char *dir, uint32_t dir_len,
		       const char *path, uint32_t path_len);

/* Reader: entries claimed so far (some may not be READY yet), never more than the table holds. */
uint32_t module_count(const struct abi_region *r);

/* Reader: copy entry `i`; path goes to path[path_size] NUL-terminated, cut if longer.
 * Returns 1 = copied, 0 = not ready yet, -1 = corrupt. */
int module_read(const struct abi_region *r, uint32_t i, struct module_info *ret, char *path, uint32_t path_size);
