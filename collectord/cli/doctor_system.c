/* collectord/cli/doctor_system.c - heaptap doctor: the kernel, its limits, the container around us. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "collectord/cli/doctor.h"
#include "collectord/cli/run.h"
#include "collectord/cli/size.h"
#include "collectord/live/loop.h"
#include "collectord/live/memfd.h"

#define FEW_FILES 256u
#define SMALL_SPACE (4ull << 30)

/* The first line of a small file, or "". */
static const char *line_of(const char *path, char *buf, int size)
{
	FILE *f = fopen(path, "re");

	if (!f || !fgets(buf, size, f))
		buf[0] = '\0';
	if (f)
		fclose(f);
	buf[strcspn(buf, "\n")] = '\0';
	return buf;
}

static void kernel(struct doctor *d)
{
	struct utsname u;
	unsigned major = 0, minor = 0;

	uname(&u);
	sscanf(u.release, "%u.%u", &major, &minor);
	if (major < 5 || (major == 5 && minor < 3))
		doctor_find(d, DOCTOR_FAIL, "kernel", "use Linux 5.3 or later", "Linux %s", u.release);
	else
		doctor_find(d, DOCTOR_OK, "kernel", "", "Linux %s, %s", u.release, u.machine);
}

static void io_uring(struct doctor *d)
{
	struct loop *l = NULL;
	struct fault f = { "" };
	char value[32], *before = getenv("HEAPTAP_IO");

	before = before ? strdup(before) : NULL;
	setenv("HEAPTAP_IO", "uring", 1);
	if (loop_new(&l, &f) == 0)
		doctor_find(d, DOCTOR_OK, "io_uring", "", "the kernel takes it");
	else
		doctor_find(d, DOCTOR_WARN, "io_uring",
			    "nothing needs to be done: epoll takes its place.  To allow it: sysctl "
			    "kernel.io_uring_disabled=0, Linux 5.11, a container that permits io_uring_setup",
			    "%s (kernel.io_uring_disabled is \"%s\")", f.text,
			    line_of("/proc/sys/kernel/io_uring_disabled", value, sizeof(value)));
	loop_free(l);
	if (before)
		setenv("HEAPTAP_IO", before, 1);
	else
		unsetenv("HEAPTAP_IO");
	free(before);
}

static void memory_files(struct doctor *d)
{
	int fd = memfd_new("heaptap doctor"), r = fd < 0 ? fd : 0;

	if (!r && (ftruncate(fd, 4096) || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW)))
		r = -errno;
	if (r)
		doctor_find(d, DOCTOR_FAIL, "memfd", "nothing can be recorded: allow memfd_create and seals",
			    "a sealed memory file is refused: %s", strerror(-r));
	else
		doctor_find(d, DOCTOR_OK, "memfd", "", "sealed memory files work");
	if (fd >= 0)
		close(fd);
}

static void pidfds(struct doctor *d)
{
	int fd = pidfd_open(getpid(), 0);

	if (fd < 0)
		doctor_find(d, DOCTOR_FAIL, "pidfd",
			    "the end of programs cannot be seen: allow pidfd_open, Linux 5.3 or later",
			    "pidfd_open is refused: %s", strerror(errno));
	else
		doctor_find(d, DOCTOR_OK, "pidfd", "", "processes can be watched");
	if (fd >= 0)
		close(fd);
}

static void proc(struct doctor *d)
{
	char value[32];
	const char *yama = line_of("/proc/sys/kernel/yama/ptrace_scope", value, sizeof(value));

	if (access("/proc/self/maps", R_OK))
		doctor_find(d, DOCTOR_FAIL, "proc", "mount /proc: forked children cannot be told apart without",
			    "/proc/self/maps cannot be read: %s", strerror(errno));
	else if (access("/proc/1/status", R_OK))
		doctor_find(d, DOCTOR_WARN, "proc",
			    "forked children in other pid namespaces may not be found: mount /proc without hidepid",
			    "/proc hides the processes of others");
	else
		doctor_find(d, DOCTOR_OK, "proc", "", "/proc can be read; ptrace (yama scope %s) is not needed",
			    *yama ? yama : "none");
}

static bool is_small(int resource, rlim_t less, rlim_t *ret)
{
	struct rlimit r;

	if (getrlimit(resource, &r) || r.rlim_max == RLIM_INFINITY || r.rlim_max >= less)
		return false;
	*ret = r.rlim_max;
	return true;
}

static void limits(struct doctor *d)
{
	char size[SIZE_TEXT_MAX];
	rlim_t max;

	if (is_small(RLIMIT_NOFILE, FEW_FILES, &max))
		doctor_find(d, DOCTOR_WARN, "limits", "raise the hard limit of open files (ulimit -Hn)",
			    "at most %llu open files: a collector needs three for each program",
			    (unsigned long long)max);
	else if (is_small(RLIMIT_FSIZE, RLIM_INFINITY, &max))
		doctor_find(d, DOCTOR_WARN, "limits", "lift the limit of file size (ulimit -f unlimited)",
			    "files end at %s: larger snapshots cannot be written", size_text(size, (double)max));
	else if (is_small(RLIMIT_AS, SMALL_SPACE, &max))
		doctor_find(d, DOCTOR_WARN, "limits", "lift the limit of address space (ulimit -v unlimited)",
			    "address space ends at %s: programs under it may not be recorded",
			    size_text(size, (double)max));
	else
		doctor_find(d, DOCTOR_OK, "limits", "", "open files, file size and address space suffice");
}

/* Only told: what a container or filter forbids shows in the other checks. */
static void container(struct doctor *d)
{
	const char *kind = "none that is known";
	char line[64], seccomp[16] = "?", name[64];
	FILE *f = fopen("/proc/self/status", "re");

	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "Seccomp: %15s", seccomp);
	if (f)
		fclose(f);
	if (*line_of("/run/systemd/container", name, sizeof(name)))
		kind = name;
	else if (access("/.dockerenv", F_OK) == 0)
		kind = "docker";
	else if (access("/run/.containerenv", F_OK) == 0)
		kind = "podman";
	doctor_find(d, DOCTOR_OK, "container", "", "%s; system calls are %s", kind,
		    !strcmp(seccomp, "0") ? "not filtered" : "filtered (seccomp)");
}

static void pictures(struct doctor *d)
{
	char path[PATH_MAX];

	if (target_search("dot", path))
		doctor_find(d, DOCTOR_WARN, "pictures", "install graphviz for `heaptap svg` and `web`",
			    "no `dot` in PATH");
	else
		doctor_find(d, DOCTOR_OK, "pictures", "", "%s", path);
}

void doctor_system(struct doctor *d)
{
	kernel(d);
	io_uring(d);
	memory_files(d);
	pidfds(d);
	proc(d);
	limits(d);
	container(d);
	pictures(d);
}
