/* collectord/profile/vdso_file.h - the kernel's shared object as a file: it is in no file system. */
#pragma once

/* What modules call it. */
#define VDSO_NAME "[vdso]"

/* A descriptor of a copy of our own vdso; every process of this kernel has the same.  -1 = there is none. */
int vdso_open(void);
