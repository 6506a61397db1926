/* common/compiler.h - the compiler's words this project uses, under one name each.
 *
 * Included everywhere, defines no data and no function; the only place that may test __GNUC__ or __clang__. */
#pragma once

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

#define EXPORT __attribute__((visibility("default")))
#define HIDDEN __attribute__((visibility("hidden")))
#define HOT __attribute__((hot))
#define COLD __attribute__((cold))
#define NOINLINE __attribute__((noinline))
#define ALWAYS_INLINE inline __attribute__((always_inline))
#define UNUSED __attribute__((unused))
#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define CACHE_LINE 64

/* Pedantic C11 has no 128-bit type; gcc and clang have one on every target we build for. */
__extension__ typedef unsigned __int128 u128;
__extension__ typedef __int128 i128;
