/* common/testnext.h - what a next version of the formats that processes share may have: only tests compile it in.
 *
 * Nothing in the product.  With HEAPTAP_TEST_NEXT the region and the state memfd have another minor version, and
 * fields, records and parts that this one does not know; tests/hazards/restarts.py lets both take over from each
 * other. */
#pragma once

#ifdef HEAPTAP_TEST_NEXT
#define TEST_NEXT(...) __VA_ARGS__
#define TEST_NEXT_MINOR 1u
#define TEST_NEXT_KIND 77u
#else
#define TEST_NEXT(...)
#define TEST_NEXT_MINOR 0u
#endif
