/* collectord/profile/encode_gotext.c - heap?debug=1 as Go's net/http/pprof prints it; see encode.h.
 *
 * The kind is "heap/2", a rate of 1 as Go writes it (twice): pprof takes the values as they are.  Frames are
 * comments, in columns as Go's text/tabwriter aligns them: tabs, cells a multiple of 8 wide, as wide as the longest
 * of the lines that follow each other.  Readers skip them: names come back only by /debug/pprof/symbol. */
#include "collectord/profile/encode.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/profile/encode_records.h"
#include "collectord/profile/utf8.h"

#define TAB 8u
#define TEXT_MAX \
	4000    /* bytes of a name: pprof gives up on lines of 64 KiB, and columns are as wide as the widest */
#define CELLS 2 /* address, function; "#" before and the place behind them are not aligned */

/* One frame's line.  An address without a name has one cell only. */
struct frame_line {
	char *cell[CELLS]; /* malloc'ed */
	size_t width[CELLS];
	char *place;
};

/* Those of all locations, made once: stacks share them. */
struct frame_lines {
	struct frame_line *at;
	size_t *first; /* of a location, and the end */
	size_t n;
	const struct frame_line **stack; /* those of the stack at hand: room for the deepest */
};

static void lines_done(struct frame_lines *all)
{
	for (size_t i = 0; i < all->n; i++) {
		free(all->at[i].cell[0]);
		free(all->at[i].cell[1]);
		free(all->at[i].place);
	}
	free(all->at);
	free(all->first);
	free(all->stack);
}

/* pprof takes "MAPPED_LIBRARIES:" and "--- Memory map: ---" for the end of the records, wherever in a line they
 * stand; the colon may be the one before the line number. */
static bool ends_records(const char *text)
{
	return strstr(text, "MAPPED_LIBRARIES") || strstr(text, "--- Memory map");
}

static void cut(char *text)
{
	size_t n = TEXT_MAX;

	if (strlen(text) <= TEXT_MAX)
		return;
	while ((text[n - 3] & 0xc0) == 0x80) /* in the middle of a character */
		n--;
	strcpy(text + n - 3, "...");
}

static char *one_line(const char *text)
{
	char *ret = NULL;
	size_t len;
	FILE *out = open_memstream(&ret, &len);

	if (!out)
		return NULL;
	encode_line(text, ends_records(text) ? "_-" : "", out);
	if (fclose(out)) {
		free(ret);
		return NULL;
	}
	cut(ret);
	return ret;
}

/* "main+0x12", without the distance where nobody knows it. */
static char *function_of(const struct encode_frame *frame)
{
	char *name = one_line(frame->function), *ret = NULL;

	if (!name || !frame->entry || frame->entry > frame->address)
		return name;
	if (asprintf(&ret, "%s+0x%" PRIx64, name, frame->address - frame->entry) < 0)
		ret = NULL;
	free(name);
	return ret;
}

/* "/src/main.c:12"; the object where no source is known. */
static char *place_of(const struct encode_frame *frame)
{
	char *file = one_line(*frame->file ? frame->file : frame->module), *ret = NULL;

	if (file && asprintf(&ret, "%s:%" PRId64, file, frame->line) < 0)
		ret = NULL;
	free(file);
	return ret;
}

/* Characters, not bytes, as Go counts them. */
static size_t width_of(const char *text)
{
	size_t n = 0;

	for (; *text; text += utf8_length(text, strlen(text)))
		n++;
	return n;
}

static bool line_of(const struct encode_frame *frame, struct frame_line *ret)
{
	if (asprintf(&ret->cell[0], "0x%" PRIx64, frame->address) < 0) {
		ret->cell[0] = NULL;
		return false;
	}
	if (!*frame->function)
		return true;
	ret->cell[1] = function_of(frame);
	ret->place = place_of(frame);
	for (int c = 0; c < CELLS; c++)
		ret->width[c] = ret->cell[c] ? width_of(ret->cell[c]) : 0;
	return ret->cell[1] && ret->place;
}

