/* collectord/live/session_threads.c - a session whose stacks are kept apart by thread; see session.h. */
#include "collectord/live/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_INTERVAL_NS 500000000 /* between two readings of all threads' names */

void session_set_threads(struct session *s, bool by_thread)
{
	s->by_thread = by_thread;
	store_relaxed(&s->region.map.control->threads, by_thread);
}

/* Those of buckets that are new.  Numbers in another pid namespace are not ours to look up. */
static void note_threads(struct session *s)
{
	struct process *p;

	LIST_FOREACH(p, &s->processes, link)
	{
		const struct books *b = &p->ledger.books;

		for (; p->named < b->n_buckets; p->named++) {
			const struct bucket *k = &b->buckets[p->named];

			if (k->flags & ABI_STACK_THREAD && k->n_frames && !session_is_nested(s))
				threads_note(&s->threads, p->pid, (uint32_t)b->words[k->frames + k->n_frames - 1]);
		}
	}
}

void session_read_threads(struct session *s)
{
	note_threads(s);
	threads_read_again(&s->threads);
}

/* A successor cannot read those of threads that ended. */
static void log_threads(struct session *s)
{
	size_t size = s->threads.n * sizeof(*s->threads.all);
	void *r = s->threads.changed ? state_add(s->state, RECORD_THREADS, size) : NULL;

	if (r)
		memcpy(r, s->threads.all, size);
	s->threads.changed = false;
}

int session_take_threads(struct session *s, const struct thread_name *from, uint32_t n)
{
	struct threads *t = &s->threads;

	if (n > THREADS_MAX)
		return -EBADMSG;
	for (uint32_t i = 0; i < n; i++)
		if (!memchr(from[i].name, '\0', THREAD_NAME_MAX) || (i && from[i].tid <= from[i - 1].tid))
			return -EBADMSG;
	if (n && !t->all)
		t->all = calloc(THREADS_MAX, sizeof(*t->all));
	if (n && !t->all)
		return -ENOMEM;
	if (n)
		memcpy(t->all, from, n * sizeof(*from));
	t->n = n;
	return 0;
}

/* New ones at once, the others now and then: most take their names after they began. */
void session_look_at_threads(struct session *s)
{
	if (!s->by_thread)
		return;
	note_threads(s);
	if (session_time(s) >= s->next_names_ns) {
		s->next_names_ns = session_time(s) + NAMES_INTERVAL_NS;
		threads_read_again(&s->threads);
	}
	log_threads(s);
}
