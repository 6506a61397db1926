/* tests/victims/floating_state.c - computes with traps on and another rounding, allocating between the steps. */
#define _GNU_SOURCE
#include <fenv.h>
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
	volatile double x = 1, y = 0;

	fesetround(FE_UPWARD);
	feclearexcept(FE_ALL_EXCEPT);
	feenableexcept(FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW | FE_UNDERFLOW | FE_INEXACT);
	for (int i = 0; i < 100000; i++)
		free(malloc((size_t)i * 10));
	printf("flags %d rounding %d traps %d\n", fetestexcept(FE_ALL_EXCEPT), fegetround(), fegetexcept());
	fedisableexcept(FE_ALL_EXCEPT);
	for (int i = 1; i < 100000; i++) {
		free(malloc((size_t)i));
		x = x * 1.0000001 / 3 + 1.0 / i;
		y += x;
	}
	printf("%a %a flags %d\n", x, y, fetestexcept(FE_ALL_EXCEPT));
	return 0;
}
