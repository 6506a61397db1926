/* collectord/profile/symbol_cache_file.h - the tables of a symbol cache, and their way from and to a file.
 *
 * Private to symbol_cache*.c.  A file is a header, then the answers, the frames and the bytes of the strings, each
 * ended by a NUL; the first string is the module's path, the second its build-id.  Words are the machine's own. */
#pragma once

#include <stdint.h>

#include "collectord/profile/arena.h"
#include "collectord/profile/symbol_cache.h"

#define SYMBOL_CACHE_MAGIC 0x4d59537061657461ull /* "ateapSYM" */
#define SYMBOL_CACHE_VERSION 1u                  /* of the format, and of how names and paths are made */
#define SYMBOL_CACHE_ANSWERS (1u << 20)
#define SYMBOL_CACHE_FILE ((uint64_t)64 << 20)    /* bytes of one file */
#define SYMBOL_CACHE_FOLDER ((uint64_t)256 << 20) /* bytes of all */
#define SYMBOL_CACHE_SUFFIX ".symbols"

struct cached_header {
	uint64_t magic;
	uint32_t version, checksum; /* crc32 of the file with this field 0 */
	uint32_t n_answers, n_frames, n_strings, n_bytes;
};

struct cached_answer {
	uint64_t address, entry; /* as in the file */
	uint32_t first_frame, n_frames;
};

struct cached_frame {
	int64_t line;
	uint32_t function, file; /* strings */
};

struct symbol_cache {
	int folder;
	const struct profile_mapping *mapping;
	struct cached_answer *answers;
	struct cached_frame *frames;
	uint32_t n_answers, n_frames;
	size_t cap_answers, cap_frames;
	uint32_t n_stored; /* answers that the file has */
	struct index by_address;
	struct strings strings;
	struct arena arena;
	uint64_t asked;
};

/* Append an answer with its frames.  0 or -ENOMEM. */
int symbol_cache_put(struct symbol_cache *c, const struct cached_answer *a, const struct cached_frame *frames);

int symbol_cache_load(struct symbol_cache *c); /* 0, also without a file to believe, or -ENOMEM */
int symbol_cache_save(struct symbol_cache *c); /* 0 or -errno */
