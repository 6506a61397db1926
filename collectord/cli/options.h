/* collectord/cli/options.h - a subcommand and its options: one table drives parsing, --help and the errors.
 *
 * getopt_long_only() does the splitting, so -cum, --cum, -nodecount=3, --rate 1M, -r1M all work, as in pprof and as
 * in GNU tools; operands and options mix, except for `run`.  Values are written into a struct of the command's own.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collectord/profile/fault.h"

enum option_kind {
	OPTION_FLAG,   /* bool: set; =true and =false as well */
	OPTION_CHOICE, /* int: set to `min` */
	OPTION_NUMBER, /* int64_t within min..max */
	OPTION_SIZE,   /* uint64_t within min..max, as size_parse() reads it */
	OPTION_REAL,   /* double */
	OPTION_TEXT,   /* const char *, not empty */
	OPTION_WORDS,  /* const char *, may be empty */
	OPTION_MAYBE,  /* const char *: what follows a =, or "" without one */
};

struct option_desc {
	const char *name;
	char letter; /* short form, or 0 */
	enum option_kind kind;
	size_t offset;   /* in the values struct */
	const char *arg; /* name of the argument in --help; NULL for FLAG and CHOICE */
	int64_t min, max;
	const char *help; /* '\n' starts another line; NULL: another name of an option, not listed */
};

struct command {
	const char *name;
	const char *synopsis; /* what follows "heaptap NAME" */
	const char *summary;  /* one line */
	const struct option_desc *options;
	size_t n_options;
	const struct option_desc *more; /* options shared with other commands; of equal names, the first counts */
	size_t n_more;
	bool stops_at_operand;                                      /* what follows belongs to another program */
	const char *notes;                                          /* after the options in --help: examples */
	int (*run)(const struct command *c, int argc, char **argv); /* argv[0] is NAME; returns the exit status */
};

extern const struct command command_run, command_top, command_text, command_tree, command_peek, command_traces,
	command_tags, command_list, command_dot, command_svg, command_raw, command_comments, command_folded,
	command_export, command_pprof, command_diff, command_growth, command_ps, command_set, command_snapshot,
	command_doctor;

#define OPTIONS_HELP 1 /* --help was asked for and printed on stdout */

/* Parse argv into `values`.  0 and the index of the first operand, OPTIONS_HELP, or -EINVAL with a fault. */
int options_parse(const struct command *c, int argc, char **argv, void *values, int *ret_first, struct fault *f);

/* The same for commands: what to return when parsing did not give 0, after saying why. */
int options_status(int parsed, const struct fault *f);

/* --help of one command, on stdout. */
void options_help(const struct command *c);

/* Which of names[n] the user may have meant by `word`, or NULL if none is near. */
const char *options_nearest(const char *word, const char *const *names, size_t n);
