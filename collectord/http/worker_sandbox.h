/* collectord/http/worker_sandbox.h - what a worker may still do, before it looks at anything hostile. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Memory, time, file size, descriptors, no core dump; dies with its parent. */
int sandbox_limit(void);

/* Root becomes user `uid`, in the group process `pid` runs in if it is still that user's; for uid 0 without
 * capabilities.  Others stay who they are.  0 or -errno: then nothing may be opened on behalf of that user. */
int sandbox_become(uint32_t uid, uint32_t pid);

/* From now on: reading files, memory, the end.  No writing but to what is open, no network, no other process.
 * *folder: where files may be made and removed, if the kernel can keep us there (Landlock); set to NULL if not. */
int sandbox_close(const char **folder);
