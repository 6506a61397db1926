/* collectord/cli/run_suits.c - can the shim record this program?  Asked before it is started, so that one it cannot
 * record runs as if heaptap were not there.
 *
 * Pure reading, by libelf; nothing is kept open.  A script is judged by its interpreter.  In doubt a program suits:
 * the shim itself goes passive where it finds that it cannot work. */
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "collectord/cli/run.h"
#include "common/compiler.h"

#define NESTED_SCRIPTS 5 /* the kernel's own limit */

static bool starts(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void PRINTF(2, 3) refuse(struct target *t, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(t->reason, sizeof(t->reason), format, ap);
	va_end(ap);
	t->unsuited = t->reason;
}

/* --- by name: programs that run others on a machine of their own ---------------------------------------------- */

static const char *const emulated[] = { "aarch64",   "alpha", "arm",   "cris",  "hexagon", "hppa",  "i386",
					"loongarch", "m68k",  "micro", "mips",  "nios2",   "or1k",  "ppc",
					"riscv",     "s390x", "sh4",   "sparc", "x86_64",  "xtensa" };

static void judge_name(struct target *t)
{
	char real[PATH_MAX];
	const char *names[2] = { base_of(t->path), realpath(t->path, real) ? base_of(real) : "" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strcmp(names[i], "valgrind") || !strcmp(names[i], "valgrind.bin"))
			t->unsuited = "valgrind runs it with a malloc of its own";
		for (size_t k = 0; starts(names[i], "qemu-") && k < ARRAY_SIZE(emulated); k++)
			if (starts(names[i] + strlen("qemu-"), emulated[k]))
				t->unsuited = "qemu runs it on an emulated machine";
	}
}

/* --- by the environment --------------------------------------------------------------------------------------- */

static const char *const runtimes[] = { "libasan.",           "libtsan.",         "liblsan.",
					"libubsan.",          "libhwasan.",       "libmsan.",
					"libclang_rt.asan",   "libclang_rt.tsan", "libclang_rt.ubsan",
					"libclang_rt.hwasan", "libclang_rt.msan", "libclang_rt.lsan" };

static bool is_runtime(const char *library)
{
	for (size_t i = 0; i < ARRAY_SIZE(runtimes); i++)
		if (starts(base_of(library), runtimes[i]))
			return true;
	return false;
}

static void judge_preloads(struct target *t)
{
	const char *list = getenv("LD_PRELOAD");
	char *copy = strdup(list ? list : ""), *save = NULL;

	for (char *word = copy; copy && (word = strtok_r(word, ": \t\n", &save)); word = NULL) {
		if (is_runtime(word))
			refuse(t, "%s, a sanitizer, is preloaded and owns its malloc", base_of(word));
		if (starts(base_of(word), "vgpreload_"))
			t->unsuited = "valgrind runs it with a malloc of its own";
	}
	free(copy);
}

/* --- by the file ---------------------------------------------------------------------------------------------- */

static bool read_interpreter(int fd, Elf *elf, char *buf, size_t size)
{
	GElf_Phdr ph;
	size_t n;

	if (elf_getphdrnum(elf, &n))
		return false;
	for (size_t i = 0; i < n; i++) {
		ssize_t got;

		if (!gelf_getphdr(elf, (int)i, &ph) || ph.p_type != PT_INTERP)
			continue;
		got = pread(fd, buf, ph.p_filesz < size ? ph.p_filesz : size - 1, (off_t)ph.p_offset);
		buf[got > 0 ? got : 0] = '\0';
		return true;
	}
	return false;
}

/* Calls `visit` for each entry of the dynamic section with the string it may stand for; stops when it returns true.
 */
static bool each_dynamic(Elf *elf, bool (*visit)(struct target *, GElf_Sxword tag, const char *text),
			 struct target *t)
{
	GElf_Shdr header;
	GElf_Dyn d;

	for (Elf_Scn *s = NULL; (s = elf_nextscn(elf, s));) {
		Elf_Data *data;

		if (!gelf_getshdr(s, &header) || header.sh_type != SHT_DYNAMIC || !(data = elf_getdata(s, NULL)))
			continue;
		for (int i = 0; gelf_getdyn(data, i, &d) && d.d_tag != DT_NULL; i++) {
			bool is_text = d.d_tag == DT_NEEDED || d.d_tag == DT_SONAME;
			const char *text = is_text ? elf_strptr(elf, header.sh_link, d.d_un.d_val) : NULL;

			if (text && visit(t, d.d_tag, text))
				return true;
		}
	}
	return false;
}

static bool is_loader(struct target *t, GElf_Sxword tag, const char *text)
{
	(void)t;
	return tag == DT_SONAME && starts(text, "ld-linux");
}

static bool needs_runtime(struct target *t, GElf_Sxword tag, const char *text)
{
	if (tag != DT_NEEDED || !is_runtime(text))
		return false;
	refuse(t, "it is built with a sanitizer (%s), which owns its malloc", text);
	return true;
}

/* True: a sanitizer's runtime is in the program, and that is the last word. */
static bool judge_symbol(struct target *t, const GElf_Sym *s, const char *name, bool is_dynamic)
{
	static const char *const inits[] = { "__asan_init", "__tsan_init",   "__lsan_init",
					     "__msan_init", "__hwasan_init", "__ubsan_handle_type_mismatch_v1" };
	bool is_hidden = GELF_ST_BIND(s->st_info) == STB_LOCAL || GELF_ST_VISIBILITY(s->st_other) == STV_HIDDEN;

	if (s->st_shndx == SHN_UNDEF)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(inits); i++)
		if (!strcmp(name, inits[i])) {
			refuse(t, "it is built with a sanitizer (%s), which owns its malloc", name);
			return true;
		}
	if (!is_dynamic && is_hidden && GELF_ST_TYPE(s->st_info) == STT_FUNC && !strcmp(name, "malloc"))
		t->partly = "it has a malloc of its own inside, hidden: only what its libraries allocate is seen";
	return false;
}

