/* tests/victims/own_names.c - a program that exports libc names of its own, all of them fatal to call.
 *
 * Real ones do: bash has getenv, ssh closefrom, gpg regexec.  A preloaded library must not fall into them. */
#include <stddef.h>

/* No headers that declare what is defined here. */
long write(int fd, const void *bytes, size_t n);
void _exit(int status);
void *malloc(size_t size);
void free(void *p);
int puts(const char *s);

#define FATAL(name)                                               \
	void name(void);                                          \
	void name(void)                                           \
	{                                                         \
		static const char text[] = #name " was called\n"; \
		if (write(1, text, sizeof(text) - 1))             \
			_exit(99);                                \
	}

FATAL(getenv)
FATAL(secure_getenv)
FATAL(open)
FATAL(socket)
FATAL(connect)
FATAL(recvmsg)
FATAL(sendto)
FATAL(poll)
FATAL(mmap)
FATAL(munmap)
FATAL(madvise)
FATAL(prctl)
FATAL(getpid)
FATAL(gettid)
FATAL(memcpy)
FATAL(memset)
FATAL(strlen)
FATAL(clock_gettime)
FATAL(getauxval)
FATAL(syscall)
FATAL(pthread_self)
FATAL(pthread_getattr_np)

int main(void)
{
	for (int i = 0; i < 1000; i++)
		free(malloc(10000000));
	puts("undisturbed");
	return 0;
}
