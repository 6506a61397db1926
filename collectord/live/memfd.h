/* collectord/live/memfd.h - memory as a descriptor that can be sealed. */
#pragma once

/* An empty, sealable memfd, closed on exec and not executable where the kernel can say so; or -errno. */
int memfd_new(const char *name);
