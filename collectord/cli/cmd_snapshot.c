/* collectord/cli/cmd_snapshot.c - heaptap snapshot: let collectors write snapshots now, and say where they are. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "collectord/cli/options.h"
#include "collectord/cli/say.h"
#include "collectord/cli/traced.h"
#include "common/compiler.h"

struct snapshot_options {
	const char *socket;
};

static const struct option_desc options[] = {
	{ "socket", 0, OPTION_TEXT, offsetof(struct snapshot_options, socket), "PATH", 0, 0,
	  "the collector listening there, no other" },
};

/* What came of the programs that were to be written. */
struct tally {
	unsigned written, failed;
};

static void report(const struct control_saved *s, uint32_t error, struct tally *t)
{
	if (*s->path) {
		t->written++;
		say_put(stdout, s->path);
		putchar('\n');
		if (error) /* all the same it is complete */
			say("pid %u: %s; this is its last snapshot", s->pid, s->why);
		return;
	}
	t->failed++;
	say("pid %u: no snapshot: %s", s->pid, *s->why ? s->why : strerror((int)error));
}

static int ask_for(const char *socket, uint32_t pid, uint64_t session, struct tally *t, struct fault *f)
{
	const struct control_request q = { .verb = CONTROL_SNAPSHOT, .pid = pid, .session = session };
	struct answer a = { .fd = -1 };
	int r = ask(socket, &q, ASK_SAVE_MS, &a, f);

	for (size_t i = 0; !r && i < a.n; i++)
		if (a.records[i].kind == CONTROL_SAVED)
			report(&a.records[i].saved, a.records[i].error, t);
	answer_done(&a);
	return r;
}

static int snapshot_one(const char *what, const char *only, struct tally *t, struct fault *f)
{
	struct traced one;
	int r = traced_one(what, only, &one, f);

	return r ? r : ask_for(one.socket, one.process.pid, one.process.session, t, f);
}

static bool is_first_of_socket(const struct traced_list *l, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (!strcmp(l->list[k].socket, l->list[i].socket))
			return false;
	return true;
}

/* Every program of every collector, each collector's at once.  Programs come and go: none left is no failure. */
static int snapshot_all(const char *only, struct tally *t, struct fault *f)
{
	struct traced_list l;
	int r = traced_find(only, 0, &l, f);

	if (r)
		return r;
	for (size_t i = 0; i < l.n; i++) {
		if (!is_first_of_socket(&l, i))
			continue;
		r = ask_for(l.list[i].socket, 0, 0, t, f);
		if (r && r != -ESRCH) {
			t->failed++;
			say("%s", f->text);
		}
	}
	t->failed += l.n_silent;
	traced_done(&l);
	if (!t->written && !t->failed)
		return fault_set(f, -ESRCH, "no program is recorded now; start one with `heaptap run -- PROGRAM`");
	return 0;
}

static int snapshot_run(const struct command *c, int argc, char **argv)
{
	struct snapshot_options o = { 0 };
	struct tally t = { 0 };
	struct fault f = { "" };
	int first, r = options_parse(c, argc, argv, &o, &first, &f);

	if (r)
		return options_status(r, &f);
	if (argc - first > 1) {
		say("snapshot: %s: one program at a time, or all", argv[first + 1]);
		return EXIT_USAGE;
	}
	if (first == argc || !strcmp(argv[first], "all"))
		r = snapshot_all(o.socket, &t, &f);
	else
		r = snapshot_one(argv[first], o.socket, &t, &f);
	if (r)
		return say_fault(&f, EXIT_FAULT);
	return t.failed ? EXIT_FAULT : EXIT_OK;
}

const struct command command_snapshot = {
	.name = "snapshot",
	.synopsis = "[--socket PATH] [PID|NAME|all]",
	.summary = "write a snapshot of running programs now, print its path",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.notes = "The path is printed when the snapshot is complete on disk.  Without an operand: of every program "
		 "that "
		 "is\n"
		 "recorded.  NAME works if exactly one recorded program has it.\n"
		 "\n"
		 "examples:\n"
		 "  heaptap snapshot 4711\n"
		 "  heaptap top $(heaptap snapshot redis-server)\n"
		 "  heaptap snapshot all\n",
	.run = snapshot_run,
};
