/* collectord/profile/fault.c - see fault.h.
 *
 * The whole line is escaped, not its arguments: names from traced programs cannot move the cursor of the terminal
 * it is printed on, whoever formatted them.  Valid UTF-8 passes. */
#include "collectord/profile/fault.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "collectord/profile/utf8.h"

static void escape(char *out, size_t size, const char *s)
{
	size_t left = strlen(s), used = 0;

	while (left) {
		unsigned len = utf8_length(s, left);
		bool plain = len && !utf8_is_control(s, len);
		unsigned take = len ? len : 1;

		if ((plain ? take : 4 * take) >= size - used)
			break;
		if (plain) {
			memcpy(out + used, s, take);
			used += take;
		}
		for (unsigned i = 0; !plain && i < take; i++)
			used += (size_t)sprintf(out + used, "\\x%02x", (uint8_t)s[i]);
		s += take;
		left -= take;
	}
	out[used] = '\0';
}

int fault_set(struct fault *f, int r, const char *fmt, ...)
{
	char raw[sizeof(f->text)];
	va_list ap;

	if (!f)
		return r;
	va_start(ap, fmt);
	vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	escape(f->text, sizeof(f->text), raw);
	return r;
}
