/* tests/tools/requests.so.c - counts the bytes that a process asks malloc for: an oracle behind heaptap.
 *
 * Preloaded after libheaptap.so it owns the allocator, so every request reaches it once.  The sums live in the file
 * $REQUESTS/PID, mapped: they are there however the process ends.  A forked child has a file of its own.  Lines of
 * text are for others: two uint64_t, bytes (a request of 0 is 1) and requests that may or may not count: of
 * realloc(p, 0), which frees, and those that failed.  It knows nothing of heaptap. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void *__libc_valloc(size_t);
extern void *__libc_pvalloc(size_t);
extern void __libc_free(void *);

struct sums {
	_Atomic uint64_t bytes, doubtful;
};

static struct sums before; /* the constructor */
static struct sums *sums = &before;

static void *count(void *p, size_t size)
{
	atomic_fetch_add(p ? &sums->bytes : &sums->doubtful, size ? size : 1);
	return p;
}

EXPORT void *malloc(size_t size)
{
	return count(__libc_malloc(size), size);
}

EXPORT void *calloc(size_t n, size_t size)
{
	return count(__libc_calloc(n, size), n * size);
}

EXPORT void *realloc(void *p, size_t size)
{
	return count(__libc_realloc(p, size), size);
}

EXPORT void free(void *p)
{
	__libc_free(p);
}

EXPORT void *memalign(size_t align, size_t size)
{
	return count(__libc_memalign(align, size), size);
}

EXPORT void *aligned_alloc(size_t align, size_t size)
{
	return count(__libc_memalign(align, size), size);
}

EXPORT int posix_memalign(void **ret, size_t align, size_t size)
{
	void *p = count(__libc_memalign(align, size), size);

	if (p)
		*ret = p;
	return p ? 0 : ENOMEM;
}

EXPORT void *valloc(size_t size)
{
	return count(__libc_valloc(size), size);
}

EXPORT void *pvalloc(size_t size)
{
	return count(__libc_pvalloc(size), (size + 4095) & ~(size_t)4095);
}

static void begin(void)
{
	const char *dir = getenv("REQUESTS");
	char path[4096];
	void *at;
	int fd;

	if (!dir)
		return;
	snprintf(path, sizeof(path), "%s/%d", dir, (int)getpid());
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, sizeof(struct sums)))
		abort();
	at = mmap(NULL, sizeof(struct sums), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		abort();
	close(fd);
	sums = at;
}

static __attribute__((constructor)) void start(void)
{
	begin();
	if (sums != &before)
		atomic_fetch_add(&sums->bytes, before.bytes);
	pthread_atfork(NULL, NULL, begin);
}
