/* collectord/live/threads.c - see threads.h. */
#include "collectord/live/threads.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void threads_done(struct threads *t)
{
	free(t->all);
	*t = (struct threads){ 0 };
}

/* What cannot be read leaves the name as it was. */
static void read_name(struct threads *t, struct thread_name *at)
{
	char path[64], buf[THREAD_NAME_MAX];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/task/%u/comm", at->pid, at->tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = read(fd, buf, sizeof(buf));
	close(fd);
	if (n <= 1)
		return;
	n -= buf[n - 1] == '\n' || (size_t)n == sizeof(buf);
	buf[n] = '\0';
	t->changed |= strncmp(at->name, buf, sizeof(buf)) != 0;
	memcpy(at->name, buf, (size_t)n + 1);
}

/* Where `tid` is, or would be. */
static uint32_t place_of(const struct threads *t, uint32_t tid)
{
	uint32_t low = 0, high = t->n;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (t->all[middle].tid < tid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void threads_note(struct threads *t, uint32_t pid, uint32_t tid)
{
	uint32_t at = place_of(t, tid);

	if ((at < t->n && t->all[at].tid == tid) || t->n == THREADS_MAX)
		return;
	if (!t->all)
		t->all = malloc(THREADS_MAX * sizeof(*t->all));
	if (!t->all)
		return;
	memmove(&t->all[at + 1], &t->all[at], (t->n - at) * sizeof(*t->all));
	t->n++;
	t->all[at] = (struct thread_name){ .tid = tid, .pid = pid };
	read_name(t, &t->all[at]);
}

void threads_read_again(struct threads *t)
{
	for (uint32_t i = 0; i < t->n; i++)
		read_name(t, &t->all[i]);
}

int threads_list(const struct threads *t, struct snapshot_thread **ret, size_t *ret_n)
{
	struct snapshot_thread *list = calloc(t->n + 1u, sizeof(*list));
	size_t n = 0;

	if (!list)
		return -ENOMEM;
	for (uint32_t i = 0; i < t->n; i++)
		if (t->all[i].name[0])
			list[n++] = (struct snapshot_thread){ t->all[i].tid, t->all[i].name };
	*ret = list;
	*ret_n = n;
	return 0;
}
