/* collectord/live/pack.c - see pack.h. */
#include "collectord/live/pack.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Not against forgers, who do not get here: against a copy that is not whole. */
uint64_t pack_sum(uint64_t sum, const void *p, size_t n)
{
	const uint8_t *at = p;
	uint64_t word;

	for (; n >= sizeof(word); n -= sizeof(word), at += sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		sum = (sum ^ word) * 0x9e3779b97f4a7c15ull;
		sum ^= sum >> 32;
	}
	for (; n; n--)
		sum = (sum ^ *at++) * 0xff51afd7ed558ccdull;
	return sum;
}

void pack_begin(struct pack_writer *w, int fd, uint64_t at)
{
	w->fd = fd;
	w->at = at;
	w->error = 0;
	w->size = w->sum = w->n = 0;
}

static void write_out(struct pack_writer *w, const uint8_t *p, size_t n)
{
	w->sum = pack_sum(w->sum, p, n);
	while (n && !w->error) {
		ssize_t done = pwrite(w->fd, p, n, (off_t)w->at);

		if (done <= 0) {
			w->error = done == 0 ? -EIO : errno == EINTR ? 0 : -errno;
			continue;
		}
		p += done;
		n -= (size_t)done;
		w->at += (uint64_t)done;
	}
}

void pack_put(struct pack_writer *w, const void *p, size_t n)
{
	const uint8_t *from = p;

	w->size += n;
	while (n) {
		size_t part = PACK_BUFFER - w->n < n ? PACK_BUFFER - w->n : n;

		memcpy(w->buffer + w->n, from, part);
		w->n += part;
		from += part;
		n -= part;
		if (w->n < PACK_BUFFER)
			return;
		write_out(w, w->buffer, w->n);
		w->n = 0;
	}
}

int pack_end(struct pack_writer *w)
{
	write_out(w, w->buffer, w->n);
	w->n = 0;
	return w->error;
}

const void *pack_take(struct pack_reader *r, size_t n)
{
	const uint8_t *p = r->p;

	if (r->bad || n > (size_t)(r->end - r->p)) {
		r->bad = true;
		return NULL;
	}
	r->p += n;
	return p;
}
