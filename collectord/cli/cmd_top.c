/* collectord/cli/cmd_top.c - heaptap top: which functions hold or allocate the memory. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "collectord/cli/options.h"
#include "collectord/cli/say.h"
#include "collectord/cli/size.h"
#include "collectord/cli/source.h"
#include "collectord/profile/report.h"

struct top_options {
	int type; /* enum profile_heap_type */
	int64_t nodecount;
	bool cum, peak;
	bool is_text; /* what there is anyway */
	const char *sample_index;
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
	{ "sample_index", 0, OPTION_TEXT, AT(sample_index), "NAME", 0, 0,
	  "inuse_space and so on, as pprof has it" },
	{ "text", 0, OPTION_FLAG, AT(is_text), NULL, 0, 0, "this report, as pprof has it; also -top" },
	{ "top", 0, OPTION_FLAG, AT(is_text), NULL, 0, 0, NULL },
};

/* -sample_index=NAME is the choice of that name. */
static int choose_type(struct top_options *o, struct fault *f)
{
	if (!o->sample_index)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (options[i].kind == OPTION_CHOICE && !strcmp(options[i].name, o->sample_index)) {
			o->type = (int)options[i].min;
			return 0;
		}
	return fault_set(f, -EINVAL,
			 "--sample_index %s: choose inuse_space, inuse_objects, alloc_space or alloc_objects",
			 o->sample_index);
}

static int check(struct top_options *o, struct fault *f)
{
	int r = choose_type(o, f);

	if (!r && o->peak && (o->type == PROFILE_ALLOC_SPACE || o->type == PROFILE_ALLOC_OBJECTS))
		r = fault_set(f, -EINVAL,
			      "top: --peak is about what was in use; leave it out, or use it with -inuse_space or "
			      "-inuse_objects");
	return r;
}

static bool has_any(const struct profile *p, size_t type)
{
	for (size_t i = 0; i < p->n_samples; i++)
		if (p->samples[i].values[type])
			return true;
	return false;
}

/* The report is empty: where there is something. */
static void hint_at_more(const struct profile *p, const struct source_peak *peak, const char *source)
{
	char others[1024];

	if (peak->bytes > 0) {
		say("nothing is in use in this snapshot; -peak shows the moment when most was, -alloc_space all "
		    "allocations");
		return;
	}
	if (has_any(p, PROFILE_ALLOC_SPACE)) {
		say("nothing is in use in this snapshot; -alloc_space shows all allocations");
		return;
	}
	source_list_below(source, others, sizeof(others));
	if (*others)
		say("nothing was sampled in this program; others of its run: %s", others);
	else
		say("nothing was sampled in this program; `heaptap run -r 1` records every allocation");
}

static int report(const struct profile *p, const struct top_options *o)
{
	struct report_options ro = REPORT_OPTIONS_DEFAULT;
	int r;

	ro.sample_type = (size_t)o->type;
	ro.cum = o->cum;
	ro.node_count = (int)o->nodecount;
	r = report_top(p, &ro, stdout);
	if (r)
		say("top: %s", strerror(-r));
	return r ? EXIT_FAULT : EXIT_OK;
}

static int top_run(const struct command *c, int argc, char **argv)
{
	struct top_options o = { .type = PROFILE_INUSE_SPACE, .nodecount = -1 };
	struct source_peak peak;
	struct profile *p = NULL;
	struct fault f = { "" };
	char when[SIZE_TEXT_MAX];
	int first, r = options_parse(c, argc, argv, &o, &first, &f);

	if (!r)
		r = check(&o, &f);
	if (r)
		return options_status(r, &f);
	r = source_open_operand(c->name, argc - first, argv + first, o.peak, &p, &peak);
	if (r)
		return r;
	if (o.peak && peak.bytes > 0)
		say("at the peak, %s after the start", time_text(when, peak.elapsed_ns));
	r = report(p, &o);
	if (!r && !has_any(p, (size_t)o.type))
		hint_at_more(p, &peak, argv[first]);
	profile_free(p);
	return r;
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
