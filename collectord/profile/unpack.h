/* collectord/profile/unpack.h - msgpack from untrusted bytes, element by element.
 *
 * msgpack-c reserves what a header announces: 5 bytes can ask for gigabytes.  Here an element's extent is walked
 * first, so that msgpack-c only ever sees one whole element, present to its last byte and not larger than a limit.
 */
#pragma once

#include <msgpack.h>
#include <stddef.h>
#include <stdint.h>

struct unpack {
	const uint8_t *at;
	size_t left;
};

/* All return 0, -ENODATA when the bytes end early, or -EBADMSG for anything that is not the element asked for;
 * *u moves on only on success. */
int unpack_array(struct unpack *u, uint32_t *ret_n); /* just the header; at least `n` more bytes are there */
int unpack_map(struct unpack *u, uint32_t *ret_n);   /* header; at least 2 * n more bytes are there */
int unpack_skip(struct unpack *u);

/* One element of at most `max` bytes, into `ret`, which the caller has initialised and destroys; strings in it
 * point into the input.  Also -ENOMEM. */
int unpack_element(struct unpack *u, size_t max, msgpack_unpacked *ret);
