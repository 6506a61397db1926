/* tests/unit/test_abi.c - the region's layout: computed alike by both sides, refused when anything is off. */
#include <criterion/criterion.h>

#include "tests/unit/region.h"

Test(abi_header, accepts_its_own_layout)
{
	struct abi_geometry geo = test_geometry();
	struct abi_header h;

	cr_assert(abi_header_init(&h, &geo));
	cr_assert(abi_header_ok(&h, h.region_size));
	cr_assert(abi_header_ok(&h, h.region_size + 1));
	cr_assert_not(abi_header_ok(&h, h.region_size - 1), "the mapping is shorter than the region");
}

Test(abi_header, places_tables_apart_and_in_order)
{
	struct abi_geometry geo = test_geometry();
	struct abi_header h;

	cr_assert(abi_header_init(&h, &geo));
	cr_assert_geq(h.off_lanes, 3 * ABI_PAGE);
	cr_assert_geq(h.off_events, h.off_lanes + geo.lanes * sizeof(struct abi_lane));
	cr_assert_geq(h.off_procs, h.off_events + geo.lanes * geo.lane_events * sizeof(struct abi_event));
	cr_assert_geq(h.off_slots, h.off_procs + geo.procs * sizeof(struct abi_proc));
	cr_assert_geq(h.off_words, h.off_slots + geo.stack_slots * sizeof(uint64_t));
	cr_assert_geq(h.off_spill, h.off_words + geo.stack_words * sizeof(uint64_t));
	cr_assert_geq(h.off_modules, h.off_spill + geo.spill_slots * sizeof(struct abi_spill));
	cr_assert_geq(h.off_strings, h.off_modules + geo.modules * sizeof(struct abi_module));
	cr_assert_geq(h.region_size, h.off_strings + geo.strings);
}

/* Every 32-bit word of the header but flags, session and epoch decides where memory is: none may be forged. */
Test(abi_header, refuses_any_changed_word_that_matters)
{
	struct abi_geometry geo = test_geometry();
	struct abi_header good, bad;

	cr_assert(abi_header_init(&good, &geo));
	for (size_t w = 0; w < sizeof(good) / 4; w++) {
		size_t at = w * 4;

		if (at == offsetof(struct abi_header, flags) ||
		    at / 8 == offsetof(struct abi_header, session) / 8 ||
		    at / 8 == offsetof(struct abi_header, epoch_ns) / 8)
			continue;
		for (unsigned bit = 0; bit < 32; bit++) {
			/* A higher minor, a larger header: compatible by contract.  64-bit geometry whose size
			 * rounds to the same page count still lies inside: equally sound. */
			bad = good;
			((uint32_t *)&bad)[w] ^= 1u << bit;
			if (abi_header_ok(&bad, good.region_size)) {
				struct abi_header again;

				cr_assert(abi_header_init(&again, &bad.geo));
				cr_assert_leq(again.region_size, good.region_size, "word %zu bit %u", w, bit);
				cr_assert_arr_eq(&again.off_lanes, &bad.off_lanes,
						 sizeof(again) - offsetof(struct abi_header, off_lanes),
						 "word %zu bit %u", w, bit);
			}
		}
	}
}

Test(abi_header, refuses_geometries_out_of_bounds)
{
	struct abi_header h;

#define REFUSED(field, value)                                                \
	do {                                                                 \
		struct abi_geometry g = test_geometry();                     \
		g.field = (value);                                           \
		cr_assert_not(abi_header_init(&h, &g), #field " = " #value); \
	} while (0)
	REFUSED(lanes, 0);
	REFUSED(lanes, ABI_MAX_LANES + 1);
	REFUSED(lane_events, 0);
	REFUSED(lane_events, 24);
	REFUSED(lane_events, ABI_MAX_LANE_EVENTS * 2);
	REFUSED(procs, 0);
	REFUSED(procs, ABI_MAX_PROCS + 1);
	REFUSED(stack_slots, 1);
	REFUSED(stack_slots, 255);
	REFUSED(stack_slots, ABI_MAX_STACK_SLOTS * 2);
	REFUSED(stack_words, 1);
	REFUSED(stack_words, ABI_MAX_STACK_WORDS + 1);
	REFUSED(spill_slots, 3);
	REFUSED(modules, 0);
	REFUSED(modules, ABI_MAX_MODULES + 1);
	REFUSED(strings, 0);
	REFUSED(strings, ABI_MAX_STRINGS + 1);
#undef REFUSED
}