static void judge_symbols(struct target *t, Elf *elf)
{
	GElf_Shdr header;
	GElf_Sym symbol;

	for (Elf_Scn *s = NULL; (s = elf_nextscn(elf, s));) {
		Elf_Data *data;

		if (!gelf_getshdr(s, &header) || (header.sh_type != SHT_DYNSYM && header.sh_type != SHT_SYMTAB) ||
		    !(data = elf_getdata(s, NULL)))
			continue;
		for (int i = 0; gelf_getsym(data, i, &symbol); i++) {
			const char *name = elf_strptr(elf, header.sh_link, symbol.st_name);

			if (name && judge_symbol(t, &symbol, name, header.sh_type == SHT_DYNSYM))
				return;
		}
	}
}

/* Loaders of other C libraries, whose programs cannot take a library made for glibc. */
static const char *foreign_libc(const char *interpreter)
{
	static const char *const known[][2] = { { "ld-musl", "musl" },       { "ld-uClibc", "uClibc" },
						{ "ld64-uClibc", "uClibc" }, { "linker64", "bionic" },
						{ "linker", "bionic" },      { "ld-cosmo", "another libc" } };

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (starts(base_of(interpreter), known[i][0]))
			return known[i][1];
	return NULL;
}

static void judge_elf(struct target *t, int fd, Elf *elf)
{
	char interpreter[256] = "";
	bool is_dynamic = read_interpreter(fd, elf, interpreter, sizeof(interpreter));
	const char *libc = foreign_libc(interpreter);
	GElf_Ehdr header;

	if (!gelf_getehdr(elf, &header))
		return;
	if (gelf_getclass(elf) != ELFCLASS64)
		t->unsuited = "it is a 32-bit program";
	else if (header.e_machine != TARGET_MACHINE)
		t->unsuited = "it is a program for another architecture";
	else if (!is_dynamic && !each_dynamic(elf, is_loader, t))
		t->unsuited = "it is statically linked";
	else if (libc)
		refuse(t, "it is linked against %s, not glibc", libc);
	else if (!each_dynamic(elf, needs_runtime, t))
		judge_symbols(t, elf);
}

/* Will the kernel give it privileges that its user has not?  Then the loader ignores LD_PRELOAD. */
static void judge_privileges(struct target *t, int fd)
{
	struct statvfs fs;
	struct stat st;
	char caps[64];

	if (fstat(fd, &st) || fstatvfs(fd, &fs) || fs.f_flag & ST_NOSUID ||
	    prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		return;
	if (st.st_mode & S_ISUID && st.st_uid != getuid())
		t->unsuited = "it is set-user-ID: the system ignores LD_PRELOAD for it";
	else if ((st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && st.st_gid != getgid())
		t->unsuited = "it is set-group-ID: the system ignores LD_PRELOAD for it";
	else if (getuid() != 0 && fgetxattr(fd, "security.capability", caps, sizeof(caps)) > 0)
		t->unsuited = "it has file capabilities: the system ignores LD_PRELOAD for it";
}

/* --- scripts -------------------------------------------------------------------------------------------------- */

/* The program that env(1) of a first line runs: the first word that is neither an option nor a variable. */
static bool behind_env(char *words, char ret[PATH_MAX])
{
	char *save = NULL;

	for (char *word = words; (word = strtok_r(word, " \t", &save)); word = NULL)
		if (*word != '-' && !strchr(word, '='))
			return strchr(word, '/') ? snprintf(ret, PATH_MAX, "%s", word) < PATH_MAX
						 : !target_search(word, ret);
	return false;
}

/* "#!INTERPRETER [ARGUMENT]": the program that really runs.  False if the file does not say so. */
static bool read_shebang(int fd, char ret[PATH_MAX])
{
	char line[PATH_MAX], *start, *end;
	ssize_t n = pread(fd, line, sizeof(line) - 1, 0);

	if (n < 3 || memcmp(line, "#!", 2))
		return false;
	line[n] = '\0';
	line[strcspn(line, "\n")] = '\0';
	start = line + 2 + strspn(line + 2, " \t");
	end = start + strcspn(start, " \t");
	if (*end)
		*end++ = '\0';
	if (!strcmp(base_of(start), "env") && behind_env(end, ret))
		return true;
	strcpy(ret, start);
	return *start;
}

static void judge_file(struct target *t, int fd)
{
	Elf *elf;

	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	if (elf && elf_kind(elf) == ELF_K_ELF)
		judge_elf(t, fd, elf);
	elf_end(elf);
	if (!t->unsuited)
		judge_privileges(t, fd);
}

void target_judge(struct target *t)
{
	char path[PATH_MAX], magic[SELFMAG];
	int fd = open(t->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	t->unsuited = t->partly = NULL;
	t->is_elf = fd >= 0 && pread(fd, magic, SELFMAG, 0) == SELFMAG && !memcmp(magic, ELFMAG, SELFMAG);
	judge_name(t);
	if (!t->unsuited)
		judge_preloads(t);
	for (int i = 0; i < NESTED_SCRIPTS && fd >= 0 && read_shebang(fd, path); i++) {
		close(fd);
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	}
	if (fd >= 0 && !t->unsuited)
		judge_file(t, fd);
	if (fd >= 0)
		close(fd);
}
