/* collectord/live/session_threads.c - a session whose stacks are kept apart by thread; see session.h. */
#include "collectord/live/session.h"

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

			if (k->flags & ABI_STACK_THREAD && k->n_frames && !s->is_nested)
				threads_note(&s->threads, p->pid, (uint32_t)b->words[k->frames + k->n_frames - 1]);
		}
	}
}

void session_read_threads(struct session *s)
{
	note_threads(s);
	threads_read_again(&s->threads);
}

/* New ones at once, the others now and then: most take their names after they began. */
void session_look_at_threads(struct session *s)
{
	if (!s->by_thread)
		return;
	note_threads(s);
	if (session_time(s) < s->next_names_ns)
		return;
	s->next_names_ns = session_time(s) + NAMES_INTERVAL_NS;
	threads_read_again(&s->threads);
}
