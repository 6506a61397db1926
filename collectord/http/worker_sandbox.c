/* collectord/http/worker_sandbox.c - see worker_sandbox.h.
 *
 * System calls that are not on the list fail with EPERM instead of killing: a library that tries something else
 * first goes on without it. */
#include "collectord/http/worker_sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "collectord/http/worker.h"
#include "common/compiler.h"

#if defined(__SANITIZE_ADDRESS__)
#define RESERVES_TERABYTES 1
#elif defined(__has_feature)
#define RESERVES_TERABYTES __has_feature(address_sanitizer)
#else
#define RESERVES_TERABYTES 0
#endif
#define MAX_MEMORY (16ull << 30) /* address space: debug files of the largest programs are mapped whole */
#define MAX_CPU_S 60
#define MAX_DESCRIPTORS 64
#define NOGROUP 65534

static int limit(int what, rlim_t max)
{
	const struct rlimit r = { max, max };

	return setrlimit(what, &r) ? -errno : 0;
}

/* Where memory runs out, this process goes first. */
static void offer_to_oom_killer(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, "1000", 4) != 4)
		errno = 0; /* not there or not allowed: as before */
	if (fd >= 0)
		close(fd);
}

int sandbox_limit(void)
{
	int r = prctl(PR_SET_PDEATHSIG, SIGKILL) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? -errno : 0;

	r = r || RESERVES_TERABYTES ? r : limit(RLIMIT_AS, MAX_MEMORY);
	r = r ? r : limit(RLIMIT_CPU, MAX_CPU_S);
	r = r ? r : limit(RLIMIT_FSIZE, (rlim_t)WORKER_MAX_ANSWER_MB << 20);
	signal(SIGXFSZ, SIG_IGN); /* EFBIG tells */
	r = r ? r : limit(RLIMIT_NOFILE, MAX_DESCRIPTORS);
	offer_to_oom_killer();
	return r ? r : limit(RLIMIT_CORE, 0);
}

static gid_t group_of(uint32_t uid, uint32_t pid)
{
	char path[32];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%u", pid);
	return stat(path, &st) == 0 && st.st_uid == uid ? st.st_gid : NOGROUP;
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	return syscall(SYS_capset, &head, none) ? -errno : 0;
}

int sandbox_become(uint32_t uid, uint32_t pid)
{
	gid_t gid;

	if (geteuid() != 0)
		return 0;
	if (uid == 0)
		return drop_capabilities();
	gid = group_of(uid, pid);
	if (setgroups(0, NULL) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid))
		return -errno;
	return prctl(PR_SET_PDEATHSIG, SIGKILL) ? -errno : 0; /* the change of user cleared it */
}

static const int allowed[] = {
	SCMP_SYS(read),
	SCMP_SYS(pread64),
	SCMP_SYS(readv),
	SCMP_SYS(preadv),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(pwrite64),
	SCMP_SYS(lseek),
	SCMP_SYS(close),
	SCMP_SYS(mmap),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(mprotect),
	SCMP_SYS(madvise),
	SCMP_SYS(brk),
	SCMP_SYS(memfd_create), /* the copy of the vdso: memory it may have anyway, and cannot execute */
	SCMP_SYS(fstat),
	SCMP_SYS(stat),
	SCMP_SYS(lstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(statx),
	SCMP_SYS(statfs),
	SCMP_SYS(fstatfs),
	SCMP_SYS(access),
	SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2),
	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat),
	SCMP_SYS(getdents64),
	SCMP_SYS(fcntl),
	SCMP_SYS(futex),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	SCMP_SYS(getrandom),
	SCMP_SYS(getrlimit),
	SCMP_SYS(uname),
	SCMP_SYS(sysinfo),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(getcwd),
	SCMP_SYS(sched_yield),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(restart_syscall),
};

/* Opened for reading, nothing created, nothing cut. */
#define READS_ONLY(arg) SCMP_CMP64(arg, SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND, O_RDONLY)

static int add_rules(scmp_filter_ctx filter)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(allowed) && !r; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	r = r ? r : seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1, READS_ONLY(2));
	r = r ? r : seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(open), 1, READS_ONLY(1));
	/* glibc: limits of itself only */
	return r ? r
		 : seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2,
				    SCMP_CMP64(0, SCMP_CMP_EQ, 0, 0), SCMP_CMP64(2, SCMP_CMP_EQ, 0, 0));
}

/* --- one folder to write in ---------------------------------------------------------------------------------- */

#define FS(right) LANDLOCK_ACCESS_FS_##right
#define HERE (FS(WRITE_FILE) | FS(REMOVE_FILE) | FS(MAKE_REG))
#define NOWHERE_ELSE                                                                                          \
	(HERE | FS(EXECUTE) | FS(REMOVE_DIR) | FS(MAKE_CHAR) | FS(MAKE_DIR) | FS(MAKE_SOCK) | FS(MAKE_FIFO) | \
	 FS(MAKE_BLOCK) | FS(MAKE_SYM))

static int confine_to(const char *folder)
{
	struct landlock_ruleset_attr all = { .handled_access_fs = NOWHERE_ELSE };
	struct landlock_path_beneath_attr one = { .allowed_access = HERE };
	int rules = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof(all), 0), r = 0;

	if (rules < 0)
		return -errno;
	one.parent_fd = open(folder, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (one.parent_fd < 0 || syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &one, 0) ||
	    syscall(SYS_landlock_restrict_self, rules, 0))
		r = -errno;
	if (one.parent_fd >= 0)
		close(one.parent_fd);
	close(rules);
	return r;
}

/* What is done to paths is Landlock's to judge; what it does not judge (cutting, modes, owners) stays shut. */
static int add_write_rules(scmp_filter_ctx filter)
{
	static const int calls[] = { SCMP_SYS(renameat), SCMP_SYS(unlinkat), SCMP_SYS(mkdir) };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(calls) && !r; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
	r = r ? r
	      : seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
				 SCMP_CMP64(2, SCMP_CMP_MASKED_EQ, O_TRUNC | O_APPEND, 0));
	return r ? r /* futimens(): of an open file */
		 : seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(utimensat), 1,
				    SCMP_CMP64(1, SCMP_CMP_EQ, 0, 0));
}

int sandbox_close(const char **folder)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r = filter ? add_rules(filter) : -ENOMEM;

	if (*folder && confine_to(*folder))
		*folder = NULL;
	if (!r && *folder)
		r = add_write_rules(filter);
	if (!r)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}
