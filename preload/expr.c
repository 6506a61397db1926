/* preload/expr.c - a small evaluator for the DWARF expressions found in .eh_frame.
 *
 * Values are symbolic (constant, or sp/fp plus an offset), so the result is a rule and not a number: signal frames
 * and realigned stacks give *(sp + k) or *(fp + k), PLT entries give sp + 8 or sp + 16 depending on the pc, which
 * is known.  Whatever does not stay in that shape is refused.  Opcode numbers: DWARF 5, section 7.7.1. */
#include "preload/arch.h"
#include "preload/cfi.h"

#define DEPTH 4 /* a PLT entry needs 3 */

struct stack {
	struct expr_value v[DEPTH];
	unsigned n;
	bool bad;
};

static void push(struct stack *s, uint8_t base, int64_t offset)
{
	if (s->n == DEPTH) {
		s->bad = true;
		return;
	}
	s->v[s->n++] = (struct expr_value){ .base = base, .offset = offset };
}

static struct expr_value pop(struct stack *s)
{
	if (s->n == 0) {
		s->bad = true;
		return (struct expr_value){ .base = EXPR_CONST };
	}
	return s->v[--s->n];
}

static void push_register(struct stack *s, uint64_t reg, int64_t offset, uintptr_t pc)
{
	if (reg == ARCH_REG_SP)
		push(s, EXPR_SP, offset);
	else if (reg == ARCH_REG_FP)
		push(s, EXPR_FP, offset);
	else if (reg == ARCH_REG_RA)
		push(s, EXPR_CONST, (int64_t)((uint64_t)pc + (uint64_t)offset));
	else
		s->bad = true;
}

static void load(struct stack *s)
{
	struct expr_value v = pop(s);

	if (v.base == EXPR_CONST || v.loaded)
		s->bad = true;
	push(s, v.base, v.offset);
	if (!s->bad)
		s->v[s->n - 1].loaded = true;
}

static void binary(struct stack *s, uint8_t op)
{
	struct expr_value b = pop(s), a = pop(s);
	uint64_t x = (uint64_t)a.offset, y = (uint64_t)b.offset;

	if (op == 0x22 && a.base == EXPR_CONST) { /* plus commutes */
		struct expr_value t = a;

		a = b;
		b = t;
	}
	if (b.base != EXPR_CONST || a.loaded || (a.base != EXPR_CONST && op != 0x22 && op != 0x1c)) {
		s->bad = true;
		return;
	}
	switch (op) {
	case 0x1a:
		push(s, EXPR_CONST, (int64_t)(x & y));
		break;
	case 0x1c:
		push(s, a.base, (int64_t)(x - y));
		break;
	case 0x1e:
		push(s, EXPR_CONST, (int64_t)(x * y));
		break;
	case 0x21:
		push(s, EXPR_CONST, (int64_t)(x | y));
		break;
	case 0x22:
		push(s, a.base, (int64_t)(x + y));
		break;
	case 0x24:
		push(s, EXPR_CONST, y < 64 ? (int64_t)(x << y) : 0);
		break;
	case 0x25:
		push(s, EXPR_CONST, y < 64 ? (int64_t)(x >> y) : 0);
		break;
	case 0x2a:
		push(s, EXPR_CONST, a.offset >= b.offset);
		break;
	default:
		s->bad = true;
	}
}

static void step(struct stack *s, struct bytes *b, uintptr_t pc)
{
	uint8_t op = (uint8_t)bytes_uint(b, 1);

	if (op >= 0x30 && op <= 0x4f) { /* lit0..31 */
		push(s, EXPR_CONST, op - 0x30);
		return;
	}
	if (op >= 0x70 && op <= 0x8f) { /* breg0..31 */
		push_register(s, op - 0x70u, bytes_sleb(b), pc);
		return;
	}
	switch (op) {
	case 0x06:
		load(s);
		break;
	case 0x08:
	case 0x0a:
	case 0x0c:
	case 0x0e: /* const1u, 2u, 4u, 8u */
		push(s, EXPR_CONST, (int64_t)bytes_uint(b, 1u << (op - 0x08) / 2));
		break;
	case 0x09:
	case 0x0b:
	case 0x0d:
	case 0x0f: /* const1s, 2s, 4s, 8s */
		push(s, EXPR_CONST, bytes_int(b, 1u << (op - 0x09) / 2));
		break;
	case 0x10:
		push(s, EXPR_CONST, (int64_t)bytes_uleb(b));
		break;
	case 0x11:
		push(s, EXPR_CONST, bytes_sleb(b));
		break;
	case 0x23: /* plus_uconst */
		push(s, EXPR_CONST, (int64_t)bytes_uleb(b));
		binary(s, 0x22);
		break;
	case 0x92: { /* bregx */
		uint64_t reg = bytes_uleb(b);

		push_register(s, reg, bytes_sleb(b), pc);
		break;
	}
	case 0x96: /* nop */
		break;
	default:
		binary(s, op);
	}
}

bool expr_eval(const uint8_t *program, int32_t len, uintptr_t pc, struct expr_value *ret)
{
	struct bytes b = { program, program + len, false };
	struct stack s;

	s.n = 0;
	s.bad = false;
	while (b.at < b.end && !b.bad && !s.bad)
		step(&s, &b, pc);
	if (b.bad || s.bad || s.n == 0)
		return false;
	*ret = s.v[s.n - 1];
	return true;
}
