/* preload/attach.c - see attach.h. */
#include "preload/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>

#include "common/handshake.h"
#include "common/proctab.h"
#include "preload/arch.h"
#include "preload/budget.h"
#include "preload/child.h"
#include "preload/dial.h"
#include "preload/live.h"
#include "preload/real.h"
#include "preload/sampler.h"
#include "preload/sys.h"
#include "preload/tally.h"
#include "preload/unwind.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

/* Room in the live table: for the samples of 64 GiB of live blocks, within bounds.  It is sparse, and sized once; a
 * collector that lowers T later finds LIVE_LATER more (64 MiB of address space). */
#define LIVE_BYTES (64ull << 30)
#define LIVE_MIN (64ull << 10)
#define LIVE_MAX (16ull << 20)
#define LIVE_ENTRY_BYTES 74u /* at most: buckets of 256 bytes for seven, their number rounded to a power of two */
#define LIVE_LATER ((256ull << 10) * 7)

struct attach attach;

static int (*clock_of_libc)(clockid_t, struct timespec *);
static intptr_t tid_offset; /* of the tid in the thread descriptor, from the thread pointer */

uint64_t attach_now(void)
{
	struct timespec t;
	uint64_t ns;

	if (!clock_of_libc || clock_of_libc(CLOCK_MONOTONIC_COARSE, &t))
		return 0;
	ns = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
	/* The coarse clock may be a tick behind the epoch, which was taken from the fine one. */
	return ns > attach.region.epoch_ns ? ns - attach.region.epoch_ns : 0;
}

uint32_t attach_tid(void)
{
	return tid_offset ? *(const volatile uint32_t *)(arch_thread_pointer() + (uintptr_t)tid_offset) : 0;
}

/* The kernel knows where libc keeps this thread's tid: it clears that word when the thread ends. */
void attach_find_tid(void)
{
	uintptr_t tp = arch_thread_pointer(), at = 0;

	if (sys_call3(SYS_prctl, PR_GET_TID_ADDRESS, (long)&at, 0) < 0)
		return;
	if (at - tp < 4096 || tp - at < 4096)
		tid_offset = (intptr_t)(at - tp);
	if (attach_tid() != (uint32_t)sys_call3(SYS_gettid, 0, 0, 0))
		tid_offset = 0;
}

/* --- what we say about ourselves ----------------------------------------------------------------------------- */

/* The value of `name` in envp, or NULL.  Not getenv(): programs define their own. */
static const char *env_value(char **envp, const char *name)
{
	for (; *envp; envp++) {
		size_t i = 0;

		while (name[i] && (*envp)[i] == name[i])
			i++;
		if (!name[i] && (*envp)[i] == '=')
			return *envp + i + 1;
	}
	return NULL;
}

/* The decimal number at *s, moved behind it; stops in time to be no more than `max` and one digit. */
static uint32_t number(const char **s, uint32_t max)
{
	uint32_t n = 0;

	for (; **s >= '0' && **s <= '9' && n <= max; ++*s)
		n = n * 10 + (uint32_t)(**s - '0');
	return n;
}

/* "MS", or "MS:PID": then only that process waits longer, and not what it starts, which inherits the word. */
static uint32_t wait_ms(char **envp)
{
	const char *s = env_value(envp, HEAPTAP_ENV_WAIT_MS);
	uint32_t ms = s ? number(&s, 10000) : 0;

	if (ms < 1 || ms > 10000)
		return HEAPTAP_DEFAULT_WAIT_MS;
	if (*s == ':' && s++ && number(&s, 1u << 22) != (uint32_t)sys_call3(SYS_getpid, 0, 0, 0))
		return HEAPTAP_DEFAULT_WAIT_MS;
	return *s ? HEAPTAP_DEFAULT_WAIT_MS : ms;
}

/* Copy `s` with its NUL, cut to fit; returns the bytes used. */
static uint32_t copy_cut(char *to, uint32_t room, const char *s)
{
	uint32_t n = 0;

	if (room == 0)
		return 0;
	for (; n + 1 < room && s[n]; n++)
		to[n] = s[n];
	to[n] = '\0';
	return n + 1;
}

