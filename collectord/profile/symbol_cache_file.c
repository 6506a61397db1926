/* collectord/profile/symbol_cache_file.c - see symbol_cache_file.h. */
#include "collectord/profile/symbol_cache_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "collectord/profile/symbol_cache_folder.h"

#define NAME_MAX_LEN 192

/* BUILD-ID-HASH.symbols: the same build-id at another path is another file, so a program cannot speak for others.
 */
static void file_name(const struct symbol_cache *c, char name[NAME_MAX_LEN])
{
	uint64_t hash = 1;

	for (const char *p = c->mapping->file; *p; p++)
		hash = hash_word(hash, (uint8_t)*p);
	snprintf(name, NAME_MAX_LEN, "%.128s-%016llx" SYMBOL_CACHE_SUFFIX, c->mapping->build_id,
		 (unsigned long long)hash);
}

static uint32_t checksum(const uint8_t *bytes, size_t size)
{
	struct cached_header h;
	uLong crc;

	memcpy(&h, bytes, sizeof(h));
	h.checksum = 0;
	crc = crc32(0, (const Bytef *)&h, sizeof(h));
	return (uint32_t)crc32(crc, bytes + sizeof(h), (uInt)(size - sizeof(h)));
}

/* --- reading ------------------------------------------------------------------------------------------ */

static bool sizes_agree(const struct cached_header *h, size_t size)
{
	uint64_t want = sizeof(*h) + (uint64_t)h->n_answers * sizeof(struct cached_answer) +
			(uint64_t)h->n_frames * sizeof(struct cached_frame) + h->n_bytes;

	return h->magic == SYMBOL_CACHE_MAGIC && h->version == SYMBOL_CACHE_VERSION && want == size &&
	       h->n_answers <= SYMBOL_CACHE_ANSWERS && h->n_strings <= h->n_bytes;
}

/* 1 = these are the strings of this module's file, 0 = not, or -ENOMEM. */
static int read_strings(struct symbol_cache *c, const struct cached_header *h, const char *bytes)
{
	size_t at = 0;

	for (uint32_t i = 0; i < h->n_strings; i++) {
		size_t n = strnlen(bytes + at, h->n_bytes - at);
		uint32_t number;

		if (at + n >= h->n_bytes)
			return 0;
		number = strings_add(&c->strings, bytes + at, n);
		if (number == ARENA_NONE)
			return -ENOMEM;
		if (number != i) /* twice the same */
			return 0;
		at += n + 1;
	}
	return at == h->n_bytes && h->n_strings >= 2 && !strcmp(c->strings.at[0], c->mapping->file) &&
	       !strcmp(c->strings.at[1], c->mapping->build_id);
}

static bool is_sound(const struct cached_header *h, const struct cached_answer *a,
		     const struct cached_frame *frames)
{
	if (a->n_frames > DWARF_MAX_INLINE || a->first_frame > h->n_frames ||
	    a->n_frames > h->n_frames - a->first_frame)
		return false;
	for (uint32_t i = a->first_frame; i < a->first_frame + a->n_frames; i++)
		if (frames[i].function >= h->n_strings || frames[i].file >= h->n_strings)
			return false;
	return true;
}

/* Everything of a file that is known to be whole. */
static int read_tables(struct symbol_cache *c, const struct cached_header *h, const uint8_t *bytes)
{
	const struct cached_answer *answers = (const void *)(bytes + sizeof(*h));
	const struct cached_frame *frames = (const void *)(answers + h->n_answers);
	int r = read_strings(c, h, (const char *)(frames + h->n_frames));

	for (uint32_t i = 0; r > 0 && i < h->n_answers; i++) {
		if (!is_sound(h, &answers[i], frames))
			return 0;
		if (symbol_cache_put(c, &answers[i], frames + answers[i].first_frame))
			r = -ENOMEM;
	}
	return r;
}

static void forget(struct symbol_cache *c)
{
	c->n_answers = c->n_frames = 0;
	index_done(&c->by_address);
	strings_done(&c->strings);
	arena_done(&c->arena);
	c->by_address = (struct index){ 0 };
	c->strings = (struct strings){ .arena = &c->arena };
	c->arena = (struct arena){ 0 };
}

static int read_bytes(struct symbol_cache *c, const uint8_t *bytes, size_t size)
{
	struct cached_header h;
	int r = 0;

	if (size < sizeof(h))
		return 0;
	memcpy(&h, bytes, sizeof(h));
	if (sizes_agree(&h, size) && h.checksum == checksum(bytes, size))
		r = read_tables(c, &h, bytes);
	if (!r)
		forget(c);
	return r < 0 ? r : 0;
}

int symbol_cache_load(struct symbol_cache *c)
{
	char name[NAME_MAX_LEN];
	uint8_t *bytes;
	size_t size;
	int r;

	file_name(c, name);
	bytes = symbol_cache_read(c->folder, name, SYMBOL_CACHE_FILE, &size);
	r = bytes ? read_bytes(c, bytes, size) : 0;
	free(bytes);
	if (r || c->strings.n)
		return r;
	return strings_add(&c->strings, c->mapping->file, strlen(c->mapping->file)) == ARENA_NONE ||
			       strings_add(&c->strings, c->mapping->build_id, strlen(c->mapping->build_id)) ==
				       ARENA_NONE
		       ? -ENOMEM
		       : 0;
}

/* --- writing ------------------------------------------------------------------------------------------ */

static void *append(void *at, const void *bytes, size_t n)
{
	return n ? (uint8_t *)memcpy(at, bytes, n) + n : at;
}

/* The file as it shall be, malloc'ed; NULL when out of memory or beyond the limit. */
static uint8_t *make_bytes(const struct symbol_cache *c, size_t *ret_size)
{
	struct cached_header h = { .magic = SYMBOL_CACHE_MAGIC,
				   .version = SYMBOL_CACHE_VERSION,
				   .n_answers = c->n_answers,
				   .n_frames = c->n_frames,
				   .n_strings = c->strings.n };
	size_t tables = c->n_answers * sizeof(*c->answers) + c->n_frames * sizeof(*c->frames), text = 0;
	uint8_t *bytes, *at;

	for (uint32_t i = 0; i < c->strings.n; i++)
		text += strlen(c->strings.at[i]) + 1;
	*ret_size = sizeof(h) + tables + text;
	bytes = *ret_size <= SYMBOL_CACHE_FILE ? malloc(*ret_size) : NULL;
	if (!bytes)
		return NULL;
	h.n_bytes = (uint32_t)text;
	at = append(bytes, &h, sizeof(h));
	at = append(at, c->answers, c->n_answers * sizeof(*c->answers));
	at = append(at, c->frames, c->n_frames * sizeof(*c->frames));
	for (uint32_t i = 0; i < c->strings.n; i++)
		at = append(at, c->strings.at[i], strlen(c->strings.at[i]) + 1);
	h.checksum = checksum(bytes, *ret_size);
	memcpy(bytes, &h, sizeof(h));
	return bytes;
}

int symbol_cache_save(struct symbol_cache *c)
{
	char name[NAME_MAX_LEN];
	size_t size;
	uint8_t *bytes = make_bytes(c, &size);
	int r;

	if (!bytes)
		return -EFBIG;
	file_name(c, name);
	r = symbol_cache_write(c->folder, name, bytes, size);
	free(bytes);
	if (!r)
		symbol_cache_trim(c->folder, SYMBOL_CACHE_SUFFIX, SYMBOL_CACHE_FOLDER);
	return r;
}
