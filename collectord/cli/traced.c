/* collectord/cli/traced.c - see traced.h.
 *
 * A collector that is not the system's, not ours, not root's and was not named by the user is believed about its
 * own user's programs only. */
#include "collectord/cli/traced.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectord/cli/say.h"
#include "collectord/live/passive.h"
#include "common/compiler.h"
#include "common/handshake.h"

#define NAMED_MAX 4  /* choices listed in a fault */
#define WORDS_MAX 40 /* bytes of a command line in it */

bool traced_is_pid(const char *text, uint32_t *ret)
{
	char *end;
	unsigned long v;

	if (*text < '1' || *text > '9')
		return false;
	errno = 0;
	v = strtoul(text, &end, 10);
	if (*end || errno || v > INT32_MAX)
		return false;
	*ret = (uint32_t)v;
	return true;
}

/* Name of a program without its directories. */
static const char *name_of(const struct control_process *p)
{
	const char *slash = strrchr(p->exe, '/');

	return slash && slash[1] ? slash + 1 : *p->exe ? p->exe : "?";
}

const char *traced_user(uint32_t uid, char *buf, size_t size)
{
	const struct passwd *pw = getpwuid(uid);

	if (pw)
		snprintf(buf, size, "%s", pw->pw_name);
	else
		snprintf(buf, size, "%u", uid);
	return buf;
}

/* --- asking all of them -------------------------------------------------------------------------------------- */

static int keep(struct traced_list *t, const char *socket, const struct control_process *p)
{
	if (t->n == t->room) {
		size_t room = t->room ? 2 * t->room : 16;
		struct traced *grown = reallocarray(t->list, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		t->list = grown;
		t->room = room;
	}
	t->list[t->n].process = *p;
	snprintf(t->list[t->n++].socket, sizeof(t->list->socket), "%s", socket);
	return 0;
}

static int keep_end(struct traced_list *t, const struct control_end *end)
{
	struct control_end *grown = reallocarray(t->ends, t->n_ends + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	t->ends = grown;
	t->ends[t->n_ends++] = *end;
	return 0;
}

static bool is_believed(const struct collector_place *at, const struct answer *a, uint32_t uid)
{
	return at->is_named || a->uid == 0 || a->uid == geteuid() || a->uid == uid;
}

static int keep_answer(struct traced_list *t, const struct collector_place *at, const struct answer *a)
{
	int r = keep_end(t, &a->end);

	for (size_t i = 0; i < a->n && !r; i++)
		if (a->records[i].kind == CONTROL_PROCESS && is_believed(at, a, a->records[i].process.uid))
			r = keep(t, at->path, &a->records[i].process);
	return r;
}

static bool has_pid(const struct traced_list *t, uint32_t pid)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->list[i].process.pid == pid && t->list[i].process.status == HELLO_ACTIVE)
			return true;
	return false;
}

/* Was found, and is no collector of ours any more, or never was: no news unless the user named the place. */
static bool is_gone(const struct collector_place *at, int r)
{
	return r == -ENOENT || r == -ECONNREFUSED || (!at->is_named && (r == -ECONNRESET || r == -EACCES));
}

static int ask_one(struct traced_list *t, const struct collector_place *at, bool is_only, struct fault *f)
{
	const struct control_request q = { .verb = CONTROL_LIST };
	struct answer a = { .fd = -1 };
	int r = ask(at->path, &q, ASK_MS, &a, f);

	if (!r)
		r = keep_answer(t, at, &a);
	else if (!is_only && !is_gone(at, r) && ++t->n_silent)
		say("%s", f->text);
	answer_done(&a);
	return r == -ENOMEM ? fault_set(f, r, "out of memory") : is_only ? r : 0;
}

int traced_find(const char *only, uint32_t pid, struct traced_list *ret, struct fault *f)
{
	struct traced_list t = { 0 };
	struct collector_places places;
	int r = 0;

	collectors_find(only, pid, &places);
	if (only && !places.n)
		r = fault_set(f, -ENAMETOOLONG, "%s: too long for the path of a socket", only);
	for (size_t i = 0; i < places.n && !r && !(pid && has_pid(&t, pid)); i++)
		r = ask_one(&t, &places.list[i], only, f);
	collectors_done(&places);
	if (r)
		traced_done(&t);
	else
		*ret = t;
	return r;
}

