/* tests/unit/test_stacktab.c - interned stacks: one id per stack, hostile tables refused, full tables give 0. */
#include <pthread.h>

#include <criterion/criterion.h>

#include "common/stacktab.h"
#include "tests/unit/region.h"

static struct test_region t;

static void setup(void)
{
	struct abi_geometry geo = test_geometry();

	test_region_init(&t, &geo);
}

static void teardown(void)
{
	test_region_done(&t);
}

TestSuite(stacktab, .init = setup, .fini = teardown);

static uint32_t intern(const uint64_t *frames, uint32_t n, uint32_t flags, uint32_t epoch)
{
	return stack_intern(&t.r, frames, n, flags, epoch, stack_hash(frames, n, flags, epoch));
}

Test(stacktab, gives_one_id_per_stack_and_its_frames_back)
{
	const uint64_t a[] = { 1, 2, 3 }, b[] = { 1, 2, 4 };
	uint32_t ia = intern(a, 3, 0, 0), ib = intern(b, 3, 0, 0);
	uint64_t out[8], word;

	cr_assert_neq(ia, 0);
	cr_assert_neq(ia, ib);
	cr_assert_eq(intern(a, 3, 0, 0), ia);
	cr_assert_neq(intern(a, 2, 0, 0), ia, "a prefix is another stack");
	cr_assert_neq(intern(a, 3, ABI_STACK_CAPPED, 0), ia, "flags belong to the stack");
	cr_assert_neq(intern(a, 3, 0, 1), ia, "so does the dlclose epoch");
	cr_assert_eq(stack_read(&t.r, ib, out, 8, &word), 3);
	cr_assert_arr_eq(out, b, sizeof(b));
	cr_assert_eq(ABI_STACK_DEPTH(word), 3);
}

Test(stacktab, tells_threads_apart_by_a_word_after_the_frames)
{
	const uint64_t frames[] = { 1, 2, 3 };
	const uint64_t hash = stack_hash(frames, 3, 2, 0);
	uint32_t any = stack_intern(&t.r, frames, 3, 2, 0, hash),
		 a = stack_intern_of(&t.r, frames, 3, 7, 2, 0, hash);
	uint64_t out[8], word;

	cr_assert_eq(stack_intern_of(&t.r, frames, 3, 0, 2, 0, hash), any, "0 is no thread");
	cr_assert(a && a != any);
	cr_assert_eq(stack_intern_of(&t.r, frames, 3, 7, 2, 0, hash), a);
	cr_assert_neq(stack_intern_of(&t.r, frames, 3, 8, 2, 0, hash), a);
	cr_assert_eq(stack_read(&t.r, a, out, 8, &word), 4);
	cr_assert_arr_eq(out, frames, sizeof(frames));
	cr_assert_eq(out[3], 7);
	cr_assert_eq(ABI_STACK_FLAGS(word), 2 | ABI_STACK_THREAD);
}

/* Equal hashes: it is the word that decides. */
Test(stacktab, a_thread_is_not_a_matter_of_hashes)
{
	const uint64_t frames[] = { 1, 2, 7 };
	uint64_t hash = stack_hash(frames, 2, 0, 0);
	uint32_t a = stack_intern_of(&t.r, frames, 2, 7, 0, 0, hash);

	hash ^= 7 ^ 8; /* of thread 8 it is now what it was of thread 7 */
	cr_assert_neq(stack_intern_of(&t.r, frames, 2, 8, 0, 0, hash), a);
	cr_assert_neq(stack_intern(&t.r, frames, 3, 0, 0, stack_hash(frames, 3, 0, 0)), a);
}

Test(stacktab, takes_an_empty_stack)
{
	uint32_t id = intern(NULL, 0, ABI_STACK_TRUNCATED, 7);
	uint64_t word;

	cr_assert_neq(id, 0);
	cr_assert_eq(stack_read(&t.r, id, NULL, 0, &word), 0);
	cr_assert_eq(ABI_STACK_FLAGS(word), ABI_STACK_TRUNCATED);
	cr_assert_eq(ABI_STACK_EPOCH(word), 7);
}

/* All with the same low hash bits: they crowd one neighbourhood (slots 1 to 7 beside the first choice, 64 from
 * there on, 3 of them the same), and past the probe limit the answer is "full". */
Test(stacktab, says_full_instead_of_probing_without_end)
{
	uint32_t ok = 0;

	for (uint64_t i = 1; i <= 100; i++)
		ok += stack_intern(&t.r, &i, 1, 0, 0, i << 32 | 5) != 0;
	cr_assert_eq(ok, 7 + 64 - 3);
}

