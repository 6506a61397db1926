/* preload/bounds.c - stack bounds from what glibc keeps in the thread descriptor; see bounds.h.
 *
 * pthread_getattr_np() locks, allocates and reads /proc: no.  Instead: the main thread's stack ends at
 * __libc_stack_end and reaches down as far as the kernel lets it grow; every other thread's is
 * [pd->stackblock, pd), for glibc puts the descriptor at the top of a thread's stack, also of one the program
 * provided.  The offset of stackblock is not public.  It is found at start: for the main thread glibc sets
 * stackblock_size, the word after it, to __libc_stack_end.  Not found: threads are taken to have stacks of the
 * default size. */
#include "preload/bounds.h"

#include <sys/resource.h>

#include "preload/arch.h"
#include "preload/sys.h"

#define PAGE 4096u
#define MIB (1ull << 20)

/* The kernel keeps at least this much free below the main stack for it to grow, or the limit if that is more;
 * without a limit it maps from the bottom up, far away (mmap_base()). */
#define MAIN_GAP (128 * MIB)
#define MAIN_UNLIMITED (1ull << 40)

extern void *__libc_stack_end __attribute__((weak));

static struct {
	uintptr_t main_tp, main_high, main_size;
	uintptr_t thread_size; /* when descriptors cannot be read */
	intptr_t stackblock;   /* offset from the thread pointer; the size follows */
	bool stackblock_known;
} known;

static void find_stackblock(void)
{
	for (intptr_t at = ARCH_DESCRIPTOR_FROM + 8; at < ARCH_DESCRIPTOR_TO; at += 8) {
		const uintptr_t *word = (const uintptr_t *)(known.main_tp + (uintptr_t)at);

		if (word[0] == known.main_high && word[-1] == 0) {
			known.stackblock = at - 8;
			known.stackblock_known = true;
			return;
		}
	}
}

void bounds_init(char **envp)
{
	struct rlimit limit = { 8 * MIB, 8 * MIB };

	sys_call6(SYS_prlimit64, 0, RLIMIT_STACK, 0, (long)&limit, 0, 0);
	known.thread_size = limit.rlim_cur == RLIM_INFINITY ? 2 * MIB : limit.rlim_cur; /* as glibc does */
	known.main_size = limit.rlim_cur == RLIM_INFINITY ? MAIN_UNLIMITED : limit.rlim_cur;
	if (known.main_size < MAIN_GAP)
		known.main_size = MAIN_GAP;
	known.main_tp = arch_thread_pointer();
	known.main_high = (uintptr_t)(&__libc_stack_end ? __libc_stack_end : (void *)envp) & ~(uintptr_t)7;
	if (known.main_size > known.main_high)
		known.main_size = known.main_high;
	find_stackblock();
}

/* The calling thread's own stack. */
static struct stack_bounds own_stack(void)
{
	uintptr_t tp = arch_thread_pointer();
	const uintptr_t *block = (const uintptr_t *)(tp + (uintptr_t)known.stackblock);

	if (tp == known.main_tp)
		return (struct stack_bounds){ known.main_high - known.main_size, known.main_high, false };
	if (!known.stackblock_known)
		return (struct stack_bounds){ tp - known.thread_size, tp, false };
	if (tp - block[0] >= block[1])
		return (struct stack_bounds){ 0, 0, false };
	return (struct stack_bounds){ block[0], tp & ~(uintptr_t)7, false };
}

struct stack_bounds bounds_of(uintptr_t sp)
{
	struct stack_bounds b = own_stack();

	if (sp >= b.low && sp < b.high) {
		b.low = sp;
		return b;
	}
	return (struct stack_bounds){ sp, (sp + PAGE - 1) & ~(uintptr_t)(PAGE - 1), true };
}