static void introduce(struct hello *h, const struct real_survey *survey, int argc, char **argv)
{
	h->magic = HELLO_MAGIC;
	h->abi_major = ABI_MAJOR;
	h->abi_minor = ABI_MINOR;
	h->size = sizeof(*h);
	h->status = survey->status;
	h->ppid = (uint32_t)sys_call3(SYS_getppid, 0, 0, 0);
	copy_cut(h->allocator, sizeof(h->allocator), survey->path);
	sys_call6(SYS_readlinkat, AT_FDCWD, (long)"/proc/self/exe", (long)h->exe, sizeof(h->exe) - 1, 0, 0);
	for (int i = 0; i < argc && argv[i]; i++)
		h->cmdline_len += copy_cut(h->cmdline + h->cmdline_len,
					   (uint32_t)sizeof(h->cmdline) - h->cmdline_len, argv[i]);
}

/* --- arming -------------------------------------------------------------------------------------------------- */

/* Take a process entry for the program itself.  Returns its ordinal + 1, or 0: no room. */
static uint32_t claim_process(const struct abi_region *r)
{
	const struct proc_info me = { .pid = (uint32_t)sys_call3(SYS_getpid, 0, 0, 0),
				      .parent = UINT32_MAX,
				      .start_ns = attach_now(),
				      .own_space = live_space() };
	int ordinal = proc_claim(r, &me);

	child_init(me.pid, (uint32_t)ordinal);
	return (uint32_t)(ordinal + 1);
}

static uint64_t live_room(uint32_t rate)
{
	uint64_t n = rate ? LIVE_BYTES / rate : LIVE_MIN;

	return n < LIVE_MIN ? LIVE_MIN : n > LIVE_MAX ? LIVE_MAX : n;
}

/* The second table is for programs that may have address space to spare. */
static int make_tables(uint32_t rate)
{
	uint64_t room = live_room(rate), budget = budget_private() / LIVE_ENTRY_BYTES;
	int r = live_init(room < budget ? room : budget);

	if (rate == 1)
		live_filter_pin_all();
	if (r || (rate && rate <= LIVE_DENSE))
		return r;
	if (LIVE_LATER < budget)
		live_reserve(LIVE_LATER); /* best effort */
	return 0;
}

static void arm(char **envp, uint64_t entropy)
{
	const struct abi_region *r = &attach.region;
	struct attach_page *page = sys_mmap(ABI_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	if (!page || sys_madvise(page, ABI_PAGE, MADV_WIPEONFORK))
		return;
	if (make_tables(load_relaxed(&r->control->rate)))
		return;
	attach_find_tid();
	sampler_init(entropy);
	tally_init();
	unwind_init(r, envp); /* without it samples carry stack 0 and still count */
	store_relaxed(&page->holder, claim_process(r));
	store_release(&attach.armed, page); /* V, pairs with W */
}

/* 16 random bytes that the kernel gives each program; libc's canaries come from them, so only a hash is used. */
static uint64_t kernel_entropy(unsigned long (*aux)(unsigned long))
{
	const volatile uint64_t *random = (const volatile uint64_t *)aux(AT_RANDOM);

	return random ? (random[0] * 0x9e3779b97f4a7c15ull) ^ (random[1] * 0xff51afd7ed558ccdull) : 0;
}

static void start(int argc, char **argv, char **envp)
{
	static struct hello hello; /* not on the stack: it may be small */
	unsigned long (*aux)(unsigned long);
	struct real_survey survey;
	const char *path;

	*(void **)&aux = real_libc("getauxval");
	*(void **)&clock_of_libc = real_libc("clock_gettime");
	if (!aux || aux(AT_SECURE))
		return;
	real_survey(&survey);
	if (survey.rival)
		return;
	path = env_value(envp, HEAPTAP_ENV_SOCKET);
	introduce(&hello, &survey, argc, argv);
	if (dial(path ? path : HEAPTAP_DEFAULT_SOCKET, wait_ms(envp), &hello, &attach.region) == 0)
		arm(envp, kernel_entropy(aux) ^ attach.region.epoch_ns ^ (uint64_t)sys_call3(SYS_getpid, 0, 0, 0));
}

void attach_start(int argc, char **argv, char **envp)
{
	if (real_ready())
		start(argc, argv, envp);
	store_release(&attach.over, 1); /* X, pairs with Y: whoever sees it sees whether we armed */
}
