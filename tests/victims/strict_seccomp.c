/* tests/victims/strict_seccomp.c - allocates where only read, write, exit and sigreturn are allowed. */
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
	static const char done[] = "sandboxed\n";
	static void *p[1000];

	free(malloc(1 << 20)); /* the heap is large enough now: libc itself needs no call any more */
	for (int i = 0; i < 1000; i++)
		p[i] = malloc(500);
	for (int i = 0; i < 1000; i++)
		free(p[i]);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT))
		return 1;
	for (int round = 0; round < 100; round++) {
		for (int i = 0; i < 100; i++)
			p[i] = realloc(calloc(1, (size_t)i), (size_t)i + 10);
		for (int i = 0; i < 100; i++)
			free(p[i]);
	}
	if (write(1, done, sizeof(done) - 1) < 0)
		return 1;
	syscall(SYS_exit, 0); /* exit_group is not allowed */
	return 1;
}
