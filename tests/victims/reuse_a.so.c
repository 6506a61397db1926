/* tests/victims/reuse_a.so.c - the first of two objects of equal size that follow each other at one address. */
__attribute__((noinline)) int reuse_a(void (*f)(void))
{
	f();
	return 1;
}
