/* tests/unit/shim_cfi.c - rules against libdw: every row of .eh_frame of the objects at hand.
 *
 * Objects are mapped as the loader would, but nothing in them runs.  For each row libdw's own reading of the CFI is
 * evaluated on random registers and a random memory; applying our rule to the same must give the same CFA, return
 * address slot and frame pointer.  A row we call unsound must be one that no rule can express. */
#include <criterion/criterion.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <gelf.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include "preload/arch.h"
#include "preload/elfimage.h"

struct object {
	char *path;
	Elf *elf;
	Dwarf_CFI *cfi;
	uint8_t *base;
	size_t size;
	uintptr_t bias;
	struct cfi_image image;
	int fd;
};

static bool object_map(struct object *o)
{
	GElf_Phdr p;
	size_t n;

	cr_assert_eq(elf_getphdrnum(o->elf, &n), 0);
	for (size_t i = 0; i < n && gelf_getphdr(o->elf, (int)i, &p); i++)
		if (p.p_type == PT_LOAD) {
			o->bias = o->bias ? o->bias : (p.p_vaddr & ~4095ul) + 1;
			o->size = p.p_vaddr + p.p_memsz - (o->bias - 1);
		}
	o->base = mmap(NULL, o->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	cr_assert_neq(o->base, MAP_FAILED);
	o->bias = (uintptr_t)o->base - (o->bias - 1);
	for (size_t i = 0; i < n && gelf_getphdr(o->elf, (int)i, &p); i++)
		if (p.p_type == PT_LOAD)
			cr_assert_eq(pread(o->fd, (void *)(o->bias + p.p_vaddr), p.p_filesz, (off_t)p.p_offset),
				     (ssize_t)p.p_filesz);
	return true;
}

static bool object_open(struct object *o, const char *path)
{
	struct module_info info;
	struct elf_object elf;

	*o = (struct object){ .path = strdup(path), .fd = open(path, O_RDONLY | O_CLOEXEC) };
	if (o->fd < 0)
		return false;
	elf_version(EV_CURRENT);
	o->elf = elf_begin(o->fd, ELF_C_READ_MMAP, NULL);
	o->cfi = dwarf_getcfi_elf(o->elf);
	if (!o->cfi || !object_map(o))
		return false;
	elf = (struct elf_object){ .bias = o->bias,
				   .start = (uintptr_t)o->base,
				   .end = (uintptr_t)o->base + o->size };
	elf.n = elf_headers(elf.start, &elf.phdrs);
	return elf_image(&elf, &o->image, &info) && o->image.hdr;
}

static void object_close(struct object *o)
{
	if (o->base)
		munmap(o->base, o->size);
	dwarf_cfi_end(o->cfi);
	elf_end(o->elf);
	close(o->fd);
	free(o->path);
}

/* A machine state to try rules on: registers, and a memory whose word at any address is a hash of it. */
struct state {
	uint64_t sp, fp, pc;
};

static uint64_t memory(uint64_t at)
{
	at = (at ^ 0x5555) * 0x9e3779b97f4a7c15ull;
	return at ^ at >> 29;
}

struct stack {
	uint64_t v[64];
	unsigned n;
	bool unknown; /* rests on a register a rule cannot name */
};

static void push_register(struct stack *s, const struct state *m, uint64_t reg, uint64_t offset)
{
	s->unknown |= reg != ARCH_REG_SP && reg != ARCH_REG_FP && reg != ARCH_REG_RA;
	s->v[s->n++] = offset + (reg == ARCH_REG_SP ? m->sp : reg == ARCH_REG_FP ? m->fp : m->pc);
}

static void binary(struct stack *s, uint8_t op)
{
	uint64_t b = s->v[--s->n], a = s->v[--s->n];

	s->unknown |= op != DW_OP_plus && op != DW_OP_minus && op != DW_OP_and && op != DW_OP_shl && op != DW_OP_ge;
	s->v[s->n++] = op == DW_OP_plus    ? a + b
		       : op == DW_OP_minus ? a - b
		       : op == DW_OP_and   ? a & b
		       : op == DW_OP_shl   ? a << b
					   : (int64_t)a >= (int64_t)b;
}

/* The address (or value) a list of operations computes. */
static uint64_t evaluate(const Dwarf_Op *ops, size_t n, const struct state *m, uint64_t cfa, struct stack *s)
{
	s->n = 0;
	for (size_t i = 0; i < n; i++) {
		uint8_t op = ops[i].atom;

		if (op >= DW_OP_lit0 && op <= DW_OP_lit31)
			s->v[s->n++] = op - DW_OP_lit0;
		else if (op >= DW_OP_breg0 && op <= DW_OP_breg31)
			push_register(s, m, op - DW_OP_breg0, ops[i].number);
		else if (op == DW_OP_bregx)
			push_register(s, m, ops[i].number, ops[i].number2);
		else if (op == DW_OP_call_frame_cfa)
			s->v[s->n++] = cfa;
		else if (op == DW_OP_plus_uconst)
			s->v[s->n - 1] += ops[i].number;
		else if (op == DW_OP_deref) {
			s->v[s->n - 1] = memory(s->v[s->n - 1]);
			s->unknown |= i + 1 < n; /* arithmetic on a loaded value: libcrypto's assembly */
		} else if (op == DW_OP_stack_value || op == DW_OP_regx || (op >= DW_OP_reg0 && op <= DW_OP_reg31))
			s->unknown = true;
		else
			binary(s, op);
	}
	return s->n ? s->v[s->n - 1] : 0;
}

/* What a frame's caller looks like: by libdw, and by our rule. */
struct caller {
	bool end, inexpressible;
	uint64_t cfa, ra_slot, fp;
};

static struct caller by_libdw(Dwarf_Frame *frame, const struct state *m)
{
	Dwarf_Op mem[3], *ops;
	struct stack s = { .unknown = false };
	struct caller c = { .end = false };
	size_t n;

	cr_assert_eq(dwarf_frame_register(frame, ARCH_REG_RA, mem, &ops, &n), 0);
	c.end = ops && n == 0; /* undefined; a null pointer would mean untouched */
	if (c.end)
		return c;
	cr_assert_eq(dwarf_frame_cfa(frame, &ops, &n), 0);
	c.cfa = evaluate(ops, n, m, 0, &s);
	cr_assert_eq(dwarf_frame_register(frame, ARCH_REG_RA, mem, &ops, &n), 0);
	c.ra_slot = evaluate(ops, n, m, c.cfa, &s);
	c.inexpressible = s.unknown || n == 0;
	cr_assert_eq(dwarf_frame_register(frame, ARCH_REG_FP, mem, &ops, &n), 0);
	c.fp = n ? memory(evaluate(ops, n, m, c.cfa, &s)) : m->fp;
	c.inexpressible |= s.unknown || (ops && n == 0);
	return c;
}

static struct caller by_rule(struct rule r, const struct state *m)
{
	struct caller c = { .end = rule_kind(r) == RULE_END, .inexpressible = rule_kind(r) == RULE_UNSOUND };
	uint64_t from_sp = m->sp + (uint64_t)(rule_cfa(r) * 8l), from_fp = m->fp + (uint64_t)(rule_cfa(r) * 8l);

	c.cfa = rule_kind(r) == RULE_SP                                          ? from_sp
		: rule_kind(r) == RULE_FP                                        ? from_fp
		: rule_kind(r) == RULE_AT_FP || rule_kind(r) == RULE_AT_FP_CHAIN ? memory(from_fp)
										 : memory(from_sp);
	c.ra_slot = rule_kind(r) == RULE_SIGNAL ? from_sp + ARCH_SIGNAL_IP : arch_ra_slot(r, c.cfa);
	c.fp = arch_saves_fp(r) ? memory(arch_fp_slot(r, c.cfa)) : m->fp;
	if (rule_kind(r) == RULE_SIGNAL)
		c.fp = memory(from_sp + (uint64_t)ARCH_SIGNAL_FP);
	if (rule_kind(r) == RULE_AT_FP_CHAIN)
		c.fp = memory(m->fp);
	return c;
}

struct tally {
	unsigned long rows, inexpressible, wrong;
};

static void check_row(struct object *o, Dwarf_Frame *frame, uint64_t pc, struct tally *t)
{
	struct state m = { memory(pc) & ~7ul, memory(pc + 1) & ~7ul, o->bias + pc };
	struct caller want = by_libdw(frame, &m), got = by_rule(cfi_rule(&o->image, o->bias + pc), &m);
	bool same = want.end ? got.end
			     : !got.end && got.cfa == want.cfa && got.ra_slot == want.ra_slot && got.fp == want.fp;

	t->rows++;
	if (got.inexpressible && want.inexpressible)
		t->inexpressible++;
	else if (got.inexpressible || !same) {
		t->wrong++;
		cr_log_warn("%s: row at %#lx: cfa %#lx, libdw %#lx%s", o->path, pc, got.cfa, want.cfa,
			    got.inexpressible ? " (called unsound)" : "");
	}
}

/* The rows of the function at `pc`, first and last addresses of each. */
static void check_function(struct object *o, uint64_t pc, uint64_t limit, struct tally *t)
{
	Dwarf_Frame *frame;

	while (pc < limit && dwarf_cfi_addrframe(o->cfi, pc, &frame) == 0) {
		Dwarf_Addr start, end;
		bool signal;

		cr_assert_geq(dwarf_frame_info(frame, &start, &end, &signal), 0);
		check_row(o, frame, pc, t);
		/* All the offsets into 16 bytes: the rows of PLTs depend on them. */
		for (uint64_t at = end - pc > 256 ? end - 16 : end - 1; at < end; at++)
			check_row(o, frame, at, t);
		free(frame);
		pc = end;
	}
}

static struct tally check_object(const char *path)
{
	struct tally t = { 0 };
	struct object o;

	if (object_open(&o, path)) {
		const int32_t *table = (const int32_t *)(o.image.hdr + 12);
		uint32_t n = *(const uint32_t *)(o.image.hdr + 8);
		uint64_t hdr = (uintptr_t)o.image.hdr - o.bias;

		for (uint32_t i = 0; i < n; i++)
			check_function(&o, hdr + (uint64_t)table[2 * i],
				       i + 1 < n ? hdr + (uint64_t)table[2 * i + 2] : UINT64_MAX, &t);
		cr_log_info("%s: %lu rows, %lu inexpressible, %lu wrong", path, t.rows, t.inexpressible, t.wrong);
	}
	object_close(&o);
	return t;
}

static int check_loaded(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct tally *sum = arg, t;

	(void)size;
	if (info->dlpi_name[0] != '/')
		return 0;
	t = check_object(info->dlpi_name);
	sum->rows += t.rows;
	sum->inexpressible += t.inexpressible;
	sum->wrong += t.wrong;
	return 0;
}

Test(cfi, rules_say_what_libdw_says_of_every_row, .timeout = 170)
{
	static const char *const programs[] = { "/proc/self/exe", "/usr/bin/python3", "/usr/bin/git",
						"/usr/bin/perl", "/usr/bin/redis-server" };
	struct tally sum = { 0 };

	dl_iterate_phdr(check_loaded, &sum);
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		struct tally t = check_object(programs[i]);

		sum.rows += t.rows;
		sum.inexpressible += t.inexpressible;
		sum.wrong += t.wrong;
	}
	cr_assert_gt(sum.rows, 20000, "libc alone has more rows");
	cr_assert_eq(sum.wrong, 0);
	cr_assert_lt(sum.inexpressible, sum.rows / 200, "%lu of %lu rows", sum.inexpressible, sum.rows);
}
