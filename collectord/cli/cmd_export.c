/* collectord/cli/cmd_export.c - heaptap export: a profile in formats of other tools, any number of them at once.
 *
 * One table says which formats there are.  All are made before the first file is written. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collectord/cli/names.h"
#include "collectord/cli/options.h"
#include "collectord/cli/output.h"
#include "collectord/cli/say.h"
#include "collectord/cli/source.h"
#include "collectord/live/procmem.h"
#include "collectord/profile/encode.h"
#include "collectord/profile/encode_frame.h"
#include "collectord/profile/json.h"
#include "collectord/profile/pprof.h"
#include "collectord/profile/pprof_limit.h"
#include "collectord/profile/report.h"
#include "collectord/profile/snapshot.h"

enum export_format {
	EXPORT_PPROF,
	EXPORT_JSON,
	EXPORT_FOLDED,
	EXPORT_SPEEDSCOPE,
	EXPORT_DHAT,
	EXPORT_CSV,
	EXPORT_GOTEXT,
	EXPORT_HEAPTEXT,
	EXPORT_FORMATS,
};

struct export_options {
	const char *file[EXPORT_FORMATS];
	bool peak, limit;
	struct names_choice names;
};

/* --- formats ----------------------------------------------------------------------------------------- */

static int encode_pprof(const struct profile *p, FILE *out, struct fault *f)
{
	void *buf = NULL;
	size_t len = 0;
	int r = pprof_encode(p, &buf, &len);

	(void)f;
	if (!r && fwrite(buf, 1, len, out) != len)
		r = -ENOMEM;
	free(buf);
	return r;
}

static int encode_json(const struct profile *p, FILE *out, struct fault *f)
{
	(void)f;
	return profile_json(p, out);
}

static int encode_folded(const struct profile *p, FILE *out, struct fault *f)
{
	struct report_options o = REPORT_OPTIONS_DEFAULT;
	int r = encode_no_negatives(p, "folded stacks", f);

	o.kind = REPORT_FOLDED;
	return r ? r : report_print(p, &o, out, f);
}

/* The process's memory, if it runs and is the one the profile is of. */
static int encode_gotext(const struct profile *p, bool is_live, FILE *out, struct fault *f)
{
	struct procmem memory;
	struct memstats m;

	is_live = is_live && p->origin;
	memstats_of(p, &m);
	if (is_live)
		procmem_read(p->origin->pid, &memory);
	procmem_fill(is_live ? &memory : NULL, p, &m);
	return gotext_encode(p, &m, out, f);
}

static const struct {
	const char *option;
	int (*encode)(const struct profile *p, FILE *out, struct fault *f);
} formats[EXPORT_FORMATS] = {
	[EXPORT_PPROF] = { "--pprof", encode_pprof },
	[EXPORT_JSON] = { "--json", encode_json },
	[EXPORT_FOLDED] = { "--folded", encode_folded },
	[EXPORT_SPEEDSCOPE] = { "--speedscope", speedscope_encode },
	[EXPORT_DHAT] = { "--dhat", dhat_encode },
	[EXPORT_CSV] = { "--csv", csv_encode },
	[EXPORT_GOTEXT] = { "--gotext", NULL }, /* encode_gotext() */
	[EXPORT_HEAPTEXT] = { "--heapv2", heaptext_encode },
};

#define FORMAT(format) OPTION_TEXT, offsetof(struct export_options, file[EXPORT_##format]), "FILE", 0, 0

static const struct option_desc options[] = {
	{ "pprof", 0, FORMAT(PPROF), "gzip'ed profile.proto: go tool pprof, Grafana, Parca" },
	{ "json", 0, FORMAT(JSON), "everything: stacks, errors, sizes, lifetimes, time series" },
	{ "folded", 0, FORMAT(FOLDED), "bytes in use, one line per stack: flamegraph.pl, inferno" },
	{ "speedscope", 0, FORMAT(SPEEDSCOPE), "speedscope.app" },
	{ "dhat", 0, FORMAT(DHAT), "valgrind's dh_view.html, Firefox Profiler" },
	{ "csv", 0, FORMAT(CSV), "spreadsheets, data frames: one record per stack" },
	{ "gotext", 0, FORMAT(GOTEXT), "what Go serves as /debug/pprof/heap?debug=1" },
	{ "heapv2", 0, FORMAT(HEAPTEXT), "text for google-pprof and jeprof, which need the program too" },
	{ "limit", 0, OPTION_FLAG, offsetof(struct export_options, limit), NULL, 0, 0,
	  "at most 16000 stacks and, as protobuf, 4 MiB unpacked: what Pyroscope\n"
	  "takes; the lightest become one" },
	{ "peak", 0, OPTION_FLAG, offsetof(struct export_options, peak), NULL, 0, 0,
	  "in-use values of the moment when most was in use" },
	{ "debuginfod", 0, OPTION_FLAG, offsetof(struct export_options, names.debuginfod), NULL, 0, 0,
	  NAMES_DEBUGINFOD_HELP },
	{ "no-cache", 0, OPTION_FLAG, offsetof(struct export_options, names.no_cache), NULL, 0, 0,
	  NAMES_NO_CACHE_HELP },
};

