/* collectord/cli/cmd_top.c - heaptap top: which functions hold or allocate the memory. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "collectord/cli/options.h"
#include "collectord/cli/say.h"
#include "collectord/cli/source.h"
#include "collectord/profile/report.h"

struct top_options {
	int type; /* enum profile_heap_type */
	int64_t nodecount;
	bool cum, peak;
};

#define AT(field) offsetof(struct top_options, field)

static const struct option_desc options[] = {
	{ "inuse_space", 0, OPTION_CHOICE, AT(type), NULL, PROFILE_INUSE_SPACE, 0, "bytes in use (the default)" },
	{ "inuse_objects", 0, OPTION_CHOICE, AT(type), NULL, PROFILE_INUSE_OBJECTS, 0, "objects in use" },
	{ "alloc_space", 0, OPTION_CHOICE, AT(type), NULL, PROFILE_ALLOC_SPACE, 0,
	  "bytes allocated since the start" },
	{ "alloc_objects", 0, OPTION_CHOICE, AT(type), NULL, PROFILE_ALLOC_OBJECTS, 0,
	  "objects allocated since the start" },
	{ "cum", 0, OPTION_FLAG, AT(cum), NULL, 0, 0, "sort by cumulative: callees included" },
	{ "nodecount", 0, OPTION_NUMBER, AT(nodecount), "N", -1, INT32_MAX, "show at most N functions; 0 = all" },
	{ "peak", 0, OPTION_FLAG, AT(peak), NULL, 0, 0, "in-use values of the moment when most was in use" },
};

static bool nothing_in_use(const struct profile *p, size_t type)
{
	if (type != PROFILE_INUSE_SPACE && type != PROFILE_INUSE_OBJECTS)
		return false;
	for (size_t i = 0; i < p->n_samples; i++)
		if (p->samples[i].values[type])
			return false;
	return true;
}

static int top_run(const struct command *c, int argc, char **argv)
{
	struct top_options o = { .type = PROFILE_INUSE_SPACE, .nodecount = -1 };
	struct report_options ro = REPORT_OPTIONS_DEFAULT;
	struct profile *p = NULL;
	struct fault f = { "" };
	int first, r = options_parse(c, argc, argv, &o, &first, &f);

	if (r)
		return options_status(r, &f);
	r = source_open_operand(c->name, argc - first, argv + first, o.peak, &p);
	if (r)
		return r;
	ro.sample_type = (size_t)o.type;
	ro.cum = o.cum;
	ro.node_count = (int)o.nodecount;
	r = report_top(p, &ro, stdout);
	if (!r && !o.peak && nothing_in_use(p, ro.sample_type))
		say("nothing is in use in this snapshot; -peak shows the moment when most was, -alloc_space all "
		    "allocations");
	profile_free(p);
	if (r) {
		say("top: %s", strerror(-r));
		return EXIT_FAULT;
	}
	return EXIT_OK;
}

const struct command command_top = {
	.name = "top",
	.synopsis = "[OPTIONS] SOURCE",
	.summary = "which functions hold or allocate the memory, as `go tool pprof -top` prints it",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.notes = "SOURCE is a snapshot (*.heaptap), a directory of them (the newest is shown), or a directory "
		 "above\n"
		 "one such.  flat: by the function itself; cum: by it and what it calls.  kB, MB, GB: powers of "
		 "1024.\n"
		 "\n"
		 "examples:\n"
		 "  heaptap top heaptap.python3.4711\n"
		 "  heaptap top -cum -nodecount=20 heaptap.python3.4711\n"
		 "  heaptap top -alloc_space heaptap.python3.4711/0003-timer.heaptap\n",
	.run = top_run,
};
