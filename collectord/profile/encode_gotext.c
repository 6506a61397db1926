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
	char *place;
};

static void line_done(struct frame_line *l)
{
	free(l->cell[0]);
	free(l->cell[1]);
	free(l->place);
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

static bool line_of(const struct encode_frame *frame, struct frame_line *ret)
{
	*ret = (struct frame_line){ 0 };
	if (asprintf(&ret->cell[0], "0x%" PRIx64, frame->address) < 0) {
		ret->cell[0] = NULL;
		return false;
	}
	if (!*frame->function)
		return true;
	ret->cell[1] = function_of(frame);
	ret->place = place_of(frame);
	return ret->cell[1] && ret->place;
}

/* Characters, not bytes, as Go counts them. */
static size_t width_of(const char *text)
{
	size_t n = 0;

	for (; *text; text += utf8_length(text, strlen(text)))
		n++;
	return n;
}

static void put_cell(const char *text, size_t width, FILE *out)
{
	fputs(text, out);
	for (size_t at = width_of(text); at < width; at += TAB - at % TAB)
		fputc('\t', out);
}

/* lines[0..n) all have every cell. */
static void put_block(const struct frame_line *lines, size_t n, FILE *out)
{
	size_t width[CELLS] = { 0 };

	for (size_t i = 0; i < n; i++)
		for (int c = 0; c < CELLS; c++) {
			size_t w = (width_of(lines[i].cell[c]) + 1 + TAB - 1) / TAB * TAB;

			width[c] = w > width[c] ? w : width[c];
		}
	for (size_t i = 0; i < n; i++) {
		fputs("#\t", out);
		for (int c = 0; c < CELLS; c++)
			put_cell(lines[i].cell[c], width[c], out);
		fprintf(out, "%s\n", lines[i].place);
	}
}

static void put_lines(const struct frame_line *lines, size_t n, FILE *out)
{
	for (size_t first = 0, end; first < n; first = end) {
		for (end = first; end < n && lines[end].place;)
			end++;
		put_block(lines + first, end - first, out);
		if (end < n)
			fprintf(out, "#\t%s\n", lines[end++].cell[0]);
	}
}

static int put_frames(const struct profile *p, const struct profile_sample *s, FILE *out)
{
	struct frame_line *lines;
	size_t n = 0, room = 0;
	bool ok = true;

	for (uint32_t i = 0; i < s->n_locations; i++)
		room += encode_frames(&p->locations[s->locations[i]]);
	lines = calloc(room + 1, sizeof(*lines));
	if (!lines)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->n_locations && ok; i++) {
		const struct profile_location *l = &p->locations[s->locations[i]];

		for (uint32_t k = 0; k < encode_frames(l) && ok; k++) {
			const struct encode_frame frame = encode_frame_at(p, l, k);

			ok = line_of(&frame, &lines[n++]);
		}
	}
	if (ok)
		put_lines(lines, n, out);
	for (size_t i = 0; i < n; i++)
		line_done(&lines[i]);
	free(lines);
	fputc('\n', out);
	return ok ? 0 : -ENOMEM;
}

int gotext_encode(const struct profile *p, const struct memstats *m, FILE *out, struct fault *f)
{
	struct encode_records records;
	struct memstats own;
	int r = encode_records_new(p, "Go's heap text", &records, f);

	if (!r)
		encode_records_header(&records, "heap/2", out);
	for (size_t i = 0; i < records.n && !r; i++) {
		encode_record(&records, records.at[i], out);
		r = put_frames(p, records.at[i], out);
	}
	if (!m) {
		memstats_of(p, &own);
		m = &own;
	}
	if (!r)
		memstats_print(m, out);
	encode_records_done(&records);
	return r;
}
