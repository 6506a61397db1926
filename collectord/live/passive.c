/* collectord/live/passive.c - see passive.h. */
#include "collectord/live/passive.h"

#include <string.h>

#include "common/compiler.h"
#include "common/handshake.h"

const char *passive_why(uint32_t status)
{
	static const char *const why[] = {
		[HELLO_EXE_DEFINES_MALLOC] = "the executable brings its own malloc",
		[HELLO_MIXED_ALLOCATORS] = "its allocation functions come from different libraries",
		[HELLO_SANITIZER] = "it is built with a sanitizer",
		[HELLO_BEHIND_ANOTHER] = "a library in front of heaptap brings its own malloc",
	};

	return status < ARRAY_SIZE(why) && why[status] ? why[status] : "unknown reason";
}

static void remove_at(struct passive_list *p, size_t i)
{
	memmove(&p->list[i], &p->list[i + 1], (--p->n - i) * sizeof(*p->list));
}

/* The same program again, by exec or because its pid came round; or room to be made among its user's. */
static void make_room(struct passive_list *p, const struct control_process *about)
{
	size_t users = 0, oldest = 0;

	for (size_t i = p->n; i-- > 0;) {
		if (p->list[i].pid == about->pid) {
			remove_at(p, i);
			oldest -= users && oldest > i;
		} else if (p->list[i].uid == about->uid) {
			users++;
			oldest = i;
		}
	}
	if (users >= PASSIVE_PER_USER)
		remove_at(p, oldest);
	else if (p->n == PASSIVE_MAX)
		remove_at(p, 0);
}

void passive_note(struct passive_list *p, const struct control_process *about, uint64_t now_ns)
{
	make_room(p, about);
	p->list[p->n] = *about;
	p->list[p->n++].elapsed_ns = now_ns;
}

bool passive_get(const struct passive_list *p, size_t i, uint64_t now_ns, struct control_process *ret)
{
	uint64_t age;

	if (i >= p->n)
		return false;
	age = now_ns - p->list[i].elapsed_ns;
	if (age > PASSIVE_AGE_NS)
		return false;
	*ret = p->list[i];
	ret->elapsed_ns = age;
	return true;
}
