/* collectord/cli/run_target.c - which file `heaptap run NAME` will execute, and whether the shim can attach to it.
 *
 * Nothing is created before both are known. */
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectord/cli/run.h"
#include "collectord/cli/say.h"

#define SHIM_NAME "libheaptap.so"

#if defined(__x86_64__)
#define MULTIARCH "x86_64-linux-gnu"
#define OWN_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define MULTIARCH "aarch64-linux-gnu"
#define OWN_MACHINE EM_AARCH64
#else
#error "unported architecture: name its multiarch directory here"
#endif

/* --- the program ------------------------------------------------------------------------------------- */

/* 0, -ENOENT (go on looking) or another -errno. */
static int try_program(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return errno == ENOTDIR ? -ENOENT : -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) ? -errno : 0;
}

static int search_path(const char *name, char ret[PATH_MAX])
{
	const char *path = getenv("PATH");
	int err = -ENOENT;

	for (const char *at = path ? path : "/bin:/usr/bin"; at;) {
		const char *end = strchrnul(at, ':');
		int n = snprintf(ret, PATH_MAX, "%.*s%s%s", (int)(end - at), at, end > at ? "/" : "./", name);
		int r = n < PATH_MAX ? try_program(ret) : -ENAMETOOLONG;

		if (!r)
			return 0;
		if (r == -EACCES)
			err = r;
		at = *end ? end + 1 : NULL;
	}
	return err;
}

static int find_program(const char *name, char ret[PATH_MAX], struct fault *f)
{
	bool is_path = strchr(name, '/');
	int r;

	if (!is_path) {
		r = search_path(name, ret);
	} else {
		r = try_program(name);
		if (!r && snprintf(ret, PATH_MAX, "%s", name) >= PATH_MAX)
			r = -ENAMETOOLONG;
	}
	if (!r)
		return EXIT_OK;
	if (r == -ENOENT) {
		fault_set(f, r,
			  is_path ? "%s: no such program; check the path"
				  : "%s: program not found in PATH; check the name or give its path",
			  name);
		return EXIT_NOT_FOUND;
	}
	if (r == -EISDIR)
		fault_set(f, r, "%s: is a directory; name a program", name);
	else
		fault_set(f, r, "%s: not executable: %s; check its permissions (chmod +x)", name, strerror(-r));
	return EXIT_NOT_EXECUTABLE;
}

/* --- the shim ---------------------------------------------------------------------------------------- */

/* Where it is, relative to the directory of this executable: the build tree, then installed trees. */
static const char *const shim_places[] = {
	"/" SHIM_NAME,
	"/../lib/heaptap/" SHIM_NAME,
	"/../lib/" MULTIARCH "/heaptap/" SHIM_NAME,
	"/../lib/" SHIM_NAME,
};

static bool own_directory(char buf[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", buf, PATH_MAX - 1);
	char *slash;

	if (n <= 0)
		return false;
	buf[n] = '\0';
	slash = strrchr(buf, '/');
	if (slash)
		*slash = '\0';
	return slash;
}

/* On failure `places` says where it was looked for. */
static bool look_for_shim(char ret[PATH_MAX], char *places, size_t size)
{
	char dir[PATH_MAX], path[2 * PATH_MAX];
	size_t used = 0;

	if (!own_directory(dir))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(shim_places); i++) {
		snprintf(path, sizeof(path), "%s%s", dir, shim_places[i]);
		if (realpath(path, ret))
			return true;
		if (used < size)
			used += (size_t)snprintf(places + used, size - used, "%s%s", used ? ", " : "", path);
	}
	return false;
}

/* The loader's complaint about it would come from every program of the run. */
static bool is_shared_library(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	GElf_Ehdr header;
	Elf *elf;
	bool ret;

	if (fd < 0)
		return false;
	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	ret = elf && elf_kind(elf) == ELF_K_ELF && gelf_getclass(elf) == ELFCLASS64 && gelf_getehdr(elf, &header) &&
	      header.e_type == ET_DYN && header.e_machine == OWN_MACHINE;
	elf_end(elf);
	close(fd);
	return ret;
}

