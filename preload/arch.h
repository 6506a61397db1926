/* preload/arch.h - picks the one file that holds all an architecture decides about unwinding.
 *
 * Each arch_*.h gives: ARCH_REG_* (DWARF numbers), ARCH_VA_BITS, the shape of the kernel's signal frame, where the
 * thread descriptor lies, and how a CFI row's slots become a struct rule. */
#pragma once

#if defined(__x86_64__)
#include "preload/arch_x86_64.h"
#elif defined(__aarch64__)
#include "preload/arch_aarch64.h"
#else
#error "heaptap unwinds x86-64 and aarch64"
#endif
