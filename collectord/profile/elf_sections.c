/* collectord/profile/elf_sections.c - see elf_sections.h. */
#include "collectord/profile/elf_sections.h"

#include <string.h>

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
