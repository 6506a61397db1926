/* collectord/cli/ps_json.c - `heaptap ps --json`: an array with one object for each program; see ps.h.
 *
 * Keys are only ever added.  Sizes are bytes, *_error one standard error, times seconds. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/cli/ps.h"
#include "collectord/live/passive.h"
#include "collectord/profile/utf8.h"
#include "common/handshake.h"

/* Bytes that are no UTF-8 become U+FFFD, one each. */
static json_t *text(const char *s)
{
	size_t left = strlen(s), used = 0;
	char *buf = malloc(3 * left + 1);
	json_t *ret;

	if (!buf)
		return NULL;
	while (left) {
		unsigned len = utf8_length(s, left), take = len ? len : 1;

		memcpy(buf + used, len ? s : "\xef\xbf\xbd", len ? len : 3);
		used += len ? len : 3;
		s += take;
		left -= take;
	}
	ret = json_stringn(buf, used);
	free(buf);
	return ret;
}

/* A member; NULL (out of memory) is carried on to the end. */
static void put(json_t *o, const char *key, json_t *value, bool *failed)
{
	*failed |= json_object_set_new(o, key, value) != 0;
}

static void put_numbers(json_t *o, const struct control_process *p, bool *failed)
{
	const struct {
		const char *key;
		uint64_t value;
	} numbers[] = {
		{ "rate", p->rate },
		{ "depth", p->max_depth },
		{ "in_use_objects", p->inuse_objects },
		{ "in_use_bytes", p->inuse_bytes },
		{ "in_use_bytes_error", p->inuse_bytes_error },
		{ "allocated_objects", p->alloc_objects },
		{ "allocated_bytes", p->alloc_bytes },
		{ "allocated_bytes_error", p->alloc_bytes_error },
		{ "peak_bytes", p->peak_bytes },
		{ "samples", p->samples },
		{ "spilled", p->spilled },
		{ "lost", p->lost },
		{ "snapshots", p->snapshots },
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		put(o, numbers[i].key, json_integer((json_int_t)numbers[i].value), failed);
}

static json_t *object(const struct traced *t, bool *failed)
{
	const struct control_process *p = &t->process;
	json_t *o = json_object();
	char user[64];

	put(o, "pid", json_integer(p->pid), failed);
	put(o, "parent", json_integer(p->ppid), failed);
	put(o, "uid", json_integer(p->uid), failed);
	put(o, "user", text(traced_user(p->uid, user, sizeof(user))), failed);
	put(o, "state", json_string(ps_state(p)), failed);
	put(o, "uptime_seconds", json_real((double)p->elapsed_ns / 1e9), failed);
	put(o, "executable", text(p->exe), failed);
	put(o, "command", text(p->cmdline), failed);
	put(o, "collector", text(t->socket), failed);
	if (p->status == HELLO_ACTIVE)
		put_numbers(o, p, failed);
	else
		put(o, "why", json_string(passive_why(p->status)), failed);
	return o;
}

int ps_print_json(const struct traced_list *t, FILE *out)
{
	json_t *all = json_array();
	bool failed = !all;

	for (size_t i = 0; i < t->n && !failed; i++)
		failed |= json_array_append_new(all, object(&t->list[i], &failed)) != 0;
	if (!failed)
		failed |= json_dumpf(all, out, JSON_INDENT(2)) != 0;
	json_decref(all);
	putc('\n', out);
	return failed ? -ENOMEM : 0;
}