/* The collector's arrays go by id: what is hot should be small, however large the table. */
Test(stacktab, keeps_ten_thousand_stacks_within_its_beginning)
{
	struct abi_geometry geo = test_geometry();
	struct test_region large;
	uint32_t far = 0;

	geo.stack_slots = 1u << 20;
	geo.stack_words = 1u << 16;
	test_region_init(&large, &geo);
	for (uint64_t i = 1; i <= 10000; i++) {
		uint64_t frames[] = { i * 16, 0x1234 };
		uint32_t id = stack_intern(&large.r, frames, 2, 0, 0, stack_hash(frames, 2, 0, 0));

		cr_assert_neq(id, 0);
		cr_assert_eq(stack_intern(&large.r, frames, 2, 0, 0, stack_hash(frames, 2, 0, 0)), id);
		far += id >= 1u << 15;
	}
	cr_assert_leq(far, 100);
	test_region_done(&large);
}

/* Its beginning is full by then, wherever a stack looks there. */
Test(stacktab, has_room_for_all_while_half_of_it_is_free)
{
	struct abi_geometry geo = test_geometry();
	struct test_region large;

	geo.stack_slots = 1u << 17;
	geo.stack_words = 1u << 18;
	test_region_init(&large, &geo);
	for (uint64_t i = 1; i <= 1u << 16; i++) {
		uint64_t frames[] = { i * 0x9e3779b97f4a7c15, i };
		uint32_t id = stack_intern(&large.r, frames, 2, 0, 0, stack_hash(frames, 2, 0, 0));

		cr_assert(id > 0 && id < geo.stack_slots, "stack %u", (unsigned)i);
		cr_assert_eq(stack_intern(&large.r, frames, 2, 0, 0, stack_hash(frames, 2, 0, 0)), id);
	}
	test_region_done(&large);
}

Test(stacktab, says_full_when_the_arena_is)
{
	uint64_t frames[100];
	uint32_t ok = 0;

	for (uint64_t i = 0; i < 100; i++) {
		for (int k = 0; k < 100; k++)
			frames[k] = i * 1000 + (uint64_t)k;
		ok += intern(frames, 100, 0, 0) != 0;
	}
	cr_assert_eq(ok, 4095 / 101);
	cr_assert_leq(load_relaxed(&t.r.cursors->words), 4096 + 101, "a full arena's cursor does not creep");
}

Test(stacktab, refuses_hostile_entries)
{
	uint64_t out[16], word;

	cr_assert_eq(stack_read(&t.r, 0, out, 16, &word), -1);
	cr_assert_eq(stack_read(&t.r, 256, out, 16, &word), -1, "past the slots");
	cr_assert_eq(stack_read(&t.r, 9, out, 16, &word), -1, "empty slot");
	t.r.slots[9] = ABI_SLOT(0, 4096);
	cr_assert_eq(stack_read(&t.r, 9, out, 16, &word), -1, "offset past the arena");
	t.r.slots[9] = ABI_SLOT(0, 4090);
	t.r.words[4090] = ABI_STACK_WORD(6, 0, 0);
	cr_assert_eq(stack_read(&t.r, 9, out, 16, &word), -1, "frames past the arena");
	t.r.words[4090] = ABI_STACK_WORD(5, 0, 0);
	cr_assert_eq(stack_read(&t.r, 9, out, 16, &word), 5, "the last words of the arena are usable");
	t.r.words[4090] = ABI_STACK_WORD(17, 0, 0);
	cr_assert_eq(stack_read(&t.r, 9, out, 16, &word), -1, "more frames than asked for");
}

enum { THREADS = 4, STACKS = 150 };
static uint32_t ids[THREADS][STACKS + 1];

static void *interner(void *arg)
{
	uintptr_t me = (uintptr_t)arg;

	for (int round = 0; round < 20; round++)
		for (uint64_t i = 1; i <= STACKS; i++) {
			uint64_t frames[3] = { i, i * 7, 99 };

			ids[me][i] = intern(frames, 3, 0, 0);
		}
	return NULL;
}

Test(stacktab, agrees_on_ids_between_racing_threads, .timeout = 60)
{
	pthread_t threads[THREADS];

	for (uintptr_t i = 0; i < THREADS; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, interner, (void *)i), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 1; i < THREADS; i++)
		cr_assert_arr_eq(ids[i], ids[0], sizeof(ids[0]));
	for (uint64_t i = 1; i <= STACKS; i++) {
		uint64_t out[3], word;

		cr_assert_eq(stack_read(&t.r, ids[0][i], out, 3, &word), 3);
		cr_assert_eq(out[1], i * 7);
	}
	cr_assert_eq(load_relaxed(&t.r.cursors->stacks), STACKS);
}
