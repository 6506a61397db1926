/* preload/row.c - say a CFI row as a rule, if a rule can say it.
 *
 * A row may place each register anywhere; a rule knows the few places that compilers, the kernel and libc use. */
#include "preload/arch.h"
#include "preload/cfi.h"

/* The CFA as base and offset. */
static bool cfa_value(const struct cfa_row *row, uintptr_t pc, struct expr_value *ret)
{
	if (row->cfa_expr)
		return expr_eval(row->cfa_expr, row->cfa_offset, pc, ret);
	if (row->cfa_reg != ARCH_REG_SP && row->cfa_reg != ARCH_REG_FP)
		return false;
	ret->base = row->cfa_reg == ARCH_REG_SP ? EXPR_SP : EXPR_FP;
	ret->loaded = false;
	ret->offset = row->cfa_offset;
	return true;
}

/* Where a column's register is saved, as an address; false if it is not in memory. */
static bool column_value(const struct cfa_column *c, uintptr_t pc, struct expr_value *ret)
{
	return c->kind == COL_EXPR && expr_eval(c->expr, c->offset, pc, ret) && !ret->loaded;
}

/* Bytes from the CFA to where the column is saved; 0 = untouched. */
static bool column_offset(const struct cfa_column *c, const struct expr_value *cfa, uintptr_t pc, int64_t *ret)
{
	struct expr_value v;

	if (c->kind == COL_SAME) {
		*ret = 0;
	} else if (c->kind == COL_OFFSET) {
		*ret = c->offset;
	} else {
		if (!column_value(c, pc, &v) || cfa->loaded || v.base != cfa->base)
			return false;
		*ret = (int64_t)((uint64_t)v.offset - (uint64_t)cfa->offset);
	}
	return true;
}

/* The kernel's frame: everything is saved relative to sp, in the order the architecture's header says. */
static bool is_signal_frame(const struct cfa_row *row, const struct expr_value *cfa, uintptr_t pc)
{
	struct expr_value fp, ra;

	return cfa->loaded && cfa->base == EXPR_SP && column_value(&row->fp, pc, &fp) && fp.base == EXPR_SP &&
	       fp.offset == cfa->offset + ARCH_SIGNAL_FP && column_value(&row->ra, pc, &ra) && ra.base == EXPR_SP &&
	       ra.offset == cfa->offset + ARCH_SIGNAL_IP;
}

static bool is_fp_chain(const struct cfa_row *row, const struct expr_value *cfa, uintptr_t pc)
{
	struct expr_value fp;

	return cfa->loaded && cfa->base == EXPR_FP && column_value(&row->fp, pc, &fp) && fp.base == EXPR_FP &&
	       fp.offset == 0;
}

/* Of a frame that is neither the kernel's nor the outermost. */
static struct rule ordinary_rule(const struct cfa_row *row, const struct expr_value *cfa, uintptr_t pc)
{
	bool chain = is_fp_chain(row, cfa, pc), lone_ra;
	enum rule_kind kind;
	int64_t fp = 0, ra;
	uint32_t slot;

	if (!column_offset(&row->ra, cfa, pc, &ra) || (!chain && !column_offset(&row->fp, cfa, pc, &fp)) ||
	    !arch_rule_slots(ra, fp, cfa->loaded ? 0 : cfa->offset / 8, &slot, &lone_ra))
		return rule_bare(RULE_UNSOUND);
	if (!cfa->loaded)
		kind = cfa->base == EXPR_SP ? RULE_SP : RULE_FP;
	else if (cfa->base == EXPR_SP)
		kind = RULE_AT_SP;
	else
		kind = chain ? RULE_AT_FP_CHAIN : RULE_AT_FP;
	return rule_make(kind, cfa->offset / 8, slot, lone_ra);
}

struct rule cfa_rule(const struct cfa_row *row, bool signal, uintptr_t pc)
{
	struct expr_value cfa;

	if (row->ra.kind == COL_UNDEFINED)
		return rule_bare(RULE_END);
	if (!cfa_value(row, pc, &cfa) || cfa.base == EXPR_CONST || cfa.offset % 8 ||
	    cfa.offset != (int32_t)cfa.offset)
		return rule_bare(RULE_UNSOUND);
	if (!signal)
		return ordinary_rule(row, &cfa, pc);
	if (ARCH_SIGNAL_SP)
		return rule_make(RULE_SIGNAL, ARCH_SIGNAL_SP, 0, false);
	return rule_make(is_signal_frame(row, &cfa, pc) ? RULE_SIGNAL : RULE_UNSOUND, cfa.offset / 8, 0, false);
}
