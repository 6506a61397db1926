/* collectord/profile/module_symbols.c - see module_symbols.h.
 *
 * The function that owns an address is named by the ELF symbols where they cover it (the name other tools and
 * people know: "malloc"), else by DWARF, else by the entry of the linkage table ("malloc@plt"), else by the unwind
 * tables, which know where it begins.  Places and inlined calls come from DWARF. */
#include "collectord/profile/module_symbols.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collectord/profile/debug_files.h"
#include "collectord/profile/elf_functions.h"
#include "collectord/profile/elf_plt.h"
#include "collectord/profile/elf_sections.h"
#include "collectord/profile/elf_symbols.h"
#include "collectord/profile/module_file.h"

struct module_symbols {
	Dwfl *dwfl;
	Dwfl_Module *module;
	Dwfl_Callbacks callbacks;
	struct debug_files files;
	char *debug_path; /* elfutils takes char ** */
	uint64_t bias;
	struct elf_symbols symbols;
	struct elf_functions functions;
	struct elf_plt plt;
	struct dwarf_frames *frames;
	char *plt_name; /* the last one asked for */
};

void module_symbols_close(struct module_symbols *m)
{
	if (!m)
		return;
	elf_symbols_done(&m->symbols);
	elf_functions_done(&m->functions);
	elf_plt_done(&m->plt);
	dwarf_frames_free(m->frames);
	if (m->dwfl)
		dwfl_end(m->dwfl);
	debug_files_done(&m->files);
	free(m->debug_path);
	free(m->plt_name);
	free(m);
}

/* Give the file to libdwfl; it belongs to that then. */
static bool report(struct module_symbols *m, const struct profile_mapping *mapping, int fd)
{
	void **userdata;

	m->callbacks = (Dwfl_Callbacks){ .find_elf = dwfl_build_id_find_elf,
					 .find_debuginfo = debug_files_find,
					 .section_address = dwfl_offline_section_address,
					 .debuginfo_path = m->debug_path ? &m->debug_path : NULL };
	m->dwfl = dwfl_begin(&m->callbacks);
	if (m->dwfl)
		m->module = dwfl_report_elf(m->dwfl, mapping->file, mapping->file, fd, mapping->bias, true);
	if (!m->module)
		return false;
	dwfl_module_info(m->module, &userdata, NULL, NULL, NULL, NULL, NULL, NULL);
	*userdata = &m->files;
	return !dwfl_report_end(m->dwfl, NULL, NULL);
}

static bool is_bomb(int fd)
{
	bool bomb;
	Elf *elf;

	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	bomb = elf && elf_is_bomb(elf);
	elf_end(elf);
	return bomb;
}

/* The file on this machine if it is the one that ran; 1, or 0 and the reason. */
static int open_file(struct module_symbols *m, const struct module_source *from, const char **ret_why)
{
	int fd = module_open(from->mapping, from->began, ret_why);

	if (fd < 0)
		return 0;
	if (is_bomb(fd)) {
		close(fd);
		*ret_why = "its compressed sections are too large";
		return 0;
	}
	if (!report(m, from->mapping, fd)) {
		if (!m->module)
			close(fd);
		*ret_why = "not an ELF file";
		return 0;
	}
	if (module_is(m->module, from->mapping->build_id))
		return 1;
	*ret_why = module_changed;
	return 0;
}

static size_t parse_id(const char *hex, uint8_t *id, size_t max)
{
	size_t n = strlen(hex) / 2;

	for (size_t i = 0; i < n && i < max; i++) {
		char digits[3] = { hex[2 * i], hex[2 * i + 1], '\0' };

		id[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return n <= max ? n : 0;
}

/* The file that ran, from the server. */
static bool open_from_server(struct module_symbols *m, const struct module_source *from)
{
	uint8_t id[64];
	size_t n = parse_id(from->mapping->build_id, id, sizeof(id));
	char *path;
	int fd = debug_server_find(from->server, DEBUG_SERVER_PROGRAM, id, n, &path);

	if (fd < 0)
		return false;
	free(path);
	if (is_bomb(fd)) {
		close(fd);
		return false;
	}
	if (m->dwfl)
		dwfl_end(m->dwfl);
	m->dwfl = NULL;
	m->module = NULL;
	if (report(m, from->mapping, fd))
		return module_is(m->module, from->mapping->build_id);
	if (!m->module)
		close(fd);
	return false;
}

static int read_tables(struct module_symbols *m)
{
	GElf_Addr bias;
	Elf *elf;
	int r = elf_symbols_init(&m->symbols, m->module);

	if (!r)
		r = dwarf_frames_new(m->module, &m->frames);
	elf = dwfl_module_getelf(m->module, &bias);
	if (!r && elf)
		r = elf_functions_init(&m->functions, elf);
	if (!r && elf)
		r = elf_plt_init(&m->plt, elf);
	return r;
}

int module_symbols_open(const struct module_source *from, struct module_symbols **ret, const char **ret_why)
{
	struct module_symbols *m = calloc(1, sizeof(*m));
	int r;

	if (!m)
		return -ENOMEM;
	m->files.server = from->server;
	m->bias = from->mapping->bias;
	m->debug_path = from->debug_path ? strdup(from->debug_path) : NULL;
	if (from->debug_path && !m->debug_path)
		r = -ENOMEM;
	else
		r = open_file(m, from, ret_why) || open_from_server(m, from);
	if (r > 0)
		r = read_tables(m) ? -ENOMEM : 1;
	if (r > 0)
		*ret = m;
	else
		module_symbols_close(m);
	return r;
}

bool module_symbols_has_lines(const struct module_symbols *m)
{
	return dwarf_frames_exist(m->frames);
}

/* Drop frames without any name; a nameless inlined call is part of its caller. */
static int named_frames(struct dwarf_frame *frames, int n)
{
	int kept = 0;

	for (int i = 0; i < n; i++)
		if (frames[i].function && *frames[i].function)
			frames[kept++] = frames[i];
	return kept;
}

/* What knows of functions without names. */
static int answer_beyond_names(struct module_symbols *m, uint64_t address, struct module_answer *ret)
{
	const char *name = elf_plt_find(&m->plt, address - m->bias, &ret->entry);

	if (!name) {
		ret->entry = elf_functions_start(&m->functions, address - m->bias);
		return 0;
	}
	free(m->plt_name);
	if (asprintf(&m->plt_name, "%s@plt", name) < 0) {
		m->plt_name = NULL;
		return -ENOMEM;
	}
	ret->frames[0] = (struct dwarf_frame){ .function = m->plt_name };
	ret->n = 1;
	return 0;
}

int module_symbols_at(struct module_symbols *m, uint64_t address, struct module_answer *ret)
{
	const char *symbol = elf_symbols_find(&m->symbols, address);
	int n = dwarf_frames_at(m->frames, address, ret->frames);

	if (n < 0)
		return n;
	if (!n)
		ret->frames[n++] = (struct dwarf_frame){ 0 };
	if (symbol)
		ret->frames[n - 1].function = symbol;
	ret->n = named_frames(ret->frames, n);
	ret->entry = 0;
	if (!ret->n)
		return answer_beyond_names(m, address, ret);
	if (symbol)
		ret->entry = elf_symbols_start(&m->symbols, address) - m->bias;
	return 0;
}
