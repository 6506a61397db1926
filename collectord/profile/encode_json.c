/* collectord/profile/encode_json.c - see encode_json.h. */
#include "collectord/profile/encode_json.h"

#include <inttypes.h>

static void comma(struct encode_json *j)
{
	if (j->more)
		fputc(',', j->out);
	j->more = true;
}

void encode_json_key(struct encode_json *j, const char *name)
{
	if (j->more)
		fputs(",\n", j->out);
	fprintf(j->out, "\"%s\":", name);
	j->more = false;
}

void encode_json_value(struct encode_json *j, json_t *value)
{
	comma(j);
	if (!value || json_dumpf(value, j->out, JSON_COMPACT | JSON_ENCODE_ANY))
		j->failed = true;
	json_decref(value);
}

void encode_json_member(struct encode_json *j, const char *name, json_t *value)
{
	encode_json_key(j, name);
	encode_json_value(j, value);
}

void encode_json_number(struct encode_json *j, int64_t v)
{
	comma(j);
	fprintf(j->out, "%" PRId64, v);
}

void encode_json_open(struct encode_json *j, char bracket)
{
	comma(j);
	fputc(bracket, j->out);
	j->more = false;
}

void encode_json_close(struct encode_json *j, char bracket)
{
	fputc(bracket, j->out);
	j->more = true;
}
