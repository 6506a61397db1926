/* tests/unit/shim_frame.c - one step of a walk: what it takes, and that it reads nothing outside the bounds.
 *
 * The stack is an array; only words LOW to HIGH - 1 may be read.  x86-64's slots: the return address at CFA - 8. */
#include <criterion/criterion.h>

#include "preload/frame.h"

#define LOW 8
#define HIGH 24
#define SP 10
#define FP 14

static uintptr_t stack[32];

static uintptr_t at(int i)
{
	return (uintptr_t)&stack[i];
}

static struct frame frame;

/* One step from sp, fp by this rule; the word `i` of the stack holds `value`, any other its own number. */
static enum step take(enum rule_kind kind, int cfa, uint32_t slot, int i, uintptr_t value)
{
	const struct stack_bounds b = { at(LOW), at(HIGH), false };

	for (size_t k = 0; k < ARRAY_SIZE(stack); k++)
		stack[k] = k;
	stack[i] = value;
	frame = (struct frame){ 1, at(SP), frame.fp, 0 };
	return frame_step(&frame, rule_make(kind, cfa, slot, false), &b);
}

static void is_caller(int cfa, uintptr_t ip, uintptr_t fp)
{
	cr_expect_eq(frame.sp, at(cfa));
	cr_expect_eq(frame.ip, ip);
	cr_expect_eq(frame.fp, fp);
	cr_expect_eq(frame.back, 1);
	frame.fp = at(FP);
}

static void init(void)
{
	frame.fp = at(FP);
}

Test(frame, finds_the_caller_by_every_kind_of_rule, .init = init)
{
	cr_assert_eq(take(RULE_SP, 4, 0, 0, 0), STEP_CALLER);
	is_caller(14, 13, at(FP));
	cr_assert_eq(take(RULE_SP, 4, 3, 0, 0), STEP_CALLER);
	is_caller(14, 13, 11);
	cr_assert_eq(take(RULE_FP, 2, 2, 0, 0), STEP_CALLER);
	is_caller(16, 15, 14);
	cr_assert_eq(take(RULE_AT_SP, 1, 2, 11, at(20)), STEP_CALLER);
	is_caller(20, 19, 18);
	cr_assert_eq(take(RULE_AT_FP, -1, 0, 13, at(20)), STEP_CALLER);
	is_caller(20, 19, at(FP));
	cr_assert_eq(take(RULE_AT_FP_CHAIN, -1, 0, 13, at(20)), STEP_CALLER);
	is_caller(20, 19, FP);
}

Test(frame, goes_up_to_the_very_bounds_and_no_further, .init = init)
{
	cr_assert_eq(take(RULE_SP, HIGH - SP, SP, 0, 0), STEP_CALLER);
	is_caller(HIGH, HIGH - 1, HIGH - SP);
	cr_assert_eq(take(RULE_SP, HIGH - SP + 1, 0, 0, 0), STEP_STOP);
	cr_assert_eq(take(RULE_SP, 4, SP + 4 - LOW, 0, 0), STEP_CALLER);
	is_caller(14, 13, LOW);
	cr_assert_eq(take(RULE_SP, 4, SP + 4 - LOW + 1, 0, 0), STEP_STOP);
	cr_assert_eq(take(RULE_AT_SP, LOW - SP, 0, LOW, at(20)), STEP_CALLER);
	cr_assert_eq(take(RULE_AT_SP, LOW - SP - 1, 0, LOW - 1, at(20)), STEP_STOP);
	cr_assert_eq(take(RULE_AT_SP, HIGH - SP, 0, HIGH, at(20)), STEP_STOP);
	cr_assert_eq(take(RULE_AT_SP, 1, 0, 11, at(HIGH + 1)), STEP_STOP);
}

Test(frame, never_stays_or_goes_down, .init = init)
{
	cr_assert_eq(take(RULE_SP, 1, 0, 0, 0), STEP_CALLER);
	is_caller(SP + 1, SP, at(FP));
	cr_assert_eq(take(RULE_SP, 0, 0, 0, 0), STEP_STOP);
	cr_assert_eq(take(RULE_SP, -1, 0, 0, 0), STEP_STOP);
	cr_assert_eq(take(RULE_FP, SP - FP, 0, 0, 0), STEP_STOP);
	cr_assert_eq(take(RULE_AT_SP, 1, 0, 11, at(SP)), STEP_STOP);
}

Test(frame, reads_only_whole_words, .init = init)
{
	const struct stack_bounds b = { at(LOW), at(HIGH), false };
	uintptr_t value;

	cr_assert(frame_load(&b, at(LOW), &value));
	for (unsigned i = 1; i < 8; i++)
		cr_assert_not(frame_load(&b, at(LOW) + i, &value));
	frame.fp = at(FP) + 4;
	cr_assert_eq(take(RULE_FP, 2, 2, 0, 0), STEP_STOP);
	frame.fp = at(FP) + 4;
	cr_assert_eq(take(RULE_AT_FP, 0, 0, 0, 0), STEP_STOP);
	frame.fp = at(FP);
	cr_assert_eq(take(RULE_AT_SP, 1, 0, 11, at(20) + 1), STEP_STOP);
	frame.fp = at(LOW - 1);
	cr_assert_eq(take(RULE_AT_FP_CHAIN, 5, 0, LOW + 4, at(20)), STEP_STOP, "the caller's fp is out of bounds");
}

/* Chain checks rest on this: what is said to have been read is all that was. */
Test(frame, says_what_a_step_read, .init = init)
{
	static const enum rule_kind kinds[] = { RULE_SP, RULE_FP, RULE_AT_SP, RULE_AT_FP, RULE_AT_FP_CHAIN };

	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		bool loads = kinds[k] != RULE_SP && kinds[k] != RULE_FP;
		int offset = kinds[k] == RULE_SP ? 8 : kinds[k] == RULE_FP ? 4 : 3;
		int word = kinds[k] == RULE_AT_SP ? SP + 3 : FP + 3;
		struct frame_reads r;

		frame.fp = at(FP);
		cr_assert_eq(take(kinds[k], offset, 2, loads ? word : 0, at(20)), STEP_CALLER);
		r = frame_reads(rule_make(kinds[k], offset, 2, false), at(SP), at(FP), frame.sp);
		cr_expect_eq(*(uintptr_t *)r.ra, frame.ip);
		cr_expect_eq(*(uintptr_t *)r.fp, frame.fp);
		cr_expect_eq(r.cfa, loads ? at(word) : 0);
		cr_expect_eq(r.by_fp,
			     kinds[k] == RULE_FP || kinds[k] == RULE_AT_FP || kinds[k] == RULE_AT_FP_CHAIN);
	}
}
