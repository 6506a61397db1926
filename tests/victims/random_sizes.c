/* tests/victims/random_sizes.c - allocates by chance: a round for each line of stdin, then an end of a chosen kind.
 *
 * usage: random_sizes SEED THREADS CHILDREN exit|_exit|kill|running
 * In a round, so many threads run one after another and beside the main thread, then so many forked children, which
 * end alike; each allocates blocks of 0 bytes to 4 MiB through every entry point.  Answers "done" to each line.
 * running: exit() while the threads of the last round still wait. */
#define _GNU_SOURCE
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *end_kind;

static uint64_t random_of(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 33;
}

static void *one(uint64_t *state)
{
	size_t size = random_of(state) & ((1u << random_of(state) % 23) - 1);
	void *p = NULL;

	switch (random_of(state) % 8) {
	case 0:
		return calloc(1, size);
	case 1:
		return realloc(malloc(size / 2), size + 1);
	case 2:
		return memalign(64, size);
	case 3:
		return aligned_alloc(64, (size + 63) & ~(size_t)63);
	case 4:
		return posix_memalign(&p, 64, size) ? NULL : p;
	case 5:
		return reallocarray(NULL, size / 8 + 1, 8);
	default:
		return malloc(size);
	}
}

static void allocate(uint64_t seed)
{
	void *kept[16] = { NULL };
	uint64_t state = seed;

	for (uint64_t n = random_of(&state) % 500; n > 0; n--) {
		uint64_t i = random_of(&state) % 16;

		free(kept[i]);
		kept[i] = one(&state);
	}
	for (int i = 0; i < 16; i++)
		free(kept[i]);
}

static void *thread(void *seed)
{
	allocate((uintptr_t)seed);
	return NULL;
}

static void *waiting_thread(void *seed)
{
	allocate((uintptr_t)seed);
	while (pause())
		;
	return NULL;
}

static _Noreturn void end(void)
{
	if (!strcmp(end_kind, "_exit"))
		_exit(0);
	if (!strcmp(end_kind, "kill"))
		raise(SIGKILL);
	exit(0);
}

static void round_of(uint64_t seed, unsigned threads, unsigned children)
{
	pthread_t t[64];

	for (unsigned i = 0; i < threads; i++)
		pthread_create(&t[i], NULL, thread, (void *)(uintptr_t)(seed + i + 1));
	allocate(seed);
	for (unsigned i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
	for (unsigned i = 0; i < children; i++)
		if (fork() == 0) {
			allocate(seed + 1000 + i);
			end();
		}
	while (wait(NULL) > 0)
		;
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 4 ? strtoull(argv[1], NULL, 10) : 0;
	unsigned threads = argc > 4 ? (unsigned)atoi(argv[2]) % 65 : 0,
		 children = argc > 4 ? (unsigned)atoi(argv[3]) : 0;
	pthread_t t;
	char line[16];

	if (argc != 5)
		return 2;
	end_kind = argv[4];
	for (; fgets(line, sizeof(line), stdin); seed += 10000) {
		round_of(seed, threads, children);
		puts("done");
		fflush(stdout);
	}
	for (unsigned i = 0; !strcmp(end_kind, "running") && i < threads; i++)
		pthread_create(&t, NULL, waiting_thread, (void *)(uintptr_t)(seed + i));
	end();
}
