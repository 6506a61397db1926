/* collectord/cli/doctor_target.c - heaptap doctor PROGRAM|PID: can it be recorded, and will its functions have
 * names?
 */
#include <elfutils/libdwfl.h>
#include <errno.h>
#include <gelf.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collectord/cli/doctor.h"
#include "collectord/cli/run.h"
#include "collectord/cli/traced.h"
#include "collectord/profile/debug_files.h"

static void suits(struct doctor *d, const struct target *t)
{
	if (t->unsuited)
		doctor_find(d, DOCTOR_FAIL, "program", "heaptap cannot record it; it runs as if without", "%s: %s",
			    t->path, t->unsuited);
	else if (t->partly)
		doctor_find(d, DOCTOR_WARN, "program", "what it allocates itself will be missing", "%s: %s",
			    t->path, t->partly);
	else
		doctor_find(d, DOCTOR_OK, "program", "", "%s can be recorded", t->path);
}

/* --- names ------------------------------------------------------------------------------------------------- */

struct names {
	unsigned with_lines, with_names, exported_only;
	char example[256];        /* one of the last */
	struct debug_files files; /* of the module that is looked at */
};

static bool has_symtab(Dwfl_Module *m)
{
	GElf_Addr bias;
	Elf *elf = dwfl_module_getelf(m, &bias);
	GElf_Shdr header;

	for (Elf_Scn *s = NULL; elf && (s = elf_nextscn(elf, s));)
		if (gelf_getshdr(s, &header) && header.sh_type == SHT_SYMTAB)
			return true;
	return false;
}

static int judge_module(Dwfl_Module *m, void **user, const char *name, Dwarf_Addr start, void *arg)
{
	struct names *n = arg;
	Dwarf_Addr bias;

	(void)start;
	*user = &n->files;
	if (*name == '[' || !dwfl_module_getelf(m, &bias)) /* vdso; data that is mapped */
		return DWARF_CB_OK;
	if (dwfl_module_getdwarf(m, &bias)) {
		n->with_lines++;
	} else if (has_symtab(m)) {
		n->with_names++;
	} else {
		n->exported_only++;
		snprintf(n->example, sizeof(n->example), "%s", name);
	}
	return DWARF_CB_OK;
}

static void tell_names(struct doctor *d, const struct names *n)
{
	const char *advice = "install the debug symbols of its packages (NAME-dbgsym), build with -g, or give "
			     "reports --debuginfod";

	if (n->exported_only)
		doctor_find(d, DOCTOR_WARN, "symbols", advice,
			    "of its files, %u have lines, %u names, %u exported names only, like %s", n->with_lines,
			    n->with_names, n->exported_only, n->example);
	else if (n->with_names)
		doctor_find(d, DOCTOR_WARN, "symbols", advice, "of its files, %u have lines, %u names only",
			    n->with_lines, n->with_names);
	else if (n->with_lines)
		doctor_find(d, DOCTOR_OK, "symbols", "", "names, lines and inlined functions");
	else
		doctor_find(d, DOCTOR_WARN, "symbols", advice, "none of its files can be read");
}

/* By pid if it is not 0, else by path.  The network is not asked. */
static void symbols(struct doctor *d, pid_t pid, const char *path)
{
	const Dwfl_Callbacks callbacks = { .find_elf = dwfl_linux_proc_find_elf,
					   .find_debuginfo = debug_files_find,
					   .section_address = dwfl_offline_section_address };
	struct names n = { 0 };
	Dwfl *dwfl = dwfl_begin(&callbacks);

	unsetenv("DEBUGINFOD_URLS");
	if (dwfl && pid)
		dwfl_linux_proc_report(dwfl, pid);
	else if (dwfl)
		dwfl_report_offline(dwfl, path, path, -1);
	if (dwfl && dwfl_report_end(dwfl, NULL, NULL) == 0)
		dwfl_getmodules(dwfl, judge_module, &n, 0);
	dwfl_end(dwfl);
	tell_names(d, &n);
}

/* --- a running one ----------------------------------------------------------------------------------------- */

static bool maps(uint32_t pid, const char *what)
{
	char path[64], line[PATH_MAX + 100];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/maps", pid);
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f))
		found = strstr(line, what);
	if (f)
		fclose(f);
	return found;
}

static void recorded(struct doctor *d, uint32_t pid)
{
	struct traced_list t = { 0 };
	struct fault f = { "" };
	bool found = false, heard;

	if (traced_find(d->socket, pid, &t, &f) == 0)
		for (size_t i = 0; i < t.n; i++)
			found |= t.list[i].process.pid == pid;
	heard = t.n_ends > 0;
	traced_done(&t);
	if (found)
		doctor_find(d, DOCTOR_OK, "recorded", "", "process %u is known to a collector (heaptap ps)", pid);
	else if (heard && maps(pid, "/memfd:heaptap"))
		doctor_find(
			d, DOCTOR_WARN, "recorded",
			"a forked child is recorded from its first sample on; if this is none, its collector is "
			"gone: start it again",
			"process %u has attached, but no collector knows it, perhaps not yet", pid);
	else if (maps(pid, "libheaptap.so"))
		doctor_find(d, DOCTOR_FAIL, "recorded",
			    "its collector is gone, or there was none when it started: start one, then the program "
			    "again",
			    "process %u has libheaptap.so, but no collector knows it", pid);
	else
		doctor_find(
			d, DOCTOR_FAIL, "recorded",
			"start it with `heaptap run`, or with LD_PRELOAD=libheaptap.so for the system's collector",
			"process %u runs without libheaptap.so", pid);
}

static void process(struct doctor *d, uint32_t pid)
{
	char link[64];
	struct target t = { .path = "" };
	ssize_t n;

	if (kill((pid_t)pid, 0) && errno == ESRCH) {
		doctor_find(d, DOCTOR_FAIL, "process", "give the pid of a running program", "no process %u", pid);
		return;
	}
	snprintf(link, sizeof(link), "/proc/%u/exe", pid);
	n = readlink(link, t.path, sizeof(t.path) - 1);
	if (n < 0) {
		doctor_find(d, DOCTOR_FAIL, "process", "ask as its user, or as root", "process %u: %s", pid,
			    strerror(errno));
		return;
	}
	t.path[n] = '\0';
	target_judge(&t);
	suits(d, &t);
	recorded(d, pid);
	symbols(d, (pid_t)pid, NULL);
}

void doctor_target(struct doctor *d, const char *what)
{
	struct target t;
	struct fault f = { "" };
	uint32_t pid;

	if (traced_is_pid(what, &pid)) {
		process(d, pid);
		return;
	}
	if (target_find(what, &t, &f)) {
		doctor_find(d, DOCTOR_FAIL, "program", "name a program as for `heaptap run`", "%s", f.text);
		return;
	}
	suits(d, &t);
	if (t.is_elf) /* what a script runs in the end shows when it runs */
		symbols(d, 0, t.path);
}
