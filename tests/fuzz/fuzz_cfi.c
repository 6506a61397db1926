/* tests/fuzz/fuzz_cfi.c - the CFI reader on broken .eh_frame_hdr and .eh_frame bytes.
 *
 * Input: 4 bytes pc (signed, from the start of the section bytes), 2 bytes where the readable segment is cut in
 * two, then .eh_frame_hdr followed by .eh_frame as they lie in a file.  The bytes are the whole memory: a read
 * outside them is a crash under AddressSanitizer.  Also, the same bytes as an ELF file's first page. */
#include <stdlib.h>
#include <string.h>

#include "preload/cfi.h"
#include "preload/elfimage.h"

#define PREFIX 6
#define PAGE 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_rules(const uint8_t *data, size_t size)
{
	uint8_t *section = malloc(size - PREFIX);
	uint32_t words[1];
	uint16_t cut;
	struct cfi_image image = { .hdr = section, .n_segments = 2 };
	uintptr_t start = (uintptr_t)section, end = start + size - PREFIX;

	memcpy(words, data, sizeof(words));
	memcpy(&cut, data + sizeof(words), sizeof(cut));
	memcpy(section, data + PREFIX, size - PREFIX);
	image.segments[0] = (struct cfi_segment){ start, cut && cut < size - PREFIX ? start + cut : end };
	image.segments[1] = (struct cfi_segment){ image.segments[0].end, end };
	for (intptr_t i = -8; i < 64; i++) {
		struct rule r = cfi_rule(&image, start + (uintptr_t)(intptr_t)(int32_t)words[0] + (uintptr_t)i);

		if (rule_kind(r) == RULE_NONE || rule_kind(r) > RULE_UNSOUND)
			abort();
	}
	free(section);
}

static void read_headers(const uint8_t *data, size_t size)
{
	size_t room = (size + 2 * PAGE - 1) / PAGE * PAGE;
	uint8_t *file = aligned_alloc(PAGE, room);
	struct elf_object o = { .bias = (uintptr_t)file, .start = (uintptr_t)file, .end = (uintptr_t)file + room };
	struct cfi_image image;
	struct module_info m;

	memset(file, 0, room);
	memcpy(file, data, size);
	o.n = elf_headers(o.start, &o.phdrs);
	if (elf_image(&o, &image, &m) && (m.build_id_len > ABI_BUILD_ID_MAX || m.start < o.start || m.end > o.end))
		abort();
	free(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > PREFIX)
		read_rules(data, size);
	read_headers(data, size);
	return 0;
}
