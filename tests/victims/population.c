/* tests/victims/population.c - a known population: some sites, each with its size, many blocks, every other one
 * freed.
 *
 * Prints "site blocks bytes blocks-left bytes-left".  All blocks of a site come from its function site_NAME alone,
 * in an order that interleaves the sites; first all are allocated (so the peak is all of them), then every other
 * one is freed. The sizes are about the sampling interval the test uses (16 KiB) and far below it. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define SITE_BYTES (6u << 20)
#define BLOCKS_MAX (SITE_BYTES / 24 + 1)

/* Not one body for all: each must have an address of its own. */
#define SITE(name)                                                   \
	__attribute__((noinline)) static void *site_##name(size_t n) \
	{                                                            \
		void *p = malloc(n);                                 \
		__asm__ volatile("# site_" #name : "+r"(p));         \
		return p;                                            \
	}                                                            \
	struct site
SITE(a);
SITE(b);
SITE(c);
SITE(d);
SITE(e);
SITE(f);
SITE(g);
SITE(h);

static struct site {
	const char *name;
	void *(*take)(size_t n);
	size_t least, spread;               /* sizes are least + 0..spread-1 */
	uint64_t blocks, bytes, bytes_left; /* left: those of even number */
	void **at;
} sites[] = {
	{ "site_a", site_a, 24, 1, 0, 0, 0, NULL },    { "site_b", site_b, 100, 1, 0, 0, 0, NULL },
	{ "site_c", site_c, 1000, 1, 0, 0, 0, NULL },  { "site_d", site_d, 4096, 1, 0, 0, 0, NULL },
	{ "site_e", site_e, 16384, 1, 0, 0, 0, NULL }, { "site_f", site_f, 24000, 1, 0, 0, 0, NULL },
	{ "site_g", site_g, 24, 8000, 0, 0, 0, NULL }, { "site_h", site_h, 300, 10, 0, 0, 0, NULL },
};

#define SITES (sizeof(sites) / sizeof(*sites))

static void take_one(struct site *s, uint64_t random)
{
	size_t n = s->least + (size_t)(random % s->spread);

	s->bytes_left += s->blocks % 2 ? 0 : n;
	s->at[s->blocks++] = s->take(n);
	s->bytes += n;
}

int main(void)
{
	uint64_t random = 88172645463325252u;

	for (size_t i = 0; i < SITES; i++)
		sites[i].at = mmap(NULL, BLOCKS_MAX * sizeof(void *), PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (size_t full = 0; full < SITES;) {
		full = 0;
		for (size_t i = 0; i < SITES; i++) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			/* Small blocks are taken more often, so that all sites last equally long. */
			for (size_t k = 0; k < 1 + 2000 / sites[i].least && sites[i].bytes < SITE_BYTES; k++)
				take_one(&sites[i], random >> 20);
			full += sites[i].bytes >= SITE_BYTES;
		}
	}
	for (size_t i = 0; i < SITES; i++)
		for (uint64_t k = 1; k < sites[i].blocks; k += 2)
			free(sites[i].at[k]);
	for (size_t i = 0; i < SITES; i++)
		printf("%s %lu %lu %lu %lu\n", sites[i].name, sites[i].blocks, sites[i].bytes,
		       (sites[i].blocks + 1) / 2, sites[i].bytes_left);
	return 0;
}
