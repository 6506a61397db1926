/* tests/victims/reuse_b.so.c - the second of two objects of equal size that follow each other at one address. */
__attribute__((noinline)) int reuse_b(void (*f)(void))
{
	f();
	return 1;
}