static int lines_of(const struct profile *p, struct frame_lines *all)
{
	size_t n = 0, deepest = 0, room;
	bool ok = true;

	for (size_t i = 0; i < p->n_locations; i++)
		n += encode_frames(&p->locations[i]);
	all->at = calloc(n + 1, sizeof(*all->at));
	all->first = calloc(p->n_locations + 1, sizeof(*all->first));
	ok = all->at && all->first;
	for (size_t i = 0; i < p->n_locations && ok; i++) {
		for (uint32_t k = 0; k < encode_frames(&p->locations[i]) && ok; k++) {
			const struct encode_frame frame = encode_frame_at(p, &p->locations[i], k);

			ok = line_of(&frame, &all->at[all->n++]);
		}
		all->first[i + 1] = all->n;
	}
	for (size_t i = 0; i < p->n_samples && ok; i++, deepest = room > deepest ? room : deepest) {
		room = 0;
		for (uint32_t k = 0; k < p->samples[i].n_locations; k++)
			room += encode_frames(&p->locations[p->samples[i].locations[k]]);
	}
	all->stack = ok ? calloc(deepest + 1, sizeof(struct frame_line *)) : NULL;
	return all->stack ? 0 : -ENOMEM;
}

static void put_cell(const struct frame_line *l, int c, size_t width, FILE *out)
{
	fputs(l->cell[c], out);
	for (size_t at = l->width[c]; at < width; at += TAB - at % TAB)
		fputc('\t', out);
}

/* lines[0..n) all have every cell. */
static void put_block(const struct frame_line **lines, size_t n, FILE *out)
{
	size_t width[CELLS] = { 0 };

	for (size_t i = 0; i < n; i++)
		for (int c = 0; c < CELLS; c++) {
			size_t w = (lines[i]->width[c] + 1 + TAB - 1) / TAB * TAB;

			width[c] = w > width[c] ? w : width[c];
		}
	for (size_t i = 0; i < n; i++) {
		fputs("#\t", out);
		for (int c = 0; c < CELLS; c++)
			put_cell(lines[i], c, width[c], out);
		fputs(lines[i]->place, out);
		fputc('\n', out);
	}
}

static void put_lines(const struct frame_line **lines, size_t n, FILE *out)
{
	for (size_t first = 0, end; first < n; first = end) {
		for (end = first; end < n && lines[end]->place;)
			end++;
		put_block(lines + first, end - first, out);
		if (end < n)
			fprintf(out, "#\t%s\n", lines[end++]->cell[0]);
	}
}

static void put_frames(struct frame_lines *all, const struct profile_sample *s, FILE *out)
{
	size_t n = 0;

	for (uint32_t i = 0; i < s->n_locations; i++)
		for (size_t k = all->first[s->locations[i]]; k < all->first[s->locations[i] + 1]; k++)
			all->stack[n++] = &all->at[k];
	put_lines(all->stack, n, out);
	fputc('\n', out);
}

int gotext_encode(const struct profile *p, const struct memstats *m, FILE *out, struct fault *f)
{
	struct encode_records records;
	struct frame_lines lines = { 0 };
	struct memstats own;
	int r = encode_records_new(p, "Go's heap text", &records, f);

	if (!r)
		encode_records_header(&records, "heap/2", out);
	if (!r)
		r = lines_of(p, &lines);
	for (size_t i = 0; i < records.n && !r; i++) {
		encode_record(&records, records.at[i], out);
		put_frames(&lines, records.at[i], out);
		r = ferror(out) ? -EIO : 0; /* it may be long: no need to go on */
	}
	if (!m) {
		memstats_of(p, &own);
		m = &own;
	}
	if (!r)
		memstats_print(m, out);
	lines_done(&lines);
	encode_records_done(&records);
	return r;
}
