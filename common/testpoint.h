/* common/testpoint.h - names for the moments at which a test may stop or kill a writer of shared memory.
 *
 * Nothing in the product.  With HEAPTAP_TEST_POINTS each is a call that the test program defines:
 * tests/unit/points_*.c are linked with the shim's modules compiled so. */
#pragma once

#ifdef HEAPTAP_TEST_POINTS
void test_point(const char *name);
#define TEST_POINT(name) test_point(#name)
#else
#define TEST_POINT(name) ((void)0)
#endif
