/* preload/cfa.c - run a CFA program to the row of one pc.
 *
 * Only three columns matter: the CFA, the frame pointer and the return address; the others are read over.  A row
 * is kept small because remember_state stacks them; compilers do not nest it. */
#include "preload/arch.h"
#include "preload/cfi.h"

#define REMEMBERED 3u

struct machine {
	const struct cfi_function *fn;
	struct cfa_row row, initial, saved[REMEMBERED];
	uint32_t n_saved;
	uintptr_t loc, pc;
	bool bad, reached; /* reached: the next row begins past pc */
};

/* The column of a register, or NULL for one we do not track. */
static struct cfa_column *column_of(struct cfa_row *row, uint64_t reg)
{
	return reg == ARCH_REG_FP ? &row->fp : reg == ARCH_REG_RA ? &row->ra : NULL;
}

/* No frame is larger than 2 GiB; a program that says so is malformed. */
static int32_t narrow(struct machine *m, int64_t n)
{
	if (n != (int32_t)n)
		m->bad = true;
	return (int32_t)n;
}

static void set(struct machine *m, uint64_t reg, uint8_t kind, int64_t offset, const uint8_t *expr)
{
	struct cfa_column *c = column_of(&m->row, reg);

	if (!c)
		return;
	c->kind = kind;
	c->offset = narrow(m, offset);
	c->expr = expr;
}

static void restore(struct machine *m, uint64_t reg)
{
	struct cfa_column *c = column_of(&m->row, reg);

	if (c)
		*c = *column_of(&m->initial, reg);
}

static void move_to(struct machine *m, uintptr_t loc)
{
	if (loc > m->pc)
		m->reached = true;
	m->loc = loc;
}

static int64_t factored(const struct machine *m, int64_t n)
{
	return (int64_t)((uint64_t)n * (uint64_t)m->fn->data_align);
}

static void remember(struct machine *m)
{
	if (m->n_saved == REMEMBERED)
		m->bad = true;
	else
		m->saved[m->n_saved++] = m->row;
}

static void recall(struct machine *m)
{
	if (m->n_saved == 0)
		m->bad = true;
	else
		m->row = m->saved[--m->n_saved];
}

static void def_cfa(struct machine *m, uint64_t reg, int64_t offset)
{
	m->row.cfa_expr = NULL;
	m->row.cfa_reg = reg > UINT32_MAX ? UINT32_MAX : (uint32_t)reg;
	m->row.cfa_offset = narrow(m, offset);
}

/* An expression operand: its bytes stay where they are; *ret_len is its length. */
static const uint8_t *block(struct bytes *b, int64_t *ret_len)
{
	uint64_t len = bytes_uleb(b);
	const uint8_t *at = b->at;

	*ret_len = bytes_skip(b, len) ? (int64_t)len : 0;
	return at;
}

/* Opcodes that concern the CFA and the location; false if `op` is none of them.  Numbers: DWARF 5, 7.24. */
static bool step_cfa(struct machine *m, struct bytes *b, uint8_t op)
{
	uint64_t reg;
	int64_t len;

	switch (op) {
	case 0x01: /* set_loc */
		move_to(m, bytes_pointer(b, m->fn->pointer_enc, m->fn->data));
		return true;
	case 0x02:
	case 0x03:
	case 0x04: /* advance_loc1, 2, 4 */
		move_to(m, m->loc + bytes_uint(b, 1u << (op - 2)) * m->fn->code_align);
		return true;
	case 0x0c: /* def_cfa */
		reg = bytes_uleb(b);
		def_cfa(m, reg, (int64_t)bytes_uleb(b));
		return true;
	case 0x12: /* def_cfa_sf */
		reg = bytes_uleb(b);
		def_cfa(m, reg, factored(m, bytes_sleb(b)));
		return true;
	case 0x0d: /* def_cfa_register */
		def_cfa(m, bytes_uleb(b), m->row.cfa_expr ? 0 : m->row.cfa_offset);
		return true;
	case 0x0e: /* def_cfa_offset */
		def_cfa(m, m->row.cfa_reg, (int64_t)bytes_uleb(b));
		return true;
	case 0x13: /* def_cfa_offset_sf */
		def_cfa(m, m->row.cfa_reg, factored(m, bytes_sleb(b)));
		return true;
	case 0x0f: /* def_cfa_expression */
		m->row.cfa_expr = block(b, &len);
		m->row.cfa_offset = narrow(m, len);
		return true;
	default:
		return false;
	}
}

