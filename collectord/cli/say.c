/* collectord/cli/say.c - see say.h. */
#include "collectord/cli/say.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/profile/utf8.h"

void say_put(FILE *out, const char *text)
{
	for (size_t left = strlen(text); left;) {
		unsigned len = utf8_length(text, left), take = len ? len : 1;

		if (len && !utf8_is_control(text, len))
			fwrite(text, 1, len, out);
		else
			for (unsigned i = 0; i < take; i++)
				fprintf(out, "\\x%02x", (unsigned char)text[i]);
		text += take;
		left -= take;
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
		say_put(out, n < 0 ? "out of memory" : text);
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
