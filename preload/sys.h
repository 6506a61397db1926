/* preload/sys.h - system calls without libc: no errno, no cancellation point, no symbol a program could redefine.
 *
 * Used by the constructor only; nothing on a malloc or free path makes a system call.  Each returns what the
 * kernel does: a value, or -errno.  Only calls that exist on every architecture are named (ppoll, not poll). */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
static inline long sys_call6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}
#elif defined(__aarch64__)
static inline long sys_call6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
	return x0;
}
#else
#error "heaptap knows the system call convention of x86-64 and aarch64"
#endif

static inline long sys_call3(long nr, long a, long b, long c)
{
	return sys_call6(nr, a, b, c, 0, 0, 0);
}

/* The new mapping, or NULL. */
static inline void *sys_mmap(size_t size, int prot, int flags, int fd)
{
	long r = sys_call6(SYS_mmap, 0, (long)size, prot, flags, fd, 0);

	return r < 0 && r > -4096 ? NULL : (void *)r;
}

static inline int sys_madvise(void *p, size_t size, int advice)
{
	return (int)sys_call3(SYS_madvise, (long)p, (long)size, advice);
}

static inline void sys_munmap(void *p, size_t size)
{
	sys_call3(SYS_munmap, (long)p, (long)size, 0);
}

static inline void sys_close(int fd)
{
	sys_call3(SYS_close, fd, 0, 0);
}
