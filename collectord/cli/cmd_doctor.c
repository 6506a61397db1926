/* collectord/cli/cmd_doctor.c - heaptap doctor: does heaptap work here, and if not, what to do. */
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "collectord/cli/doctor.h"
#include "collectord/cli/options.h"
#include "collectord/cli/say.h"
#include "collectord/profile/fault.h"

struct doctor_options {
	const char *socket;
	bool json;
};

static const struct option_desc options[] = {
	{ "json", 0, OPTION_FLAG, offsetof(struct doctor_options, json), NULL, 0, 0,
	  "one JSON array, for programs" },
	{ "socket", 0, OPTION_TEXT, offsetof(struct doctor_options, socket), "PATH", 0, 0,
	  "the collector that should be listening there" },
};

static const char *const verdicts[] = { [DOCTOR_OK] = "ok", [DOCTOR_WARN] = "warn", [DOCTOR_FAIL] = "fail" };

void doctor_find(struct doctor *d, enum verdict v, const char *name, const char *advice, const char *fmt, ...)
{
	struct finding *f = &d->list[d->n];
	struct fault line;
	va_list ap;

	if (d->n == ARRAY_SIZE(d->list))
		return;
	d->n++;
	f->verdict = v;
	f->name = name;
	f->advice = advice;
	va_start(ap, fmt);
	vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
	fault_set(&line, 0, "%s", f->text); /* paths and loaders' words: no control bytes */
	snprintf(f->text, sizeof(f->text), "%s", line.text);
}

static void print_lines(const struct doctor *d)
{
	for (size_t i = 0; i < d->n; i++) {
		const struct finding *f = &d->list[i];

		printf("%-4s  %-14s  %s\n", verdicts[f->verdict], f->name, f->text);
		if (*f->advice)
			printf("%22s-> %s\n", "", f->advice);
	}
}

static int print_json(const struct doctor *d)
{
	json_t *all = json_array();
	int r = 0;

	for (size_t i = 0; i < d->n; i++) {
		const struct finding *f = &d->list[i];

		r |= json_array_append_new(all,
					   json_pack("{ss ss ss ss}", "check", f->name, "result",
						     verdicts[f->verdict], "text", f->text, "advice", f->advice));
	}
	if (!r)
		r = json_dumpf(all, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(all);
	return r;
}

static bool is_well(const struct doctor *d)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->list[i].verdict == DOCTOR_FAIL)
			return false;
	return true;
}

static int doctor_run(const struct command *c, int argc, char **argv)
{
	struct doctor_options o = { 0 };
	struct doctor d = { 0 };
	struct fault f = { "" };
	int first, r = options_parse(c, argc, argv, &o, &first, &f);

	if (r)
		return options_status(r, &f);
	if (argc - first > 1) {
		say("doctor: %s: one PROGRAM or PID at a time; `heaptap doctor --help` shows examples",
		    argv[first + 1]);
		return EXIT_USAGE;
	}
	d.socket = o.socket;
	doctor_system(&d);
	doctor_library(&d);
	doctor_collector(&d);
	if (first < argc)
		doctor_target(&d, argv[first]);
	if (!o.json)
		print_lines(&d);
	else if (print_json(&d))
		say("doctor: the JSON could not be written");
	return is_well(&d) ? EXIT_OK : EXIT_FAULT;
}

const struct command command_doctor = {
	.name = "doctor",
	.synopsis = "[OPTIONS] [PROGRAM | PID]",
	.summary = "does heaptap work here, and if not, what to do",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.notes = "Looks at the kernel, the library, the collector and what you may; with PROGRAM or PID also at "
		 "whether that\n"
		 "can be recorded and whether its functions have names.  Changes nothing.  A line says ok, warn "
		 "(heaptap works,\n"
		 "with less) or fail, and then what to do.  Exit status 1 if something fails.\n"
		 "\n"
		 "examples:\n"
		 "  heaptap doctor\n"
		 "  heaptap doctor python3\n"
		 "  heaptap doctor --json 4711 | jq '.[] | select(.result != \"ok\")'\n",
	.run = doctor_run,
};