static int find_shim(char ret[PATH_MAX], struct fault *f)
{
	const char *forced = getenv("HEAPTAP_LIB");
	bool is_forced = forced && *forced;
	char places[sizeof(f->text)] = "";

	if (is_forced && !realpath(forced, ret))
		return fault_set(f, -errno, "HEAPTAP_LIB=%s: %s; point it at " SHIM_NAME " or unset it", forced,
				 strerror(errno));
	if (!is_forced && !look_for_shim(ret, places, sizeof(places)))
		return fault_set(f, -ENOENT,
				 SHIM_NAME
				 ": not found; run `make`, or set HEAPTAP_LIB to its path (looked for %s)",
				 places);
	if (!is_shared_library(ret))
		return fault_set(
			f, -EINVAL,
			"%s: not a shared library for this machine; set HEAPTAP_LIB to the path of " SHIM_NAME "%s",
			ret, is_forced ? " or unset it" : "");
	if (strpbrk(ret, ": \t\n"))
		return fault_set(
			f, -EINVAL,
			"%s: LD_PRELOAD cannot carry a path with a blank or a colon; copy it elsewhere and "
			"set HEAPTAP_LIB",
			ret);
	return 0;
}

/* --- do they suit each other? ------------------------------------------------------------------------ */

static const char *read_interpreter(int fd, Elf *elf, char *buf, size_t size)
{
	size_t n;
	GElf_Phdr ph;

	if (elf_getphdrnum(elf, &n))
		return NULL;
	for (size_t i = 0; i < n; i++) {
		ssize_t got;

		if (!gelf_getphdr(elf, (int)i, &ph) || ph.p_type != PT_INTERP)
			continue;
		got = pread(fd, buf, ph.p_filesz < size ? ph.p_filesz : size - 1, (off_t)ph.p_offset);
		buf[got > 0 ? got : 0] = '\0';
		return buf;
	}
	return NULL;
}

static void check_elf(int fd, Elf *elf, struct target *t)
{
	GElf_Ehdr header;
	char buf[256] = "";
	const char *interpreter = read_interpreter(fd, elf, buf, sizeof(buf));

	if (gelf_getclass(elf) != ELFCLASS64 || !gelf_getehdr(elf, &header) || header.e_machine != OWN_MACHINE) {
		t->unsuited = "it is a program for another architecture, or a 32-bit one";
		t->preload = false;
	} else if (!interpreter) {
		t->unsuited = "it is statically linked";
	} else if (strstr(interpreter, "ld-musl")) {
		t->unsuited = "it is linked against musl, not glibc";
		t->preload = false;
	}
}

/* "#!INTERPRETER ...": what really runs.  False if the file does not say so. */
static bool read_shebang(int fd, char ret[PATH_MAX])
{
	char line[PATH_MAX];
	ssize_t n = pread(fd, line, sizeof(line) - 1, 0);
	char *start;

	if (n < 3 || memcmp(line, "#!", 2))
		return false;
	line[n] = '\0';
	start = line + 2 + strspn(line + 2, " \t");
	start[strcspn(start, " \t\n")] = '\0';
	strcpy(ret, start);
	return *start;
}

/* Set `unsuited` and `preload`; a file that cannot be read is taken to suit. */
static void check_suits(struct target *t)
{
	char path[PATH_MAX], magic[SELFMAG];
	int fd = open(t->path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	Elf *elf;

	t->preload = true;
	t->is_elf = fd >= 0 && pread(fd, magic, SELFMAG, 0) == SELFMAG && !memcmp(magic, ELFMAG, SELFMAG);
	t->unsuited = NULL;
	if (fd >= 0 && read_shebang(fd, path)) {
		close(fd);
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (fd < 0)
		return;

	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	if (elf && elf_kind(elf) == ELF_K_ELF)
		check_elf(fd, elf, t);
	elf_end(elf);
	if (!t->unsuited && fstat(fd, &st) == 0 && (st.st_mode & (S_ISUID | S_ISGID)))
		t->unsuited = "it is set-user-ID or set-group-ID: the system ignores LD_PRELOAD for it";
	close(fd);
}

int target_find(const char *name, struct target *ret, struct fault *f)
{
	int status = find_program(name, ret->path, f);

	if (status)
		return status;
	if (find_shim(ret->shim, f))
		return EXIT_FAULT;
	check_suits(ret);
	return EXIT_OK;
}
