/* collectord/profile/snapshot_object.h - unpacked msgpack objects into the parts of a struct snapshot.
 *
 * For snapshot_decode.c.  All return 0, -ENOMEM, or -EINVAL with a fault; what they filled so far belongs to the
 * snapshot either way.  Longer arrays than expected come from a newer minor version: the rest is skipped. */
#pragma once

#include <msgpack.h>
#include <stdbool.h>

#include "collectord/profile/snapshot.h"
#include "collectord/profile/snapshot_fields.h"

bool object_is_string(const msgpack_object *o, const char *s);

/* Field of `fields` whose key is `key`, or NULL. */
const struct snapshot_field *object_find_field(const struct snapshot_field *fields, size_t n,
					       const msgpack_object *key);

int object_to_field(const msgpack_object *o, const struct snapshot_field *f, void *base, struct fault *fault);
int object_to_values(const msgpack_object *o, struct snapshot_values *v, struct fault *fault);
int object_to_audit(const msgpack_object *o, struct snapshot_audit *a, struct fault *fault);
int object_to_module(const msgpack_object *o, struct snapshot_module *m, struct fault *fault);
int object_to_thread(const msgpack_object *o, struct snapshot_thread *t, struct fault *fault);
int object_to_series(const msgpack_object *o, struct snapshot_series *s, struct fault *fault);
int object_to_stack(const msgpack_object *o, struct snapshot_stack *k, struct fault *fault);

/* Set the fault for content heaptap never writes; returns -EINVAL. */
int snapshot_inconsistent(struct fault *fault, const char *what);