void traced_done(struct traced_list *t)
{
	free(t->list);
	free(t->ends);
	*t = (struct traced_list){ 0 };
}

/* --- which one is meant -------------------------------------------------------------------------------------- */

/* Why a process that a user names is not among those recorded. */
static int explain_pid(uint32_t pid, const struct traced_list *t, struct fault *f)
{
	char path[32], user[64];
	struct stat st;

	for (size_t i = 0; i < t->n; i++)
		if (t->list[i].process.pid == pid && t->list[i].process.status != HELLO_ACTIVE)
			return fault_set(f, -ESRCH, "%u (%s) is not recorded: %s", pid,
					 name_of(&t->list[i].process), passive_why(t->list[i].process.status));
	snprintf(path, sizeof(path), "/proc/%u", pid);
	if (stat(path, &st))
		return fault_set(f, -ESRCH, "%u: no such process; `heaptap ps` lists what is recorded", pid);
	if (geteuid() && st.st_uid != geteuid())
		return fault_set(f, -EPERM,
				 "%u is a process of %s: ask as that user, as root or as a member of group heaptap",
				 pid, traced_user(st.st_uid, user, sizeof(user)));
	if (t->n_silent)
		return fault_set(f, -ESRCH, "%u: its collector does not answer, or nobody records it", pid);
	if (!t->n_ends)
		return fault_set(f, -ESRCH,
				 "%u is not recorded by any collector, as none is running; see `heaptap doctor %u`",
				 pid, pid);
	return fault_set(f, -ESRCH, "%u is not recorded by any collector: start it with `heaptap run`", pid);
}

/* By the name of the file, or by the one it was called: python3 is a link. */
static bool has_name(const struct control_process *p, const char *name)
{
	size_t word = strcspn(p->cmdline, " "), n = strlen(name);

	if (!strcmp(name_of(p), name))
		return true;
	return word >= n && !strncmp(p->cmdline + word - n, name, n) &&
	       (word == n || p->cmdline[word - n - 1] == '/');
}

static bool is_meant(const struct traced *t, uint32_t pid, const char *name)
{
	const struct control_process *p = &t->process;

	if (p->status != HELLO_ACTIVE || p->ended)
		return false;
	return pid ? p->pid == pid : has_name(p, name);
}

/* "4711 (server --port 80)" */
static void add_choice(char *list, size_t size, const struct control_process *p)
{
	const size_t used = strlen(list), word = strcspn(p->cmdline, " ");
	const char *slash = memrchr(p->cmdline, '/', word), *words = slash ? slash + 1 : p->cmdline;

	snprintf(list + used, size - used, "%s%u (%.*s%s)", used ? ", " : "", p->pid, WORDS_MAX, words,
		 strlen(words) > WORDS_MAX ? "..." : "");
}

static int choose(const struct traced_list *t, uint32_t pid, const char *name, struct traced *ret, struct fault *f)
{
	char pids[NAMED_MAX * (WORDS_MAX + 24)] = "";
	unsigned n = 0;

	for (size_t i = 0; i < t->n; i++) {
		if (!is_meant(&t->list[i], pid, name))
			continue;
		*ret = t->list[i];
		if (++n <= NAMED_MAX)
			add_choice(pids, sizeof(pids), &ret->process);
	}
	if (n == 1 || (n && pid))
		return 0;
	if (n)
		return fault_set(f, -EINVAL,
				 "%s: %u programs of that name are recorded (`heaptap ps`); choose a pid: %s%s",
				 name, n, pids, n > NAMED_MAX ? ", ..." : "");
	if (pid)
		return explain_pid(pid, t, f);
	if (!t->n_ends && !t->n_silent)
		return fault_set(f, -ESRCH,
				 "%s: no program is recorded: no collector is running; see `heaptap doctor`", name);
	return fault_set(f, -ESRCH, "%s: no program of that name is recorded; `heaptap ps` lists what is", name);
}

int traced_one(const char *what, const char *only, struct traced *ret, struct fault *f)
{
	struct traced_list t;
	uint32_t pid = 0;
	int r;

	traced_is_pid(what, &pid);
	r = traced_find(only, pid, &t, f);
	if (r)
		return r;
	r = choose(&t, pid, what, ret, f);
	traced_done(&t);
	return r;
}
