/* collectord/cli/run_target.c - which file `heaptap run NAME` will execute, and where the shim is.
 *
 * Nothing is created before both are known, and whether they suit each other (run_suits.c). */
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "collectord/cli/run.h"
#include "collectord/cli/say.h"

#define SHIM_NAME "libheaptap.so"

#if defined(__x86_64__)
#define MULTIARCH "x86_64-linux-gnu"
#elif defined(__aarch64__)
#define MULTIARCH "aarch64-linux-gnu"
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

int target_search(const char *name, char ret[PATH_MAX])
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
	struct statvfs fs;
	int r;

	if (!is_path) {
		r = target_search(name, ret);
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
	else if (r == -EACCES && is_path && statvfs(name, &fs) == 0 && fs.f_flag & ST_NOEXEC)
		fault_set(f, r, "%s: its file system is mounted noexec; copy it elsewhere", name);
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
	      header.e_type == ET_DYN && header.e_machine == TARGET_MACHINE;
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

int target_find(const char *name, struct target *ret, struct fault *f)
{
	int status = find_program(name, ret->path, f);

	if (status)
		return status;
	if (find_shim(ret->shim, f))
		return EXIT_FAULT;
	target_judge(ret);
	return EXIT_OK;
}
