/* collectord/profile/symbol_cache.c - see symbol_cache.h.
 *
 * In memory: tables of answers, frames and strings, and an index from address to answer; symbol_cache_file.c moves
 * them from and to files. */
#include "collectord/profile/symbol_cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collectord/profile/arena.h"
#include "collectord/profile/symbol_cache_file.h"

static bool same_address(const void *ctx, uint32_t entry)
{
	const struct symbol_cache *c = ctx;

	return c->answers[entry].address == c->asked;
}

static uint32_t find(const struct symbol_cache *c, uint64_t address)
{
	struct symbol_cache *asking = (struct symbol_cache *)c; /* index_find() takes one context */

	asking->asked = address;
	return index_find(&c->by_address, hash_word(1, address), same_address, c);
}

int symbol_cache_put(struct symbol_cache *c, const struct cached_answer *a, const struct cached_frame *frames)
{
	if (!table_reserve(&c->answers, c->n_answers, &c->cap_answers, sizeof(*c->answers)) ||
	    !table_reserve(&c->frames, (size_t)c->n_frames + a->n_frames, &c->cap_frames, sizeof(*c->frames)) ||
	    !index_add(&c->by_address, hash_word(1, a->address), c->n_answers))
		return -ENOMEM;
	c->answers[c->n_answers] = *a;
	c->answers[c->n_answers++].first_frame = c->n_frames;
	if (a->n_frames)
		memcpy(c->frames + c->n_frames, frames, a->n_frames * sizeof(*frames));
	c->n_frames += a->n_frames;
	return 0;
}

int symbol_cache_open(int folder, const struct profile_mapping *mapping, struct symbol_cache **ret)
{
	struct symbol_cache *c = calloc(1, sizeof(*c));
	int r = c ? 0 : -ENOMEM;

	if (r)
		return r;
	c->folder = folder;
	c->mapping = mapping;
	c->strings.arena = &c->arena;
	r = symbol_cache_load(c);
	if (r) {
		symbol_cache_close(c);
		return r;
	}
	c->n_stored = c->n_answers;
	*ret = c;
	return 0;
}

void symbol_cache_close(struct symbol_cache *c)
{
	if (!c)
		return;
	free(c->answers);
	free(c->frames);
	index_done(&c->by_address);
	strings_done(&c->strings);
	arena_done(&c->arena);
	free(c);
}

bool symbol_cache_find(const struct symbol_cache *c, uint64_t address, struct module_answer *ret)
{
	uint32_t at = find(c, address - c->mapping->bias);
	const struct cached_answer *a;

	if (at == ARENA_NONE)
		return false;
	a = &c->answers[at];
	ret->entry = a->entry;
	ret->n = (int)a->n_frames;
	for (uint32_t i = 0; i < a->n_frames; i++) {
		const struct cached_frame *f = &c->frames[a->first_frame + i];

		ret->frames[i] = (struct dwarf_frame){ .function = c->strings.at[f->function],
						       .file = c->strings.at[f->file],
						       .line = f->line };
		if (!*ret->frames[i].file)
			ret->frames[i].file = NULL;
	}
	return true;
}

static uint32_t intern(struct symbol_cache *c, const char *s)
{
	s = s ? s : "";
	return strings_add(&c->strings, s, strlen(s));
}

int symbol_cache_add(struct symbol_cache *c, uint64_t address, const struct module_answer *answer)
{
	struct cached_frame frames[DWARF_MAX_INLINE];
	const struct cached_answer a = {
		.address = address - c->mapping->bias,
		.entry = answer->entry,
		.n_frames = (uint32_t)answer->n,
	};

	if (c->n_answers >= SYMBOL_CACHE_ANSWERS || find(c, a.address) != ARENA_NONE)
		return 0;
	for (int i = 0; i < answer->n; i++) {
		const struct dwarf_frame *f = &answer->frames[i];

		frames[i] = (struct cached_frame){ .function = intern(c, f->function),
						   .file = intern(c, f->file),
						   .line = f->line };
		if (frames[i].function == ARENA_NONE || frames[i].file == ARENA_NONE)
			return -ENOMEM;
	}
	return symbol_cache_put(c, &a, frames);
}

int symbol_cache_store(struct symbol_cache *c)
{
	return c->n_answers == c->n_stored ? 0 : symbol_cache_save(c);
}
