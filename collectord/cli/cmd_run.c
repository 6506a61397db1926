/* collectord/cli/cmd_run.c - heaptap run: its options and its help; run.c does the work. */
#include <string.h>

#include "collectord/cli/options.h"
#include "collectord/cli/run.h"
#include "collectord/cli/say.h"

#define AT(field) offsetof(struct run_options, field)

static const struct option_desc options[] = {
	{ "rate", 'r', OPTION_SIZE, AT(rate), "SIZE", 1, ABI_MAX_RATE,
	  "one sample per SIZE bytes on average (512K); 1 = every\nallocation: exact, and slower" },
	{ "interval", 'i', OPTION_NUMBER, AT(interval_s), "SECS", 0, 86400 * 365,
	  "a snapshot every SECS seconds (10), the last 100 are kept;\n0 = only at the end" },
	{ "output", 'o', OPTION_TEXT, AT(output), "DIR", 0, 0,
	  "snapshots go to DIR/heaptap.PROGRAM.PID (the current directory)" },
	{ "quiet", 'q', OPTION_FLAG, AT(quiet), NULL, 0, 0, "no status line, no summary; only errors" },
	{ "no-follow", 0, OPTION_FLAG, AT(no_follow), NULL, 0, 0,
	  "record the first process only, not what it forks or starts" },
	{ "on-full", 0, OPTION_TEXT, AT(on_full), "spill|wait", 0, 0,
	  "the collector lags: spill = totals go on, the moments are lost\n(the default); wait = slow the program "
	  "down, within bounds" },
	{ "http", 0, OPTION_MAYBE, AT(http), "HOST:PORT", 0, 0,
	  "profiles over HTTP while it runs, for go tool pprof and browsers\n(127.0.0.1:6061, or another port)" },
	{ "http-token", 0, OPTION_TEXT, AT(http_token), "FILE", 0, 0,
	  "the token other users and machines need; made if there is none" },
	{ "depth", 0, OPTION_NUMBER, AT(depth), "N", 1, ABI_MAX_DEPTH, "frames kept per stack (127)" },
	{ "by-thread", 0, OPTION_FLAG, AT(by_thread), NULL, 0, 0,
	  "keep allocations apart by thread: then `heaptap top -by=thread`,\n-tagfocus=thread=NAME and others "
	  "work (more stacks, more memory)" },
};

static int run_run(const struct command *c, int argc, char **argv)
{
	struct run_options o = {
		.rate = 512 << 10, .interval_s = 10, .depth = ABI_DEFAULT_DEPTH, .output = ".", .on_full = "spill"
	};
	struct fault f = { "" };
	int first, parsed = options_parse(c, argc, argv, &o, &first, &f);

	if (parsed)
		return options_status(parsed, &f);
	o.wait_on_full = strcmp(o.on_full, "wait") == 0;
	if (!o.wait_on_full && strcmp(o.on_full, "spill") != 0) {
		say("run: --on-full is spill or wait, not '%s'", o.on_full);
		return EXIT_USAGE;
	}
	if (first == argc || !*argv[first]) {
		say("run: which program? For example: heaptap run -- python3 script.py");
		return EXIT_USAGE;
	}
	return run_program(&o, argv + first);
}

const struct command command_run = {
	.name = "run",
	.synopsis = "[OPTIONS] [--] PROGRAM [ARGUMENTS]",
	.summary = "run a program, record where its heap memory comes from, say so at the end",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.stops_at_operand = true,
	.notes = "The program's output, exit status and signals are its own.  SIGUSR1 to heaptap: a snapshot now.\n"
		 "Its children are recorded too, each in a subdirectory of its own, from their first sample on; "
		 "what "
		 "outlives\n"
		 "the program, until it ends.  HEAPTAP_LIB in the environment names the libheaptap.so to use.\n"
		 "Signals sent to heaptap go on to the program.\n"
		 "\n"
		 "examples:\n"
		 "  heaptap run -- python3 script.py\n"
		 "  heaptap run -r 64K -i 60 -o /var/tmp -- ./server --port 8080\n"
		 "  heaptap run --http -- redis-server\n"
		 "  heaptap run -r 1 -- sqlite3 :memory: < load.sql\n",
	.run = run_run,
};
