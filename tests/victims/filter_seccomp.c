/* tests/victims/filter_seccomp.c - threads allocate under a filter that kills the process for any call but the few
 * that libc's malloc and the end of a thread need; also where the time stamp counter may not be read. */
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ALLOW(nr) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (nr), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static pthread_barrier_t ready, sandboxed;

static void *allocate(void *arg)
{
	void *volatile p;

	free(malloc(1)); /* libc looks at the processors before it makes an arena for this thread */
	pthread_barrier_wait(&ready);
	pthread_barrier_wait(&sandboxed);
	for (int i = 0; i < 100000; i++) {
		p = malloc((size_t)i % 5000);
		p = realloc(p, (size_t)i % 7000 + 1);
		free(p);
	}
	return arg;
}

static int sandbox(void)
{
	static struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(SYS_brk),
		ALLOW(SYS_mmap),
		ALLOW(SYS_munmap),
		ALLOW(SYS_mremap),
		ALLOW(SYS_mprotect),
		ALLOW(SYS_madvise), /* the stack of a thread that ends */
		ALLOW(SYS_openat),  /* libc looks at overcommit_memory before it shrinks a heap */
		ALLOW(SYS_read),
		ALLOW(SYS_close),
		ALLOW(SYS_futex),
		ALLOW(SYS_rt_sigprocmask),
		ALLOW(SYS_exit),
		ALLOW(SYS_exit_group),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog prog = { sizeof(f) / sizeof(*f), f };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -1;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &prog);
}

int main(void)
{
	pthread_t t[3];

	pthread_barrier_init(&sandboxed, NULL, 4);
	pthread_barrier_init(&ready, NULL, 4);
	for (int i = 0; i < 3; i++)
		if (pthread_create(&t[i], NULL, allocate, NULL))
			return 1;
#ifdef __x86_64__
	prctl(PR_SET_TSC, PR_TSC_SIGSEGV);
#endif
	pthread_barrier_wait(&ready);
	if (sandbox())
		return 2;
	pthread_barrier_wait(&sandboxed);
	for (int i = 0; i < 100000; i++)
		free(calloc(1, (size_t)i % 9000));
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	syscall(SYS_exit_group, 0); /* nobody's destructors: they may call more */
	return 3;
}
