/* collectord/profile/plain_file.h - files whose names a foreign program chose.
 *
 * Opening a device can have effects (tapes, watchdogs), opening a FIFO holds up or wakes whoever is at the other
 * end, and reading /proc/kmsg takes the kernel's messages from who wanted them.  So what a name leads to is looked
 * at first: only regular files that have bytes are opened.  What the kernel makes up as it is read has none. */
#pragma once

#include <stdbool.h>

/* For reading; the file that was looked at is the one that is opened, whatever happens to the name meanwhile.  A
 * descriptor, or -1 with errno: EISDIR, EINVAL it is something else yet, ENODATA it is empty (or claims to be). */
int plain_file_open(const char *path);

/* Is there something under this name that must not be opened? */
bool plain_file_is_trap(const char *path);
