/* collectord/profile/symbolize_foreign.c - see symbolize_foreign.h.
 *
 * A pprof mapping says which bytes of a file lie where, not by how much the file's addresses were moved: that
 * follows from the segment those bytes are of.  The build-id that is missing is lent for the time of symbolization.
 */
#include "collectord/profile/symbolize_foreign.h"

#include <elfutils/libdwelf.h>
#include <errno.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "collectord/profile/module_file.h"

#define PAGE 4096u

/* The segment that the mapping's first byte is of; executable ones first, as a page may belong to two. */
static bool find_segment(Elf *elf, uint64_t offset, GElf_Phdr *ret)
{
	size_t n = 0;

	if (elf_getphdrnum(elf, &n))
		return false;
	for (int executable = 1; executable >= 0; executable--)
		for (size_t i = 0; i < n; i++)
			if (gelf_getphdr(elf, (int)i, ret) && ret->p_type == PT_LOAD &&
			    (!executable || ret->p_flags & PF_X) && offset >= ret->p_offset / PAGE * PAGE &&
			    offset - ret->p_offset / PAGE * PAGE < ret->p_filesz + PAGE)
				return true;
	return false;
}

/* 0, or -ENOMEM. */
static int lend_build_id(struct profile *p, Elf *elf, struct profile_mapping *m)
{
	const unsigned char *id;
	const void *note;
	ssize_t n = dwelf_elf_gnu_build_id(elf, &note);
	char hex[2 * 64 + 1] = "";

	if (*m->build_id || n <= 0 || n > 64)
		return 0;
	id = note;
	for (ssize_t i = 0; i < n; i++)
		snprintf(hex + 2 * i, 3, "%02x", id[i]);
	m->build_id = profile_string(p, hex);
	return m->build_id ? 0 : -ENOMEM;
}

/* 0, also if there is no such file: that is told by who looks for names.  Or -ENOMEM. */
static int place(struct profile *p, struct profile_mapping *m)
{
	const char *why;
	int fd = module_open(m, p->time_nanos ? p->time_nanos : INT64_MAX, &why), r = 0;
	GElf_Phdr ph;
	Elf *elf;

	if (fd < 0)
		return 0;
	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	if (elf && elf_kind(elf) == ELF_K_ELF && find_segment(elf, m->offset, &ph)) {
		m->bias = m->start - m->offset - (ph.p_vaddr - ph.p_offset);
		r = lend_build_id(p, elf, m);
	}
	elf_end(elf);
	close(fd);
	return r;
}

int profile_symbolize_foreign(struct profile *p, const struct symbolize_options *o, struct symbolize_stats *ret)
{
	struct symbolize_options foreign = *o;
	const char **ids = calloc(p->n_mappings + 1, sizeof(*ids));
	int r = ids ? 0 : -ENOMEM;

	foreign.is_foreign = true;
	for (size_t i = 0; i < p->n_mappings && !r; i++) {
		ids[i] = p->mappings[i].build_id;
		if (*p->mappings[i].file == '/' && p->mappings[i].limit && !mapping_is_named(&p->mappings[i]))
			r = place(p, &p->mappings[i]);
	}
	if (!r)
		r = profile_symbolize(p, &foreign, ret);
	for (size_t i = 0; ids && i < p->n_mappings; i++)
		if (ids[i])
			p->mappings[i].build_id = ids[i];
	free(ids);
	return r;
}
