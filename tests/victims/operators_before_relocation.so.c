/* tests/victims/operators_before_relocation.so.c - a C library that uses operators of C++ if it finds any, in an
 * IFUNC resolver: before libheaptap.so, when it is preloaded in front of this, is relocated.  Use LD_BIND_NOW=1.
 *
 * Without C++ in the process, and without that library, there are none. */
#include <stdint.h>
#include <string.h>
#include <unistd.h>

void *plain_new(size_t) __asm__("_Znwm") __attribute__((weak));
void *aligned_new(size_t, size_t) __asm__("_ZnwmSt11align_val_t") __attribute__((weak));
void plain_delete(void *) __asm__("_ZdlPv") __attribute__((weak));

static char *early;
static int harmed;

static int chosen(void)
{
	return 42;
}

static int (*resolve(void))(void)
{
	if (plain_new && aligned_new && plain_delete) {
		plain_delete(plain_new(10));
		plain_delete(NULL);
		harmed |= (uintptr_t)aligned_new(100, 64) % 64 != 0;
		early = plain_new(3);
		memcpy(early, "hi", 3);
	}
	return chosen;
}

static int function(void) __attribute__((ifunc("resolve")));

static __attribute__((constructor)) void start(void)
{
	if (early) {
		harmed |= strcmp(early, "hi") != 0;
		plain_delete(early);
		for (int i = 0; i < 10; i++) {
			char *late = plain_new(100);

			memset(late, i, 100);
			plain_delete(late);
		}
		harmed |= (uintptr_t)aligned_new(100, 256) % 256 != 0;
	}
	if (write(1, harmed || function() != 42 ? "broken\n" : "survived\n", harmed ? 7 : 9) < 0)
		harmed = 1;
}
