/* collectord/profile/json_parts.c - see json_parts.h. */
#include "collectord/profile/json_parts.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/profile/utf8.h"
#include "common/weight.h"

#define BYTE_TEXT 4 /* "\xNN" */

json_t *json_text(const char *s)
{
	size_t left = strlen(s), used = 0;
	char *out = malloc(BYTE_TEXT * left + 1);
	json_t *ret;

	if (!out)
		return NULL;
	while (left) {
		unsigned n = utf8_length(s, left);

		if (n) {
			memcpy(out + used, s, n);
			used += n;
		} else {
			used += (size_t)sprintf(out + used, "\\x%02x", (uint8_t)*s);
			n = 1;
		}
		s += n;
		left -= n;
	}
	ret = json_stringn(out, used);
	free(out);
	return ret;
}

json_t *json_hex(uint64_t v)
{
	return json_sprintf("0x%" PRIx64, v);
}

json_int_t json_whole(uint64_t v)
{
	return v <= INT64_MAX ? (json_int_t)v : INT64_MAX;
}

static json_t *real(double v)
{
	return json_real(isfinite(v) ? v : 0);
}

/* Fixed point; what is signed and below 0 for a moment is 0. */
static double objects(uint64_t count)
{
	return (int64_t)count > 0 ? (double)count / (1 << WEIGHT_COUNT_SHIFT) : 0;
}

static double bytes(uint64_t v)
{
	return (int64_t)v > 0 ? (double)v / (1 << WEIGHT_BYTES_SHIFT) : 0;
}

/* --- values and their errors ------------------------------------------------------------------------- */

struct estimates {
	json_t *values, *errors;
};

static bool estimates_new(struct estimates *e)
{
	*e = (struct estimates){ json_object(), json_object() };
	return e->values && e->errors;
}

/* The type's name is a key, so it must be text as well. */
static bool add(struct estimates *e, const char *type, double value, const double *variance)
{
	json_t *name = json_text(type), *error = variance ? real(profile_error_95(*variance)) : json_null();
	bool ok = name && !json_object_set_new(e->values, json_string_value(name), json_integer(llround(value))) &&
		  !json_object_set(e->errors, json_string_value(name), error);

	json_decref(name);
	json_decref(error);
	return ok;
}

static json_t *estimates_pack(struct estimates *e, bool ok)
{
	json_t *ret = ok ? json_pack("{s:O,s:O}", "values", e->values, "error_95", e->errors) : NULL;

	json_decref(e->values);
	json_decref(e->errors);
	return ret;
}

static bool add_peak(struct estimates *e, const struct profile_extra *x)
{
	return add(e, "peak_objects", objects(x->peak_count), &x->var_peak_count) &&
	       add(e, "peak_space", bytes(x->peak_bytes), &x->var_peak_bytes);
}

static json_t *origin_totals(const struct snapshot_values *v)
{
	const struct profile_extra peak = { .peak_count = v->peak_count,
					    .peak_bytes = v->peak_bytes,
					    .var_peak_count = v->var_peak_count,
					    .var_peak_bytes = v->var_peak_bytes };
	struct estimates e;
	bool ok = estimates_new(&e) && add(&e, "alloc_objects", objects(v->alloc_count), &v->var_alloc_count) &&
		  add(&e, "alloc_space", bytes(v->alloc_bytes), &v->var_alloc_bytes) &&
		  add(&e, "inuse_objects", objects(v->alloc_count - v->free_count), &v->var_inuse_count) &&
		  add(&e, "inuse_space", bytes(v->alloc_bytes - v->free_bytes), &v->var_inuse_bytes) &&
		  add_peak(&e, &peak);

	return estimates_pack(&e, ok);
}

/* A snapshot knows its totals; else they are the sums. */
json_t *json_totals(const struct profile *p)
{
	struct estimates e;
	bool ok;

	if (p->origin)
		return origin_totals(&p->origin->total);
	ok = estimates_new(&e);
	for (size_t t = 0; t < p->n_sample_types && ok; t++) {
		double sum = 0, variance = 0;
		bool known = profile_variance(p, t, &variance);

		for (size_t i = 0; i < p->n_samples; i++)
			sum += (double)p->samples[i].values[t];
		ok = add(&e, p->sample_types[t].type, sum, known ? &variance : NULL);
	}
	return estimates_pack(&e, ok);
}

/* --- the time series --------------------------------------------------------------------------------- */

json_t *json_series(const struct snapshot_series *s)
{
	static const char *const names[] = { "inuse_space_min",   "inuse_space_max",   "inuse_space",
					     "inuse_objects_min", "inuse_objects_max", "inuse_objects",
					     "alloc_space",       "alloc_objects" };
	json_t *ret = json_pack("{s:I,s:I}", "start_ns", json_whole(s->start_ns), "interval_ns",
				json_whole(s->interval_ns));

	for (size_t k = 0; k < ARRAY_SIZE(names) && ret; k++) {
		bool is_space = strstr(names[k], "space");
		json_t *column = json_array();

		for (uint32_t i = 0; i < s->n_points; i++) {
			const uint64_t v = ((const uint64_t *)&s->points[i])[k];

			if (json_array_append_new(column, json_integer(llround(is_space ? bytes(v) : objects(v)))))
				break;
		}
		if (json_array_size(column) != s->n_points || json_object_set_new(ret, names[k], column)) {
			json_decref(ret);
			return NULL;
		}
	}
	return ret;
}

