/* collectord/cli/ps_table.c - the table of `heaptap ps`; see ps.h.
 *
 * Columns are as wide as their widest cell; the last one is free. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/cli/ps.h"
#include "collectord/cli/say.h"
#include "collectord/cli/size.h"
#include "collectord/live/passive.h"
#include "common/compiler.h"
#include "common/handshake.h"

enum column { PID, USER, UPTIME, RATE, IN_USE, ALLOCATED, SAMPLES, SPILLED, STATE, PARENT, COLUMNS };

static const char *const titles[COLUMNS] = {
	[PID] = "PID",       [USER] = "USER",           [UPTIME] = "UPTIME",   [RATE] = "RATE",
	[IN_USE] = "IN USE", [ALLOCATED] = "ALLOCATED", [SAMPLES] = "SAMPLES", [SPILLED] = "SPILLED",
	[STATE] = "STATE",   [PARENT] = "PARENT",
};

struct row {
	char cell[COLUMNS][SIZE_TEXT_MAX];
};

const char *ps_state(const struct control_process *p)
{
	if (p->status != HELLO_ACTIVE)
		return "passive";
	if (p->ended)
		return "ended";
	return p->rate ? "active" : "dormant";
}

static void number(char *cell, uint64_t v)
{
	snprintf(cell, SIZE_TEXT_MAX, "%llu", (unsigned long long)v);
}

static void fill_recorded(struct row *r, const struct control_process *p)
{
	if (p->rate)
		size_text(r->cell[RATE], p->rate);
	else
		snprintf(r->cell[RATE], sizeof(r->cell[RATE]), "off");
	size_text(r->cell[IN_USE], (double)p->inuse_bytes);
	size_text(r->cell[ALLOCATED], (double)p->alloc_bytes);
	number(r->cell[SAMPLES], p->samples);
	number(r->cell[SPILLED], p->spilled);
}

static void fill(struct row *r, const struct control_process *p)
{
	for (size_t i = 0; i < COLUMNS; i++)
		strcpy(r->cell[i], "-");
	number(r->cell[PID], p->pid);
	number(r->cell[PARENT], p->ppid);
	traced_user(p->uid, r->cell[USER], sizeof(r->cell[USER]));
	time_text(r->cell[UPTIME], p->elapsed_ns);
	snprintf(r->cell[STATE], sizeof(r->cell[STATE]), "%s", ps_state(p));
	if (p->status == HELLO_ACTIVE)
		fill_recorded(r, p);
}

static void widen(int width[COLUMNS], const struct row *r)
{
	for (size_t i = 0; i < COLUMNS; i++) {
		int n = (int)strlen(r->cell[i]);

		width[i] = n > width[i] ? n : width[i];
	}
}

static void print_cells(const struct row *r, const int width[COLUMNS], FILE *out)
{
	for (size_t i = 0; i < COLUMNS; i++)
		fprintf(out, i == USER || i == STATE ? "%-*s " : "%*s ", width[i], r->cell[i]);
}

static void print_command(const struct control_process *p, FILE *out)
{
	say_put(out, *p->cmdline ? p->cmdline : *p->exe ? p->exe : "?");
	if (p->status != HELLO_ACTIVE)
		fprintf(out, "  [not interposable: %s]", passive_why(p->status));
	putc('\n', out);
}

int ps_print_table(const struct traced_list *t, FILE *out)
{
	struct row *rows = calloc(t->n + 1, sizeof(*rows));
	int width[COLUMNS] = { 0 };

	if (!rows)
		return -ENOMEM;
	for (size_t i = 0; i < COLUMNS; i++)
		strcpy(rows[t->n].cell[i], titles[i]);
	for (size_t i = 0; i < t->n; i++)
		fill(&rows[i], &t->list[i].process);
	for (size_t i = 0; i <= t->n; i++)
		widen(width, &rows[i]);
	print_cells(&rows[t->n], width, out);
	fputs("COMMAND\n", out);
	for (size_t i = 0; i < t->n; i++) {
		print_cells(&rows[i], width, out);
		print_command(&t->list[i].process, out);
	}
	free(rows);
	return 0;
}
