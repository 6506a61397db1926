/* preload/elfimage.c - program headers to segments, .eh_frame_hdr and build-id; see elfimage.h. */
#include "preload/elfimage.h"

#define PAGE 4096u
#define MAX_HEADERS 64u

static bool contains(const struct cfi_image *image, uintptr_t at, uint64_t len)
{
	for (uint32_t i = 0; i < image->n_segments; i++) {
		const struct cfi_segment *s = &image->segments[i];

		if (at >= s->start && at < s->end && len <= s->end - at)
			return true;
	}
	return false;
}

static void add_load(const struct elf_object *o, const ElfW(Phdr) * p, struct cfi_image *image,
		     struct module_info *m)
{
	uintptr_t start = o->bias + p->p_vaddr, end = start + p->p_memsz;

	if (end <= start || start < o->start || end > o->end || p->p_filesz > p->p_memsz)
		return;
	if (start < m->start)
		m->start = start & ~(uintptr_t)(PAGE - 1);
	if (end > m->end)
		m->end = (end + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
	if (p->p_flags & PF_R && p->p_filesz && image->n_segments < CFI_SEGMENTS)
		image->segments[image->n_segments++] = (struct cfi_segment){ start, start + p->p_filesz };
}

/* Look through one PT_NOTE for NT_GNU_BUILD_ID. */
static void read_notes(const uint8_t *at, uint64_t len, uint64_t align, struct module_info *m)
{
	struct bytes b = { at, at + len, false };
	uint64_t pad = align == 8 ? 7 : 3;

	while (b.at < b.end && !b.bad) {
		uint64_t name_len = bytes_uint(&b, 4), desc_len = bytes_uint(&b, 4), type = bytes_uint(&b, 4);
		const uint8_t *name = b.at;
		const uint8_t *desc;

		bytes_skip(&b, (name_len + pad) & ~pad);
		desc = b.at;
		bytes_skip(&b, desc_len);
		if (b.bad)
			return;
		if (type == NT_GNU_BUILD_ID && name_len == 4 && name[0] == 'G' && name[1] == 'N' &&
		    name[2] == 'U' && desc_len <= ABI_BUILD_ID_MAX) {
			m->build_id_len = (uint32_t)desc_len;
			for (uint32_t i = 0; i < desc_len; i++)
				m->build_id[i] = desc[i];
			return;
		}
		bytes_skip(&b, -desc_len & pad);
	}
}

bool elf_image(const struct elf_object *o, struct cfi_image *ret_image, struct module_info *ret_module)
{
	ret_image->hdr = NULL;
	ret_image->n_segments = 0;
	ret_module->start = UINTPTR_MAX;
	ret_module->end = 0;
	ret_module->bias = o->bias;
	ret_module->build_id_len = 0;
	for (unsigned i = 0; i < o->n; i++)
		if (o->phdrs[i].p_type == PT_LOAD)
			add_load(o, &o->phdrs[i], ret_image, ret_module);
	for (unsigned i = 0; i < o->n; i++) {
		const ElfW(Phdr) *p = &o->phdrs[i];
		uintptr_t at = o->bias + p->p_vaddr;

		if (p->p_type == PT_GNU_EH_FRAME && contains(ret_image, at, 1))
			ret_image->hdr = (const uint8_t *)at;
		if (p->p_type == PT_NOTE && ret_module->build_id_len == 0 && contains(ret_image, at, p->p_filesz))
			read_notes((const uint8_t *)at, p->p_filesz, p->p_align, ret_module);
	}
	return ret_module->start < ret_module->end;
}

unsigned elf_headers(uintptr_t start, const ElfW(Phdr) * *ret_phdrs)
{
	const ElfW(Ehdr) *e = (const ElfW(Ehdr) *)start;

	if (start % PAGE || e->e_ident[EI_MAG0] != ELFMAG0 || e->e_ident[EI_MAG1] != ELFMAG1 ||
	    e->e_ident[EI_MAG2] != ELFMAG2 || e->e_ident[EI_MAG3] != ELFMAG3 ||
	    e->e_ident[EI_CLASS] != ELFCLASS64 || e->e_phentsize != sizeof(ElfW(Phdr)))
		return 0;
	if (e->e_phnum > MAX_HEADERS || e->e_phoff % 8 || e->e_phoff > PAGE ||
	    e->e_phnum * sizeof(ElfW(Phdr)) > PAGE - e->e_phoff)
		return 0;
	*ret_phdrs = (const ElfW(Phdr) *)(start + e->e_phoff);
	return e->e_phnum;
}
