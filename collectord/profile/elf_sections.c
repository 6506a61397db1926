/* collectord/profile/elf_sections.c - see elf_sections.h. */
#include "collectord/profile/elf_sections.h"

#include <string.h>

#define OLD_PREFIX ".zdebug_"
#define MAX_RATIO 64     /* strings of C++ come to 10 */
#define ROOM (64u << 10) /* small sections may be mostly zeros */

bool elf_is_known(Elf *elf)
{
	GElf_Ehdr header;

	return gelf_getehdr(elf, &header) && header.e_ident[EI_CLASS] == ELFCLASS64 &&
	       header.e_ident[EI_DATA] == ELFDATA2LSB;
}

static bool has_name(Elf *elf, size_t names, const GElf_Shdr *header, const char *want)
{
	const char *name = elf_strptr(elf, names, header->sh_name);

	return name && !strcmp(name, want);
}

bool elf_section_named(Elf *elf, const char *name, struct elf_section *ret)
{
	Elf_Scn *section = NULL;
	Elf_Data *data;
	GElf_Shdr h;
	size_t names;

	if (!elf_is_known(elf) || elf_getshdrstrndx(elf, &names))
		return false;
	while ((section = elf_nextscn(elf, section))) {
		if (!gelf_getshdr(section, &h) || h.sh_type == SHT_NOBITS || !has_name(elf, names, &h, name))
			continue;
		data = elf_rawdata(section, NULL);
		if (!data || !data->d_buf || !data->d_size)
			return false;
		*ret = (struct elf_section){ h.sh_addr, data->d_buf, data->d_size, h.sh_entsize };
		return true;
	}
	return false;
}

/* What a section claims to be when unpacked: by its header, or by the first bytes of an old ".zdebug_". */
static uint64_t claimed_size(Elf_Scn *section, const GElf_Shdr *h, const char *name)
{
	Elf_Data *data;
	GElf_Chdr ch;
	uint64_t size = 0;

	if (h->sh_flags & SHF_COMPRESSED)
		return gelf_getchdr(section, &ch) ? ch.ch_size : 0;
	data = !strncmp(name, OLD_PREFIX, sizeof(OLD_PREFIX) - 1) ? elf_rawdata(section, NULL) : NULL;
	if (!data || !data->d_buf || data->d_size < 12)
		return 0;
	for (int i = 4; i < 12; i++)
		size = size << 8 | ((const uint8_t *)data->d_buf)[i];
	return size;
}

bool elf_is_bomb(Elf *elf)
{
	Elf_Scn *section = NULL;
	GElf_Shdr h;
	size_t names;

	if (elf_getshdrstrndx(elf, &names))
		return false;
	while ((section = elf_nextscn(elf, section))) {
		const char *name = gelf_getshdr(section, &h) ? elf_strptr(elf, names, h.sh_name) : NULL;

		if (name && claimed_size(section, &h, name) / MAX_RATIO > h.sh_size + ROOM)
			return true;
	}
	return false;
}
