/* preload/arch_x86_64.h - what x86-64 decides about unwinding (System V ABI, Linux, glibc).
 *
 * `call` pushes the return address, so it is at CFA - 8 in every frame but the kernel's signal frame, whose
 * registers stand in a ucontext on the stack (its layout is kernel ABI). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define ARCH_RULE_FP_BITS 8 /* callee-saved registers are pushed within 2 KiB of the CFA */
#include "preload/rule.h"

#define ARCH_REG_FP 6
#define ARCH_REG_SP 7
#define ARCH_REG_RA 16

#define ARCH_VA_BITS 47 /* user addresses; above it only programs that ask mmap for it (LA57) */

/* In the signal frame's gregs: rbp is 5 words before rsp, rip one after it.  Where rsp is, the CFI of libc's
 * restorer says. */
#define ARCH_SIGNAL_SP 0
#define ARCH_SIGNAL_FP (-40)
#define ARCH_SIGNAL_IP 8

/* struct pthread begins at the thread pointer and is 2368 bytes in glibc 2.36. */
#define ARCH_DESCRIPTOR_FROM 0
#define ARCH_DESCRIPTOR_TO 2304

static inline uintptr_t arch_thread_pointer(void)
{
	uintptr_t tp;

	__asm__("mov %%fs:0, %0" : "=r"(tp));
	return tp;
}

/* The address a return address returns to. */
static inline uintptr_t arch_code_address(uintptr_t ra)
{
	return ra;
}

/* A code address as the rule cache's key, one to one: its low bits are what differs most. */
static inline uint64_t arch_code_key(uintptr_t pc)
{
	return pc;
}

/* Slots from a CFI row: bytes from the CFA to the saved return address and frame pointer (0 = untouched).  False if
 * no rule says that. */
static inline bool arch_rule_slots(int64_t ra, int64_t fp, int64_t cfa, uint32_t *ret_slot, bool *ret_lone_ra)
{
	(void)cfa;
	if (ra != -8 || fp > 0 || fp <= -(8 << ARCH_RULE_FP_BITS) || fp % 8)
		return false;
	*ret_slot = (uint32_t)(-fp / 8);
	*ret_lone_ra = false;
	return true;
}

static inline uintptr_t arch_ra_slot(struct rule r, uintptr_t cfa)
{
	(void)r;
	return cfa - 8;
}

/* Is the caller's frame pointer in memory, and where?  Else the register still holds it. */
static inline bool arch_saves_fp(struct rule r)
{
	return rule_slot(r) != 0;
}

static inline uintptr_t arch_fp_slot(struct rule r, uintptr_t cfa)
{
	return cfa - 8 * (uintptr_t)rule_slot(r);
}

/* Is it in the word before the return address? */
static inline bool arch_fp_beside_ra(struct rule r)
{
	return rule_slot(r) == 2;
}

/* Is the instruction before `ra` a call?  Reads up to 7 bytes before it, which must be mapped.
 * e8 rel32; ff /2 with 0 to 5 further bytes (mod/rm, SIB, displacement). */
static inline bool arch_follows_call(uintptr_t ra)
{
	const uint8_t *p = (const uint8_t *)ra;

	if (p[-5] == 0xe8)
		return true;
	for (int n = 2; n <= 7; n++)
		if (p[-n] == 0xff && (p[-n + 1] & 0x38) == 0x10)
			return true;
	return false;
}

/* The kernel returns from a signal handler through libc's code, which has CFI. */
static inline bool arch_is_signal_return(uintptr_t ip)
{
	(void)ip;
	return false;
}
