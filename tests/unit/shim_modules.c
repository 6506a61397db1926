/* tests/unit/shim_modules.c - the module table: right at the start, for objects loaded later, and after dlclose.
 *
 * Oracles: dl_iterate_phdr for ranges and names, libelf for build-ids. */
#include <dlfcn.h>
#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <unistd.h>

#include "common/modtab.h"
#include "preload/modules.h"
#include "tests/unit/walk_fixture.h"

#define PATH_SIZE 4096

/* The youngest entry for `address` that `epoch` knows: what a reader of stacks goes by. */
static bool find_entry(uintptr_t address, uint32_t epoch, struct module_info *ret, char *path)
{
	struct module_info m;
	char name[PATH_SIZE];
	bool found = false;

	for (uint32_t i = 0; i < module_count(&region.r); i++) {
		cr_assert_eq(module_read(&region.r, i, &m, name, sizeof(name)), 1);
		if (address < m.start || address >= m.end || m.epoch > epoch || (found && m.epoch < ret->epoch))
			continue;
		*ret = m;
		strcpy(path, name);
		found = true;
	}
	return found;
}

static void same_build_id(const struct module_info *m, const char *path)
{
	const void *id = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	Elf *elf;
	ssize_t n;

	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	n = dwelf_elf_gnu_build_id(elf, &id);
	cr_assert_eq((ssize_t)m->build_id_len, n > 0 ? n : 0, "%s", path);
	cr_assert(n <= 0 || memcmp(m->build_id, id, (size_t)n) == 0);
	elf_end(elf);
	close(fd);
}

static int has_entry(struct dl_phdr_info *info, size_t size, void *arg)
{
	char path[PATH_SIZE], exe[PATH_SIZE] = "";
	struct module_info m;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type != PT_LOAD || p->p_memsz == 0)
			continue;
		cr_assert(find_entry(info->dlpi_addr + p->p_vaddr, 0, &m, path), "%s", info->dlpi_name);
		cr_assert_eq(m.bias, info->dlpi_addr);
		cr_assert_leq(info->dlpi_addr + p->p_vaddr + p->p_memsz, m.end);
	}
	cr_assert_gt(readlink("/proc/self/exe", exe, sizeof(exe) - 1), 0);
	if (strcmp(path, "[vdso]") == 0) {
		cr_assert_gt(m.build_id_len, 0);
		cr_assert_not_null(strstr(info->dlpi_name, "vdso"));
	} else {
		cr_assert_str_eq(path, info->dlpi_name[0] ? info->dlpi_name : exe);
		same_build_id(&m, path);
	}
	*(unsigned *)arg += 1;
	return 0;
}

Test(modules, loaded_at_the_start_are_in_the_table, .init = setup)
{
	unsigned n = 0;

	dl_iterate_phdr(has_entry, &n);
	cr_assert_eq(n, module_count(&region.r), "each once");
}

/* A victim, loaded; *ret_call is its function that calls back. */
static void *load(const char *name, int (**ret_call)(void (*)(void)))
{
	const char *build = getenv("HEAPTAP_BUILD");
	char path[PATH_SIZE];
	void *handle;

	snprintf(path, sizeof(path), "%s/tests/victims/%s.so", build ? build : "build", name);
	if (access(path, R_OK) != 0)
		cr_skip("%s is not built", path);
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	cr_assert_not_null(handle, "%s", dlerror());
	*(void **)ret_call = dlsym(handle, name);
	cr_assert_not_null(*ret_call);
	return handle;
}

static const char *entry_name(uintptr_t address, uint32_t epoch)
{
	static char path[PATH_SIZE];
	struct module_info m;

	cr_assert(find_entry(address, epoch, &m, path));
	same_build_id(&m, path);
	return strrchr(path, '/') + 1;
}

Test(modules, loaded_later_appear_when_first_met, .init = setup)
{
	uint32_t before = module_count(&region.r);
	int (*call)(void (*)(void));

	load("reuse_a", &call);
	cr_assert_eq(module_count(&region.r), before, "not met yet");
	call(check);
	call(check);
	cr_assert_eq(seen.verdict, ORACLE_EQUAL);
	cr_assert_eq(module_count(&region.r), before + 1);
	cr_assert_str_eq(entry_name(seen.frames[0], modules_epoch()), "reuse_a.so");
}

Test(modules, at_a_reused_address_are_told_apart, .init = setup)
{
	int (*call_a)(void (*)(void)), (*call_b)(void (*)(void));
	uint64_t frame_a, frame_b;
	uint32_t epoch_a;
	void *a = load("reuse_a", &call_a);

	call_a(check);
	frame_a = seen.frames[0];
	epoch_a = modules_epoch();
	dlclose(a);
	unwind_modules_changed();
	load("reuse_b", &call_b);
	call_b(check);
	frame_b = seen.frames[0];
	if (frame_a != frame_b)
		cr_skip("the loader did not put them at one address");
	cr_assert_eq(seen.verdict, ORACLE_EQUAL);
	cr_assert_str_eq(entry_name(frame_a, epoch_a), "reuse_a.so");
	cr_assert_str_eq(entry_name(frame_b, modules_epoch()), "reuse_b.so");
}

Test(modules, that_stay_are_not_published_again_after_a_dlclose, .init = setup)
{
	int (*call_a)(void (*)(void)), (*call_b)(void (*)(void));
	void *b = load("reuse_b", &call_b);
	uint32_t n;

	call_b(check);
	load("reuse_a", &call_a);
	call_a(check);
	n = module_count(&region.r);
	dlclose(b);
	unwind_modules_changed();
	cr_assert_eq(modules_epoch(), 1);
	call_a(check);
	cr_assert_eq(seen.verdict, ORACLE_EQUAL);
	cr_assert_eq(module_count(&region.r), n);
}

Test(modules, that_stay_loaded_or_were_never_met_start_no_epoch, .init = setup)
{
	int (*call)(void (*)(void));
	void *a = load("reuse_a", &call), *b;

	call(check);
	for (int i = 0; i < 10; i++) {
		b = load("reuse_b", &call);
		dlclose(b);
		unwind_modules_changed();
	}
	load("reuse_a", &call);
	dlclose(a);
	unwind_modules_changed();
	cr_assert_eq(modules_epoch(), 0);
	dlclose(a);
	unwind_modules_changed();
	cr_assert_eq(modules_epoch(), 1);
}

Test(modules, that_find_no_room_are_counted_and_still_walked)
{
	struct abi_geometry geo = test_geometry();
	int (*call)(void (*)(void));

	geo.modules = 2;
	test_region_init(&region, &geo);
	cr_assert_eq(unwind_init(&region.r, environ), 0);
	load("reuse_a", &call);
	call(check);
	cr_assert_eq(seen.verdict, ORACLE_EQUAL);
	cr_assert_gt(load_relaxed(&region.r.procs[0].module_full), 0);
}
