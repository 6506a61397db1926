/* collectord/cli/cmd_ps.c - heaptap ps: which programs are recorded now, and what for. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collectord/cli/options.h"
#include "collectord/cli/ps.h"
#include "collectord/cli/say.h"
#include "common/compiler.h"
#include "common/handshake.h"

struct ps_options {
	const char *socket;
	bool json;
};

static const struct option_desc options[] = {
	{ "json", 0, OPTION_FLAG, offsetof(struct ps_options, json), NULL, 0, 0, "one JSON array, for programs" },
	{ "socket", 0, OPTION_TEXT, offsetof(struct ps_options, socket), "PATH", 0, 0,
	  "the collector listening there, no other" },
};

static int by_pid(const void *a, const void *b)
{
	const struct control_process *x = &((const struct traced *)a)->process;
	const struct control_process *y = &((const struct traced *)b)->process;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return x->session < y->session ? -1 : x->session > y->session;
}

/* What went wrong in the collectors so far. */
static void tell_troubles(const struct traced_list *t)
{
	for (size_t i = 0; i < t->n_ends; i++) {
		const struct control_end *e = &t->ends[i];

		if (e->refused)
			say("%llu program%s not recorded: the collector takes %u at a time, %u of one user",
			    (unsigned long long)e->refused, e->refused == 1 ? " was" : "s were", e->max_sessions,
			    e->max_sessions_per_user);
		if (e->errors)
			say("%llu snapshot%s could not be written%s%s", (unsigned long long)e->errors,
			    e->errors == 1 ? "" : "s", *e->last_error ? "; last: " : "", e->last_error);
	}
}

static void tell_places(void)
{
	const char *env = getenv(HEAPTAP_ENV_SOCKET);

	say("no collector is running: not at %s%s" HEAPTAP_DEFAULT_SOCKET ", and no `heaptap run`%s; "
	    "start a program with `heaptap run -- PROGRAM`, or give --socket",
	    env ? env : "", env ? ", not at " : "", geteuid() ? " of yours" : "");
}

static int show(const struct ps_options *o, struct traced_list *t)
{
	if (t->n)
		qsort(t->list, t->n, sizeof(*t->list), by_pid);
	if (o->json)
		return ps_print_json(t, stdout);
	if (t->n)
		return ps_print_table(t, stdout);
	if (t->n_ends)
		say("no program%s is recorded now; start one with `heaptap run -- PROGRAM`",
		    geteuid() ? " of yours" : "");
	else if (!t->n_silent)
		tell_places();
	return 0;
}

static int ps_run(const struct command *c, int argc, char **argv)
{
	struct ps_options o = { 0 };
	struct traced_list t;
	struct fault f = { "" };
	bool any;
	int first, r = options_parse(c, argc, argv, &o, &first, &f);

	if (r)
		return options_status(r, &f);
	if (first < argc) {
		say("ps: %s: no operand is expected; `heaptap ps --help` shows examples", argv[first]);
		return EXIT_USAGE;
	}
	if (traced_find(o.socket, 0, &t, &f))
		return say_fault(&f, EXIT_FAULT);
	r = show(&o, &t);
	tell_troubles(&t);
	any = t.n;
	traced_done(&t);
	if (r)
		say("ps: %s", strerror(-r));
	return any && !r ? EXIT_OK : EXIT_FAULT;
}

const struct command command_ps = {
	.name = "ps",
	.synopsis = "[OPTIONS]",
	.summary = "which running programs are recorded, and what they hold",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.notes =
		"Lists the programs of the system's collector and of every `heaptap run` of yours (root: of "
		"everybody's).\n"
		"STATE is active; dormant (`heaptap set PID rate=off`); ended: its last snapshot is being written; "
		"passive:\n"
		"nothing is recorded, the last column says why.  ALLOCATED and IN USE are estimates if RATE is not "
		"1.\n"
		"SPILLED counts events whose time is unknown because the collector was behind; totals include "
		"them.\n"
		"A user sees the own programs, root and members of group heaptap all.  Exit status 1 if there are "
		"none.\n"
		"\n"
		"examples:\n"
		"  heaptap ps\n"
		"  heaptap ps --json | jq '.[] | select(.in_use_bytes > 1e9) | .pid'\n"
		"  heaptap ps --socket /tmp/h.sock\n",
	.run = ps_run,
};
