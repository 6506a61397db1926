/* preload/cfi.h - call frame information: from an object's .eh_frame_hdr to the rule of one code address.
 *
 * Any thread, also in signal handlers: pure reading of the object's mapped sections, bounded by the image's
 * segments whatever the bytes say; 0.7 KiB of stack, no call out.  Cost: about 0.3 us, once per code address. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "preload/arch.h"
#include "preload/bytes.h"

#define CFI_SEGMENTS 6u

/* Readable parts of one loaded object; CFI outside them is taken as malformed. */
struct cfi_image {
	const uint8_t *hdr; /* .eh_frame_hdr; NULL: the object has none */
	uint32_t n_segments;
	struct cfi_segment {
		uintptr_t start, end;
	} segments[CFI_SEGMENTS];
};

/* The rule of the instruction at `pc`.  Never RULE_NONE: RULE_NO_CFI or RULE_UNSOUND say why there is none. */
struct rule cfi_rule(const struct cfi_image *image, uintptr_t pc);

/* What cfi.c found out about the function at a pc, and cfa.c runs. */
struct cfi_function {
	struct bytes initial, program; /* CFA programs of CIE and FDE */
	uintptr_t start;
	uintptr_t data;      /* base of datarel pointers */
	uint64_t code_align; /* factors of the CIE */
	int64_t data_align;
	uint8_t pointer_enc;
	bool signal; /* 'S': a signal frame */
};

/* A row of the table that CFI describes, as far as it matters here. */
enum column_kind {
	COL_SAME = 0,  /* untouched, or never mentioned */
	COL_OFFSET,    /* at CFA + offset */
	COL_EXPR,      /* at the address an expression gives */
	COL_UNDEFINED, /* gone; for the return address: outermost frame */
	COL_OTHER,     /* in another register, or a computed value: no rule says that */
};

struct cfa_column {
	const uint8_t *expr;
	int32_t offset; /* COL_OFFSET; COL_EXPR: its length */
	uint8_t kind;   /* enum column_kind */
};

struct cfa_row {
	struct cfa_column fp, ra;
	const uint8_t *cfa_expr; /* NULL: cfa_reg + cfa_offset */
	int32_t cfa_offset;      /* with an expression: its length */
	uint32_t cfa_reg;
};

/* cfa.c: run the programs up to `pc`.  False if they are malformed. */
bool cfa_row(const struct cfi_function *fn, uintptr_t pc, struct cfa_row *ret);

/* row.c: the row of `pc` as a rule. */
struct rule cfa_rule(const struct cfa_row *row, bool signal, uintptr_t pc);

/* expr.c: the value of a DWARF expression of the few shapes CFI uses: base + offset, perhaps loaded from there. */
enum expr_base {
	EXPR_CONST,
	EXPR_SP,
	EXPR_FP,
};
struct expr_value {
	uint8_t base; /* enum expr_base */
	bool loaded;  /* the value is the word at base + offset */
	int64_t offset;
};
bool expr_eval(const uint8_t *program, int32_t len, uintptr_t pc, struct expr_value *ret);
