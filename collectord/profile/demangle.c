/* collectord/profile/demangle.c - see demangle.h.
 *
 * libiberty demangles.  It can leave out parameters, but not template arguments; those are cut from its text, where
 * the only traps are operators made of angle brackets and comparisons, which it always prints in parentheses. */
#include "collectord/profile/demangle.h"

#include <libiberty/demangle.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define PLT "@plt" /* which is no version of a symbol */

/* What gcc and clang append to the names of parts and copies; what follows is a number or another one. */
static const char *const clone_suffixes[] = {
	".cold", ".part.", ".constprop.", ".isra.", ".lto_priv.", ".llvm.", ".localalias", ".clone.", ".ipa_ra",
};

/* Length of the symbol without version ("@@GLIBC_2.34") and clone suffixes. */
static size_t base_length(const char *symbol)
{
	size_t n = strcspn(symbol, "@");

	for (size_t i = 0; i < sizeof(clone_suffixes) / sizeof(*clone_suffixes); i++) {
		const char *at = strstr(symbol, clone_suffixes[i]);

		if (at && at > symbol && (size_t)(at - symbol) < n)
			n = (size_t)(at - symbol);
	}
	return n;
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c & 0x80;
}

/* Length of an operator's name at s that contains angle brackets ("operator<<"), else 0. */
static size_t bracket_operator(const char *s)
{
	static const char *const symbols[] = { "<=>", "<<=", ">>=", "->*", "<<", ">>", "<=", ">=", "->", "<", ">" };
	const size_t n = sizeof("operator") - 1;

	if (strncmp(s, "operator", n))
		return 0;
	for (size_t i = 0; i < sizeof(symbols) / sizeof(*symbols); i++)
		if (!strncmp(s + n, symbols[i], strlen(symbols[i])))
			return n + strlen(symbols[i]);
	return 0;
}

/* End of the bracketed text that begins at s; NULL if it is not balanced.  Inside parentheses angle brackets mean
 * nothing, as comparisons live there. */
static const char *skip_bracketed(const char *s)
{
	unsigned angles = 0, parens = 0;

	for (; *s; s++) {
		if (*s == '(')
			parens++;
		else if (*s == ')' && !parens--)
			return NULL;
		else if (*s == '<' && !parens)
			angles++;
		else if (*s == '>' && !parens && !--angles)
			return s + 1;
	}
	return NULL;
}

/* Cut template arguments in place; leaves the text alone from where it does not balance. */
static void cut_templates(char *text)
{
	bool balanced = true; /* once it is not, a hostile text would be searched to its end again and again */
	char *out = text;
	const char *s = text;

	while (*s) {
		bool at_word = out == text || !is_word(out[-1]);
		size_t keep = at_word ? bracket_operator(s) : 0;
		bool opens = balanced && !keep && *s == '<';
		const char *end = opens ? skip_bracketed(s) : NULL;

		balanced = balanced && (!opens || end);
		if (end) {
			if (out > text && out[-1] == ' ') /* "operator< <int>" */
				out--;
			s = end;
			continue;
		}
		keep = keep ? keep : 1;
		memmove(out, s, keep);
		out += keep;
		s += keep;
	}
	*out = '\0';
}

/* C++ that came without a linker name, as DWARF has it: "operator()<int>". */
static char *shorten_plain(char *name)
{
	if (name[0] != '<' && strchr(name, '<'))
		cut_templates(name);
	return name;
}

/* The name without suffixes, demangled. */
static char *demangle_base(const char *symbol)
{
	char *base = strndup(symbol, base_length(symbol)), *name = NULL;

	if (!base)
		return NULL;
	if (base[0] == '_' && (base[1] == 'R' || base[1] == 'Z'))
		name = rust_demangle(base, DMGL_NO_OPTS);
	if (!name && base[0] == '_' && base[1] == 'D')
		name = dlang_demangle(base, DMGL_NO_OPTS);
	if (!name && base[0] == '_' && base[1] == 'Z') {
		name = cplus_demangle_v3(base, DMGL_NO_OPTS);
		if (name)
			cut_templates(name);
	}
	if (!name)
		return shorten_plain(base);
	free(base);
	return name;
}

static bool is_plt(const char *symbol)
{
	const char *at = strchr(symbol, '@');

	return at && !strcmp(at, PLT);
}

char *demangle_name(const char *symbol)
{
	char *name = demangle_base(symbol), *longer;

	if (!name || !is_plt(symbol))
		return name;
	longer = realloc(name, strlen(name) + sizeof(PLT));
	if (longer)
		strcat(longer, PLT);
	else
		free(name);
	return longer;
}
