/* collectord/profile/dwarf_abbrevs.h - the abbreviations of a unit, prepared for stepping over its entries. */
#pragma once

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stdint.h>

struct dwarf_abbrev {
	uint32_t first_form, n_forms; /* in dwarf_abbrevs.forms */
	int32_t fixed;                /* bytes of all attributes together, or -1: depends */
	uint32_t sibling;             /* forms before DW_AT_sibling, or n_forms: it has none */
	uint16_t tag;
	bool has_children, has_code, exists;
};

struct dwarf_abbrevs {
	struct dwarf_abbrev *at; /* by code */
	uint16_t *forms;
	size_t n;
	uint32_t n_forms;
	size_t cap_forms;
	uint8_t address_size, offset_size, version;
};

/* Read those of `unit`.  0, 1 if they are damaged or beyond all measure, or -ENOMEM. */
int dwarf_abbrevs_read(struct dwarf_abbrevs *t, const Dwarf_Die *unit);
void dwarf_abbrevs_done(struct dwarf_abbrevs *t);

/* The byte after an attribute of this form at `p`; NULL if that is beyond `end` or the form is not known. */
const uint8_t *dwarf_skip_form(const struct dwarf_abbrevs *t, uint16_t form, const uint8_t *p, const uint8_t *end);

/* *at moves over a LEB128 number; false if it does not end before `end`. */
bool dwarf_read_uleb(const uint8_t **at, const uint8_t *end, uint64_t *ret);