/* --- frames and stacks ------------------------------------------------------------------------------- */

json_t *json_frame(const struct profile *p, const struct profile_location *l, uint32_t line)
{
	static const struct profile_function unknown = { "", "", "", 0 };
	const struct profile_line *at = line < l->n_lines ? &l->lines[line] : NULL;
	const struct profile_function *f =
		at && at->function < p->n_functions ? &p->functions[at->function] : &unknown;
	const bool has_module = l->mapping < p->n_mappings;

	return json_pack("{s:o,s:o,s:o,s:I,s:o,s:o,s:b}", "function", json_text(f->name), "system_name",
			 json_text(f->system_name), "file", json_text(f->filename), "line",
			 (json_int_t)(at ? at->line : 0), "address", json_hex(l->address), "module",
			 has_module ? json_integer(l->mapping) : json_null(), "inlined",
			 at && line + 1 < l->n_lines);
}

uint32_t *json_first_frames(const struct profile *p)
{
	uint32_t *first = calloc(p->n_locations + 1, sizeof(*first)), n = 0;

	for (size_t i = 0; first && i < p->n_locations; i++) {
		first[i] = n;
		n += p->locations[i].n_lines ? p->locations[i].n_lines : 1;
	}
	return first;
}

static json_t *stack_frames(const struct profile *p, const struct profile_sample *s, const uint32_t *first)
{
	json_t *ret = json_array();

	for (uint32_t i = 0; i < s->n_locations && ret; i++) {
		const struct profile_location *l = &p->locations[s->locations[i]];

		for (uint32_t k = 0; k < (l->n_lines ? l->n_lines : 1); k++)
			if (json_array_append_new(ret, json_integer(first[s->locations[i]] + k))) {
				json_decref(ret);
				return NULL;
			}
	}
	return ret;
}

static json_t *class_head(unsigned class, unsigned n_classes)
{
	json_t *below = class + 1 < n_classes ? json_integer((json_int_t)histogram_from(class + 1)) : json_null();

	return json_pack("{s:I,s:o}", "from", (json_int_t)histogram_from(class), "below", below);
}

static json_t *histogram(const struct histogram *h, unsigned n_classes, unsigned columns, const char *const names[])
{
	const uint64_t *cell = h->cells;
	json_t *ret = json_array();

	for (unsigned c = 0; c < HISTOGRAM_MAX_CLASSES && ret; c++) {
		json_t *entry;

		if (!(h->classes >> c & 1))
			continue;
		entry = class_head(c, n_classes);
		for (unsigned k = 0; k < columns; k++)
			json_object_set_new(entry, names[k], real(objects(*cell++)));
		if (json_object_size(entry) != 2 + columns || json_array_append_new(ret, entry)) {
			json_decref(ret);
			return NULL;
		}
	}
	return ret;
}

static json_t *labels(const struct profile_sample *s)
{
	json_t *ret = json_array();

	for (uint32_t i = 0; i < s->n_labels && ret; i++) {
		const struct profile_label *l = &s->labels[i];
		json_t *label = json_pack("{s:o,s:o,s:o}", "key", json_text(l->key), "value",
					  l->str ? json_text(l->str) : json_integer(l->num), "unit",
					  json_text(l->str ? "" : l->unit));

		if (json_array_append_new(ret, label)) {
			json_decref(ret);
			return NULL;
		}
	}
	return ret;
}

static bool add_extra(json_t *stack, const struct profile_extra *x)
{
	static const char *const lifetime_names[] = { "objects" }, *const size_names[] = { "alloc_objects",
											   "inuse_objects" };
	json_t *extra = json_pack("{s:{s:I,s:I},s:{s:f,s:f},s:f,s:I,s:o,s:o}", "events", "allocs",
				  json_whole(x->allocs), "frees", json_whole(x->frees), "temporary", "objects",
				  objects(x->temporary_count), "space", bytes(x->temporary_bytes), "mean_age_ns",
				  isfinite(x->ages_ns) ? profile_extra_age(x) : 0, "undated",
				  json_whole(x->undated), "lifetimes_ms",
				  histogram(&x->lifetimes, LIFETIME_CLASSES, LIFETIME_COLUMNS, lifetime_names),
				  "sizes", histogram(&x->sizes, SIZE_CLASSES, SIZE_COLUMNS, size_names));
	bool ok = extra && !json_object_update(stack, extra);

	json_decref(extra);
	return ok;
}

json_t *json_stack(const struct profile *p, const struct profile_sample *s, const uint32_t *first_frames)
{
	struct estimates e;
	bool ok = estimates_new(&e);
	json_t *ret;

	for (size_t t = 0; t < p->n_sample_types && ok; t++)
		ok = add(&e, p->sample_types[t].type, (double)s->values[t], s->variance ? &s->variance[t] : NULL);
	if (ok && s->extra)
		ok = add_peak(&e, s->extra);
	ret = estimates_pack(&e, ok);
	if (!ret)
		return NULL;
	ok = !json_object_set_new(ret, "frames", stack_frames(p, s, first_frames)) &&
	     (!s->n_labels || !json_object_set_new(ret, "labels", labels(s))) &&
	     (!s->extra || add_extra(ret, s->extra));
	if (!ok) {
		json_decref(ret);
		return NULL;
	}
	return ret;
}
