/* tests/victims/many_live.c - argv[1] blocks of 16 bytes, all live at once; frees them if argv[2] is "free". */
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
	size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000;
	void **first = NULL;

	for (size_t i = 0; i < n; i++) {
		void **p = malloc(16);

		if (!p)
			return 1;
		*p = first;
		first = p;
	}
	while (argc > 2 && strcmp(argv[2], "free") == 0 && first) {
		void **next = *first;

		free(first);
		first = next;
	}
	return 0;
}
