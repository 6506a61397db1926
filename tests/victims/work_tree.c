/* tests/victims/work_tree.c - a load for make bench: trees built by recursion through many different call stacks.
 *
 * usage: work_tree ROUNDS DEPTH     Four functions call each other, so a tree of depth D has 4^D call stacks; each
 * node is a block of its own, every second tree is kept until the next, so frees come late and in another order. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct node {
	struct node *child[4];
	char name[];
};

typedef struct node *builder(int depth, uint32_t seed);

static builder north, east, south, west;
static builder *const next[4] = { north, east, south, west };

#define BUILDER(name_, salt)                                                          \
	static __attribute__((noinline)) struct node *name_(int depth, uint32_t seed) \
	{                                                                             \
		struct node *n = malloc(sizeof(*n) + 8 + (seed >> 20) % 120);         \
                                                                                      \
		if (!n)                                                               \
			abort();                                                      \
		memset(n->child, 0, sizeof(n->child));                                \
		for (int i = 0; depth > 1 && i < 4; i++) {                            \
			seed = seed * 1664525 + 1013904223 + (salt);                  \
			n->child[i] = next[i](depth - 1, seed);                       \
		}                                                                     \
		return n;                                                             \
	}

BUILDER(north, 1)
BUILDER(east, 2)
BUILDER(south, 3)
BUILDER(west, 4)

static void drop(struct node *n)
{
	if (!n)
		return;
	for (int i = 0; i < 4; i++)
		drop(n->child[i]);
	free(n);
}

int main(int argc, char **argv)
{
	struct node *kept = NULL;
	int rounds = argc > 2 ? atoi(argv[1]) : 0, depth = argc > 2 ? atoi(argv[2]) : 0;

	if (rounds < 1 || depth < 1 || depth > 12) {
		fprintf(stderr, "usage: work_tree ROUNDS DEPTH (1 to 12)\n");
		return 2;
	}
	for (int i = 0; i < rounds; i++) {
		struct node *tree = north(depth, (uint32_t)i);

		drop(i % 2 ? kept : tree);
		kept = i % 2 ? tree : kept;
	}
	drop(kept);
	return 0;
}
