/* collectord/cli/cmd_set.c - heaptap set: how finely a running program is sampled. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/cli/options.h"
#include "collectord/cli/program_name.h"
#include "collectord/cli/say.h"
#include "collectord/cli/size.h"
#include "collectord/cli/traced.h"
#include "common/abi.h"
#include "common/compiler.h"

struct set_options {
	const char *socket;
};

static const struct option_desc options[] = {
	{ "socket", 0, OPTION_TEXT, offsetof(struct set_options, socket), "PATH", 0, 0,
	  "the collector listening there, no other" },
};

static int set_rate(const char *text, struct control_request *q, struct fault *f)
{
	uint64_t v = 0;

	if (strcmp(text, "off") && (size_parse(text, &v) || v < 1 || v > ABI_MAX_RATE))
		return fault_set(f, -EINVAL, "rate=%s: choose a size from 1 to 1G, like 64K, or off", text);
	q->rate = (uint32_t)v;
	q->changes |= CONTROL_RATE;
	return 0;
}

static int set_depth(const char *text, struct control_request *q, struct fault *f)
{
	char *end;
	unsigned long v;

	errno = 0;
	v = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || v < 1 || v > ABI_MAX_DEPTH)
		return fault_set(f, -EINVAL, "depth=%s: choose a number of frames from 1 to %u", text,
				 ABI_MAX_DEPTH);
	q->max_depth = (uint32_t)v;
	q->changes |= CONTROL_DEPTH;
	return 0;
}

static int set_threads(const char *text, struct control_request *q, struct fault *f)
{
	if (strcmp(text, "on") && strcmp(text, "off"))
		return fault_set(f, -EINVAL, "threads=%s: choose on or off", text);
	q->by_thread = !strcmp(text, "on");
	q->changes |= CONTROL_THREADS;
	return 0;
}

static int parse_change(const char *word, struct control_request *q, struct fault *f)
{
	if (!strncmp(word, "rate=", 5))
		return set_rate(word + 5, q, f);
	if (!strncmp(word, "depth=", 6))
		return set_depth(word + 6, q, f);
	if (!strncmp(word, "threads=", 8))
		return set_threads(word + 8, q, f);
	return fault_set(f, -EINVAL, "%s: what can be set is rate=SIZE, rate=off, depth=N and threads=on|off",
			 word);
}

static const char *rate_text(char buf[SIZE_TEXT_MAX], uint32_t rate)
{
	if (rate == 1)
		return "1 (every allocation)";
	return rate ? size_text(buf, rate) : "off";
}

static void report(const struct traced *t, const struct control_request *q, const struct control_changed *c)
{
	char now[SIZE_TEXT_MAX], was[SIZE_TEXT_MAX], name[PROGRAM_NAME_MAX];

	say_put(stdout, program_name(t->process.exe, t->process.cmdline, name));
	printf(" (pid %u):", c->pid);
	if (q->changes & CONTROL_RATE)
		printf(" rate %s, was %s", rate_text(now, c->rate), rate_text(was, c->old_rate));
	if (q->changes & CONTROL_DEPTH)
		printf("%s depth %u, was %u", q->changes & CONTROL_RATE ? ";" : "", c->max_depth, c->old_max_depth);
	if (q->changes & CONTROL_THREADS)
		printf("%s threads %s, were %s", q->changes & (CONTROL_RATE | CONTROL_DEPTH) ? ";" : "",
		       c->by_thread ? "on" : "off", c->old_by_thread ? "on" : "off");
	putchar('\n');
}

static int apply(const struct set_options *o, const char *what, struct control_request *q, struct fault *f)
{
	struct traced t;
	struct answer a = { .fd = -1 };
	int r = traced_one(what, o->socket, &t, f);

	if (r)
		return r;
	q->verb = CONTROL_SET;
	q->pid = t.process.pid;
	q->session = t.process.session;
	r = ask(t.socket, q, ASK_MS, &a, f);
	if (!r && (a.n != 1 || a.records->kind != CONTROL_CHANGED))
		r = fault_set(f, -EPROTO, "%s: the collector's answer makes no sense", t.socket);
	if (!r)
		report(&t, q, &a.records->changed);
	answer_done(&a);
	return r;
}

static int set_run(const struct command *c, int argc, char **argv)
{
	struct set_options o = { 0 };
	struct control_request q = { 0 };
	struct fault f = { "" };
	int first, r = options_parse(c, argc, argv, &o, &first, &f);

	if (r)
		return options_status(r, &f);
	if (argc - first < 2) {
		say("set: %s For example: heaptap set 4711 rate=64K",
		    first == argc ? "which program?" : "set what?");
		return EXIT_USAGE;
	}
	for (int i = first + 1; i < argc; i++)
		if (parse_change(argv[i], &q, &f))
			return say_fault(&f, EXIT_USAGE);
	return apply(&o, argv[first], &q, &f) ? say_fault(&f, EXIT_FAULT) : EXIT_OK;
}

const struct command command_set = {
	.name = "set",
	.synopsis = "[--socket PATH] PID|NAME rate=SIZE|off|depth=N|threads=on|off...",
	.summary = "change how finely a running program is sampled",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.notes = "rate=SIZE: one sample per SIZE bytes on average from now on; 1 = every allocation; off = no new "
		 "samples,\n"
		 "what was sampled before is still followed.  depth=N: frames kept per stack.\nthreads=on: what is "
		 "allocated from now on is kept apart by thread (`heaptap top -by=thread`).\nEach sample is "
		 "weighted "
		 "with the\n"
		 "rate it was taken at, so numbers stay right across changes.  Processes that share a session "
		 "(forked\n"
		 "children) change together.  NAME works if exactly one recorded program has it.\n"
		 "\n"
		 "examples:\n"
		 "  heaptap set 4711 rate=64K\n"
		 "  heaptap set redis-server rate=off\n"
		 "  heaptap set 4711 rate=512K depth=40\n"
		 "  heaptap set 4711 threads=on\n",
	.run = set_run,
};
