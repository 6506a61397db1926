/* common/modtab.c - append and read module entries; see modtab.h.  No libc call: the shim links this too. */
#include "common/modtab.h"

#include <stddef.h>

bool module_publish(const struct abi_region *r, const struct module_info *m, const char *path, uint32_t path_len)
{
	return module_publish_in(r, m, NULL, 0, path, path_len);
}

bool module_publish_in(const struct abi_region *r, const struct module_info *m, const char *dir, uint32_t dir_len,
		       const char *path, uint32_t path_len)
{
	struct abi_module *e;
	uint64_t at = 0;
	uint32_t i, len = dir_len + path_len;

	if (load_relaxed(&r->cursors->modules) >= r->geo.modules)
		return false;
	if (len) {
		if (load_relaxed(&r->cursors->strings) + len > r->geo.strings)
			return false;
		at = add_relaxed(&r->cursors->strings, len);
		if (at > r->geo.strings || r->geo.strings - at < len)
			return false;
	}
	i = add_relaxed(&r->cursors->modules, 1);
	if (i >= r->geo.modules)
		return false;
	for (uint32_t k = 0; k < len; k++)
		r->strings[at + k] = k < dir_len ? dir[k] : path[k - dir_len];
	e = &r->modules[i];
	e->start = m->start;
	e->end = m->end;
	e->bias = m->bias;
	e->epoch = m->epoch;
	e->path = at;
	e->path_len = len;
	e->build_id_len = m->build_id_len <= ABI_BUILD_ID_MAX ? m->build_id_len : ABI_BUILD_ID_MAX;
	for (uint32_t k = 0; k < e->build_id_len; k++)
		e->build_id[k] = m->build_id[k];
	store_release(&e->state, ABI_MODULE_READY); /* I, pairs with J */
	return true;
}

uint32_t module_count(const struct abi_region *r)
{
	uint32_t n = load_relaxed(&r->cursors->modules);

	return n < r->geo.modules ? n : r->geo.modules;
}

int module_read(const struct abi_region *r, uint32_t i, struct module_info *ret, char *path, uint32_t path_size)
{
	const struct abi_module *shared = &r->modules[i];
	struct module_info m;
	uint64_t at, len;

	if (load_acquire(&shared->state) != ABI_MODULE_READY) /* J, pairs with I */
		return 0;
	/* One volatile fetch each: what was checked is what is used. */
	m.start = *(const volatile uint64_t *)&shared->start;
	m.end = *(const volatile uint64_t *)&shared->end;
	m.bias = *(const volatile uint64_t *)&shared->bias;
	m.epoch = *(const volatile uint32_t *)&shared->epoch;
	m.build_id_len = *(const volatile uint32_t *)&shared->build_id_len;
	at = *(const volatile uint64_t *)&shared->path;
	len = *(const volatile uint32_t *)&shared->path_len;
	if (m.build_id_len > ABI_BUILD_ID_MAX || m.start >= m.end || at > r->geo.strings ||
	    len > r->geo.strings - at)
		return -1;
	for (uint32_t k = 0; k < ABI_BUILD_ID_MAX; k++)
		m.build_id[k] = k < m.build_id_len ? shared->build_id[k] : 0;
	if (path_size) {
		uint64_t n = len < path_size - 1 ? len : path_size - 1;

		for (uint64_t k = 0; k < n; k++)
			path[k] = r->strings[at + k];
		path[n] = '\0';
	}
	*ret = m;
	return 1;
}
