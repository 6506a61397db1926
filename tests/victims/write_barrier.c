/* tests/victims/write_barrier.c - a collector's write barrier: SIGSEGV on a protected page, at any time, must reach
 * it. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static char *page;
static volatile int faults;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)context;
	if ((char *)info->si_addr < page || (char *)info->si_addr >= page + 4096)
		_exit(1);
	faults++;
	free(malloc(100)); /* not async-signal-safe in theory; done by such programs, and no lock is held here */
	mprotect(page, 4096, PROT_READ | PROT_WRITE);
}

int main(void)
{
	struct sigaction a = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
	void *volatile p;

	page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED || sigaction(SIGSEGV, &a, NULL))
		return 2;
	for (int i = 0; i < 5000; i++) {
		p = malloc((size_t)i);
		page[i % 4096] = 1;
		free(p);
		mprotect(page, 4096, PROT_READ);
	}
	return faults == 5000 ? 0 : 3;
}
