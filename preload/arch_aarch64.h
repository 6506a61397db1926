/* preload/arch_aarch64.h - what aarch64 decides about unwinding (AAPCS64, Linux, glibc).
 *
 * `bl` leaves the return address in x30; every function that calls another one saves it, nearly always as the pair
 * x29, x30.  Return addresses may be signed (PAC): the top bits are not part of the address. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define ARCH_RULE_FP_BITS 12
#include "preload/rule.h"

#define ARCH_REG_FP 29
#define ARCH_REG_SP 31
#define ARCH_REG_RA 30

#define ARCH_VA_BITS 48

/* Words from sp to the sp saved in the kernel's frame: siginfo, ucontext up to its mcontext, regs[31].  The vdso's
 * CFI speaks of the frame record beside it, which has x30 instead of the pc. */
#define ARCH_SIGNAL_SP ((128 + 176 + 256) / 8)
/* In struct sigcontext: regs[29] is two words before sp, pc one after it. */
#define ARCH_SIGNAL_FP (-16)
#define ARCH_SIGNAL_IP 8

/* struct pthread ends at the thread pointer; it is 1856 bytes in glibc 2.36. */
#define ARCH_DESCRIPTOR_FROM (-1792)
#define ARCH_DESCRIPTOR_TO 0

static inline uintptr_t arch_thread_pointer(void)
{
	uintptr_t tp;

	__asm__("mrs %0, tpidr_el0" : "=r"(tp));
	return tp;
}

/* The address a return address returns to: without its signature. */
static inline uintptr_t arch_code_address(uintptr_t ra)
{
	return ra & ((1ull << ARCH_VA_BITS) - 1);
}

/* A code address as the rule cache's key, one to one: its low bits are what differs most. */
static inline uint64_t arch_code_key(uintptr_t pc)
{
	return pc >> 2 | (pc & 3) << (ARCH_VA_BITS - 2);
}

/* The pair lies near one end of the frame: slots from here on are counted from the other one, where the base
 * register points. */
#define ARCH_SLOT_LOW (1 << (ARCH_RULE_FP_BITS - 1))

/* Slots from a CFI row: bytes from the CFA to the saved return address and frame pointer (0 = untouched), and words
 * from the base register to the CFA.  False if no rule says that: a leaf interrupted by a signal, whose return
 * address is in x30 only, is one. */
static inline bool arch_rule_slots(int64_t ra, int64_t fp, int64_t cfa, uint32_t *ret_slot, bool *ret_lone_ra)
{
	int64_t at = fp ? fp : ra, down = -at / 8, up = cfa - down;

	if (ra >= 0 || ra % 8 || at >= 0 || at % 8 || (fp && ra != fp + 8))
		return false;
	if (down >= ARCH_SLOT_LOW && (up < 0 || up >= ARCH_SLOT_LOW))
		return false;
	*ret_slot = (uint32_t)(down < ARCH_SLOT_LOW ? down : ARCH_SLOT_LOW + up);
	*ret_lone_ra = fp == 0;
	return true;
}

static inline uintptr_t arch_slot(struct rule r, uintptr_t cfa)
{
	uintptr_t n = rule_slot(r);

	return n < ARCH_SLOT_LOW ? cfa - 8 * n : cfa - 8 * (uintptr_t)rule_cfa(r) + 8 * (n - ARCH_SLOT_LOW);
}

static inline uintptr_t arch_ra_slot(struct rule r, uintptr_t cfa)
{
	return arch_slot(r, cfa) + (rule_lone_ra(r) ? 0 : 8);
}

/* Is the caller's frame pointer in memory, and where?  Else the register still holds it. */
static inline bool arch_saves_fp(struct rule r)
{
	return !rule_lone_ra(r);
}

static inline uintptr_t arch_fp_slot(struct rule r, uintptr_t cfa)
{
	return arch_slot(r, cfa);
}

/* Is it in the word before the return address? */
static inline bool arch_fp_beside_ra(struct rule r)
{
	return !rule_lone_ra(r);
}

/* Is the instruction before `ra` a call (bl, blr)?  Reads the 4 bytes before it, which must be mapped. */
static inline bool arch_follows_call(uintptr_t ra)
{
	uint32_t insn;

	if (ra % 4)
		return false;
	insn = *(const uint32_t *)(ra - 4);
	return insn >> 26 == 0x25 || (insn & 0xfffffc1f) == 0xd63f0000;
}

/* Is this the kernel's code that ends a signal handler (mov x8, #139; svc #0)?  Reads the 8 bytes at `ip`, which
 * must be a handler's return address.  The vdso has CFI there; where there is no vdso, a page of the loader or of
 * an emulator has not. */
static inline bool arch_is_signal_return(uintptr_t ip)
{
	const uint32_t *insn = (const uint32_t *)ip;

	return ip % 4 == 0 && insn[0] == 0xd2801168 && insn[1] == 0xd4000001;
}
