/* collectord/cli/shell.h - `heaptap pprof`: the commands and settings of `go tool pprof`, by line or by command
 * line.
 *
 * Settings are a struct report_request: what the command line gave is where the shell starts.  Texts that users
 * type are kept in the profile's arena.  One thread. */
#pragma once

#include <stdio.h>

#include "collectord/cli/report_options.h"

struct shell {
	struct profile *p;
	struct report_request settings;
	bool by_line;     /* commands are read from standard input, not from the command line */
	bool on_terminal; /* and a person types them */
};

enum shell_result {
	SHELL_REPORT, /* a report as text */
	SHELL_DRAWN,  /* a picture by graphviz */
	SHELL_BINARY, /* not for terminals */
	SHELL_VIEWED, /* a picture that a program shows */
	SHELL_ABSENT, /* pprof has it, heaptap does not */
};

struct shell_command {
	const char *name;
	int kind;           /* enum report_kind */
	int result;         /* enum shell_result */
	const char *format; /* of the picture or file, as dot and file names call it */
	bool takes_regex;
	const char *help; /* ABSENT: and what to use instead */
};

enum shell_command_id {
	SHELL_CALLGRIND,
	SHELL_COMMENTS,
	SHELL_DISASM,
	SHELL_DOT,
	SHELL_EOG,
	SHELL_EVINCE,
	SHELL_FOLDED,
	SHELL_GIF,
	SHELL_GV,
	SHELL_KCACHEGRIND,
	SHELL_LIST,
	SHELL_PDF,
	SHELL_PEEK,
	SHELL_PNG,
	SHELL_PROTO,
	SHELL_PS,
	SHELL_RAW,
	SHELL_SVG,
	SHELL_TAGS,
	SHELL_TEXT,
	SHELL_TOP,
	SHELL_TOPPROTO,
	SHELL_TRACES,
	SHELL_TREE,
	SHELL_WEB,
	SHELL_WEBLIST,
	SHELL_COMMANDS,
};

extern const struct shell_command shell_commands[SHELL_COMMANDS];

const struct shell_command *shell_find_command(const char *name); /* or NULL */

/* --- shell_settings.c --------------------------------------------------------------------------------- */

/* Is `name` a setting, or one of the choices of a setting ("cum", "lines")?  Does it take true and false? */
bool shell_is_setting(const char *name);
bool shell_is_switch(const char *name);

/* "name=value".  0 or -EINVAL with a fault in pprof's words. */
int shell_set(struct shell *s, const char *name, const char *value, struct fault *f);
void shell_print_settings(const struct shell *s, FILE *out);

/* The n-th word that names a setting or a choice; NULL after the last. */
const char *shell_setting_name(size_t n);

/* --- shell_command.c ---------------------------------------------------------------------------------- */

/* One line as a user types it.  False: leave the shell. */
bool shell_line(struct shell *s, const char *line);

/* --- shell_output.c ----------------------------------------------------------------------------------- */

/* Make one report and put it where it belongs.  `q` says all of it but what the command decides.  0 or -errno with
 * a fault. */
int shell_report(const struct shell *s, const struct shell_command *c, struct report_request *q, struct fault *f);
void shell_remove_files(void); /* what viewers were given */

/* --- shell_help.c, shell_input.c ---------------------------------------------------------------------- */

void shell_help(const char *word, FILE *out);            /* "": the overview */
void shell_say(const struct shell *s, const char *text); /* what went wrong, on standard error */

/* Read and do lines until the end.  An exit status. */
int shell_run(struct shell *s);