/* --- the command ------------------------------------------------------------------------------------- */

/* The format that was asked for before `format` with the same file, or -1. */
static int same_file(const struct export_options *o, int format)
{
	for (int i = 0; i < format; i++)
		if (o->file[i] && !strcmp(o->file[i], o->file[format]))
			return i;
	return -1;
}

static int check_formats(const struct export_options *o)
{
	bool any = false;

	for (int i = 0; i < EXPORT_FORMATS; i++) {
		int other = o->file[i] ? same_file(o, i) : -1;

		any |= o->file[i] != NULL;
		if (other < 0)
			continue;
		say("export: %s and %s both write to %s; name two files", formats[other].option, formats[i].option,
		    o->file[i]);
		return EXIT_USAGE;
	}
	if (!any) {
		say("export: in which format? Add --pprof FILE or another one; `heaptap export --help` lists them");
		return EXIT_USAGE;
	}
	if (o->file[EXPORT_PPROF] && !strcmp(o->file[EXPORT_PPROF], "-") && isatty(STDOUT_FILENO)) {
		say("export: a profile is binary and standard output is a terminal; name a file or use a pipe");
		return EXIT_FAULT;
	}
	return EXIT_OK;
}

struct encoded {
	char *buf; /* malloc'ed */
	size_t len;
};

static int encode_to(int format, const struct profile *p, bool is_live, FILE *out, struct fault *f)
{
	return format == EXPORT_GOTEXT ? encode_gotext(p, is_live, out, f) : formats[format].encode(p, out, f);
}

static int encode(int format, const struct profile *p, bool is_live, const char *file, struct encoded *ret,
		  struct fault *f)
{
	FILE *out = open_memstream(&ret->buf, &ret->len);
	int r = out ? encode_to(format, p, is_live, out, f) : -ENOMEM;

	if (out && fclose(out))
		r = -ENOMEM;
	if (r && !*f->text)
		fault_set(f, r, "%s: %s while encoding the profile", file, strerror(-r));
	return r;
}

static int export_all(const struct export_options *o, const struct profile *p, bool is_live, struct fault *f)
{
	struct encoded all[EXPORT_FORMATS] = { 0 };
	int r = 0;

	for (int i = 0; i < EXPORT_FORMATS && !r; i++)
		if (o->file[i])
			r = encode(i, p, is_live, o->file[i], &all[i], f);
	for (int i = 0; i < EXPORT_FORMATS && !r; i++)
		if (o->file[i])
			r = output_write(o->file[i], all[i].buf, all[i].len, f);
	for (int i = 0; i < EXPORT_FORMATS; i++)
		free(all[i].buf);
	return r;
}

/* `*p` within the limits, and what that took. */
static int apply_limit(struct profile **p, struct fault *f)
{
	struct profile *limited = NULL;
	size_t merged = 0;
	int r = pprof_limit(*p, &limited, &merged, f);

	if (r)
		return *f->text ? r : fault_set(f, r, "%s while merging stacks", strerror(-r));
	if (merged)
		say("the %zu lightest stacks are one now, \"%s\"", merged, PPROF_LIMIT_NAME);
	profile_free(*p);
	*p = limited;
	return 0;
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
	names_choose(&o.names);
	r = check_formats(&o);
	if (r)
		return r;
	r = source_open_operand(c->name, argc - first, argv + first, o.peak, &p, &peak);
	if (r)
		return r;
	if (o.limit)
		r = apply_limit(&p, &f);
	if (!r)
		r = export_all(&o, p, peak.is_live, &f);
	r = r ? say_fault(&f, EXIT_FAULT) : EXIT_OK;
	profile_free(p);
	return r;
}

const struct command command_export = {
	.name = "export",
	.synopsis = "--FORMAT FILE [--FORMAT FILE ...] [--peak] [--limit] SOURCE",
	.summary = "write a snapshot in formats of other tools: pprof, JSON, speedscope, DHAT, CSV ...",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.notes = "SOURCE is what `heaptap top` takes.  FILE - is standard output.  An existing FILE is replaced in "
		 "one\n"
		 "step or left alone; nothing is written before all formats are made.\n"
		 "\n"
		 "examples:\n"
		 "  heaptap export --pprof heap.pb.gz heaptap.python3.4711\n"
		 "  go tool pprof -http=: heap.pb.gz\n"
		 "  heaptap export --json - heaptap.python3.4711 | jq .total\n"
		 "  heaptap export --folded - heaptap.python3.4711 | flamegraph.pl --countname=bytes >heap.svg\n"
		 "  heaptap export --heapv2 heap.txt heaptap.redis.4711; google-pprof --text redis-server "
		 "heap.txt\n",
	.run = export_run,
};