/* Opcodes that concern one register's column, and the few without effect here. */
static void step_register(struct machine *m, struct bytes *b, uint8_t op)
{
	uint64_t reg = op == 0x00 || op == 0x0a || op == 0x0b || op == 0x2d || op == 0x2e ? 0 : bytes_uleb(b);
	const uint8_t *expr;
	int64_t len;

	switch (op) {
	case 0x00: /* nop */
	case 0x2d: /* AARCH64_negate_ra_state: return addresses are always stripped */
		break;
	case 0x2e: /* GNU_args_size: the CFA says it already */
		bytes_uleb(b);
		break;
	case 0x05: /* offset_extended */
		set(m, reg, COL_OFFSET, factored(m, (int64_t)bytes_uleb(b)), NULL);
		break;
	case 0x11: /* offset_extended_sf */
		set(m, reg, COL_OFFSET, factored(m, bytes_sleb(b)), NULL);
		break;
	case 0x2f: /* GNU_negative_offset_extended */
		set(m, reg, COL_OFFSET, factored(m, -(int64_t)bytes_uleb(b)), NULL);
		break;
	case 0x06: /* restore_extended */
		restore(m, reg);
		break;
	case 0x07:
		set(m, reg, COL_UNDEFINED, 0, NULL);
		break;
	case 0x08:
		set(m, reg, COL_SAME, 0, NULL);
		break;
	case 0x0a:
		remember(m);
		break;
	case 0x0b:
		recall(m);
		break;
	case 0x10: /* expression */
		expr = block(b, &len);
		set(m, reg, COL_EXPR, len, expr);
		break;
	case 0x16: /* val_expression */
		block(b, &len);
		set(m, reg, COL_OTHER, 0, NULL);
		break;
	case 0x09: /* register */
	case 0x14: /* val_offset */
	case 0x15: /* val_offset_sf: signed or not, the operand is as long */
		bytes_uleb(b);
		set(m, reg, COL_OTHER, 0, NULL);
		break;
	default:
		m->bad = true;
	}
}

/* What long programs consist of, in registers: advance_loc, advance_loc1 and 2, def_cfa_offset with an operand of
 * one or two bytes, remember_state and restore_state.  Stops before any other, before what may not fit, and where
 * the CFA is an expression. */
static inline void run_common(struct machine *m, struct bytes *b)
{
	const uint64_t align = m->fn->code_align;
	const uint8_t *at = b->at;
	uintptr_t loc = m->loc;
	int32_t offset = m->row.cfa_offset;

	while (b->end - at >= 3 && loc <= m->pc) {
		bool two = at[1] & 0x80;

		if ((at[0] & 0xc0) == 0x40) {
			loc += (at[0] & 0x3f) * align;
			at++;
		} else if (at[0] == 0x0e && !(two && at[2] & 0x80)) {
			offset = two ? (at[1] & 0x7f) | at[2] << 7 : at[1];
			at += two ? 3 : 2;
		} else if (at[0] == 0x02) {
			loc += at[1] * align;
			at += 2;
		} else if (at[0] == 0x03) {
			loc += (uint32_t)(at[1] | at[2] << 8) * align;
			at += 3;
		} else if (at[0] == 0x0a && m->n_saved < REMEMBERED) {
			m->row.cfa_offset = offset;
			remember(m);
			at++;
		} else if (at[0] == 0x0b && m->n_saved && !m->saved[m->n_saved - 1].cfa_expr) {
			recall(m);
			offset = m->row.cfa_offset;
			at++;
		} else {
			break;
		}
	}
	b->at = at;
	m->row.cfa_offset = offset;
	move_to(m, loc);
}

static void run(struct machine *m, struct bytes b)
{
	for (;;) {
		uint8_t op, low;

		if (!m->row.cfa_expr)
			run_common(m, &b);
		if (b.at >= b.end || b.bad || m->bad || m->reached)
			break;
		op = (uint8_t)bytes_uint(&b, 1);
		low = op & 0x3f;
		switch (op & 0xc0) {
		case 0x40: /* advance_loc */
			move_to(m, m->loc + low * m->fn->code_align);
			break;
		case 0x80: /* offset */
			set(m, low, COL_OFFSET, factored(m, (int64_t)bytes_uleb(&b)), NULL);
			break;
		case 0xc0:
			restore(m, low);
			break;
		default:
			if (!step_cfa(m, &b, op))
				step_register(m, &b, op);
		}
	}
	m->bad |= b.bad;
}

bool cfa_row(const struct cfi_function *fn, uintptr_t pc, struct cfa_row *ret)
{
	/* Field by field: a whole initializer would clear the remembered rows, too. */
	struct machine m;

	m.fn = fn;
	m.n_saved = 0;
	m.loc = fn->start;
	m.pc = UINTPTR_MAX; /* the CIE's program holds for every pc */
	m.bad = m.reached = false;
	m.row = (struct cfa_row){ .cfa_reg = UINT32_MAX };
	m.initial = m.row;
	run(&m, fn->initial);
	m.initial = m.row;
	m.pc = pc;
	m.loc = fn->start;
	run(&m, fn->program);
	*ret = m.row;
	return !m.bad;
}
