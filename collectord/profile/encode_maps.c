/* collectord/profile/encode_maps.c - see encode_maps.h.
 *
 * A snapshot knows a module's whole range; readers subtract start and add file offset, which is right for one
 * segment only.  So the segments are read from the file, if it is still the one that ran, else the range stands for
 * them. */
#include "collectord/profile/encode_maps.h"

#include <elfutils/libdwelf.h>
#include <errno.h>
#include <gelf.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collectord/profile/encode_frame.h"
#include "collectord/profile/plain_file.h"

#define PAGE 4096u

/* Backslash and newline as the kernel writes them; other bytes of a path stay, whatever they are.  No path is
 * longer than PATH_MAX, and readers do not take lines of any length. */
static void put_path(const char *path, FILE *out)
{
	for (const char *end = path + strnlen(path, PATH_MAX); path < end; path++)
		if (*path == '\n' || *path == '\\')
			fprintf(out, "\\%03o", (unsigned)*path);
		else
			fputc(*path, out);
}

static void put_line(const struct profile_mapping *m, uint64_t start, uint64_t end, uint64_t offset, FILE *out)
{
	fprintf(out, "%08" PRIx64 "-%08" PRIx64 " r-xp %08" PRIx64 " 00:00 0 ", start, end, offset);
	put_path(m->file, out);
	fputc('\n', out);
}

static bool same_build(Elf *elf, const char *hex)
{
	const void *id;
	ssize_t n = dwelf_elf_gnu_build_id(elf, &id);
	char want[3];

	if (n <= 0 || strlen(hex) != 2 * (size_t)n)
		return false;
	for (ssize_t i = 0; i < n; i++) {
		snprintf(want, sizeof(want), "%02x", ((const uint8_t *)id)[i]);
		if (memcmp(want, hex + 2 * i, 2))
			return false;
	}
	return true;
}

/* Lines of the executable segments; how many. */
static size_t put_segments(const struct profile_mapping *m, Elf *elf, FILE *out)
{
	size_t n = 0, put = 0;

	if (elf_getphdrnum(elf, &n))
		return 0;
	for (size_t i = 0; i < n; i++) {
		GElf_Phdr ph;
		uint64_t start, end;

		if (!gelf_getphdr(elf, (int)i, &ph) || ph.p_type != PT_LOAD || !(ph.p_flags & PF_X))
			continue;
		start = (ph.p_vaddr + m->bias) / PAGE * PAGE;
		end = (ph.p_vaddr + ph.p_memsz + m->bias + PAGE - 1) / PAGE * PAGE;
		put_line(m, start, end, ph.p_offset / PAGE * PAGE, out);
		put++;
	}
	return put;
}

/* How many lines the file of a mapping gave: none if it is not the one that ran. */
static size_t put_from_file(const struct profile_mapping *m, FILE *out)
{
	int fd = m->file[0] == '/' && *m->build_id ? plain_file_open(m->file) : -1;
	Elf *elf;
	size_t put = 0;

	if (fd < 0)
		return 0;
	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	if (elf && elf_kind(elf) == ELF_K_ELF && same_build(elf, m->build_id))
		put = put_segments(m, elf, out);
	elf_end(elf);
	close(fd);
	return put;
}

int encode_maps(const struct profile *p, FILE *out)
{
	bool *used = calloc(p->n_mappings + 1, sizeof(*used));

	if (!used)
		return -ENOMEM;
	used[0] = true;
	for (size_t i = 0; i < p->n_locations; i++)
		if (p->locations[i].mapping < p->n_mappings)
			used[p->locations[i].mapping] = true;
	for (size_t i = 0; i < p->n_mappings; i++) {
		const struct profile_mapping *m = &p->mappings[i];

		if (used[i] && !(p->origin && put_from_file(m, out)))
			put_line(m, m->start, m->limit, m->offset, out);
	}
	free(used);
	return 0;
}
