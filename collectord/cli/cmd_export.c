/* collectord/cli/cmd_export.c - heaptap export: a snapshot in formats of other tools. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collectord/cli/options.h"
#include "collectord/cli/output.h"
#include "collectord/cli/say.h"
#include "collectord/cli/source.h"
#include "collectord/profile/pprof.h"

struct export_options {
	const char *pprof;
	bool peak;
};

#define AT(field) offsetof(struct export_options, field)

static const struct option_desc options[] = {
	{ "pprof", 0, OPTION_TEXT, AT(pprof), "FILE", 0, 0, "write a gzip'ed pprof profile to FILE; - is stdout" },
	{ "peak", 0, OPTION_FLAG, AT(peak), NULL, 0, 0, "in-use values of the moment when most was in use" },
};

static int write_pprof(const struct profile *p, const char *file)
{
	struct fault f = { "" };
	void *buf = NULL;
	size_t len = 0;
	int r = pprof_encode(p, &buf, &len);

	if (r)
		fault_set(&f, r, "%s: %s while encoding the profile", file, strerror(-r));
	else
		r = output_write(file, buf, len, &f);
	free(buf);
	return r ? say_fault(&f, EXIT_FAULT) : EXIT_OK;
}

static int export_run(const struct command *c, int argc, char **argv)
{
	struct export_options o = { 0 };
	struct profile *p = NULL;
	struct source_peak peak;
	struct fault f = { "" };
	int first, r = options_parse(c, argc, argv, &o, &first, &f);

	if (r)
		return options_status(r, &f);
	if (!o.pprof) {
		say("export: in which format? Add --pprof FILE");
		return EXIT_USAGE;
	}
	if (!strcmp(o.pprof, "-") && isatty(STDOUT_FILENO)) {
		say("export: a profile is binary and standard output is a terminal; name a file or use a pipe");
		return EXIT_FAULT;
	}
	r = source_open_operand(c->name, argc - first, argv + first, o.peak, &p, &peak);
	if (r)
		return r;
	r = write_pprof(p, o.pprof);
	profile_free(p);
	return r;
}

const struct command command_export = {
	.name = "export",
	.synopsis = "--pprof FILE [OPTIONS] SOURCE",
	.summary = "write a snapshot in a format of other tools: pprof",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.notes = "SOURCE is what `heaptap top` takes.  An existing FILE is replaced in one step or left alone.\n"
		 "\n"
		 "examples:\n"
		 "  heaptap export --pprof heap.pb.gz heaptap.python3.4711\n"
		 "  go tool pprof -http=: heap.pb.gz\n",
	.run = export_run,
};
