/* collectord/cli/say.c - see say.h. */
#include "collectord/cli/say.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* What terminals obey: C0, DEL, and C1 in its UTF-8 form, 0xc2 0x80..0x9f. */
static bool is_control(const unsigned char *s)
{
	return s[0] < 0x20 || s[0] == 0x7f || (s[0] == 0xc2 && s[1] >= 0x80 && s[1] < 0xa0);
}

static void put_escaped(FILE *out, const char *text)
{
	for (const unsigned char *s = (const unsigned char *)text; *s; s++) {
		if (!is_control(s))
			putc(*s, out);
		else if (*s == 0xc2)
			fprintf(out, "\\xc2\\x%02x", *++s);
		else
			fprintf(out, "\\x%02x", *s);
	}
}

void say(const char *fmt, ...)
{
	char *text = NULL, *line = NULL;
	size_t len;
	va_list ap;
	FILE *out = open_memstream(&line, &len);
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (out) {
		fputs("heaptap: ", out);
		put_escaped(out, n < 0 ? "out of memory" : text);
		putc('\n', out);
		fclose(out);
		fputs(line, stderr); /* in one piece: the program may write to the same terminal */
	}
	free(line);
	if (n >= 0)
		free(text);
}

int say_fault(const struct fault *f, int status)
{
	say("%s", f->text);
	return status;
}
