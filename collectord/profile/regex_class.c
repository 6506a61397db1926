/* collectord/profile/regex_class.c - escapes and classes of RE2's syntax; see regex_syntax.h. */
#include <errno.h>
#include <string.h>

#include "collectord/profile/regex_syntax.h"
#include "collectord/profile/utf8.h"
#include "common/compiler.h"

int syntax_refuse(struct syntax *s, const char *what, const char *from, const char *to)
{
	return fault_set(s->fault, -EINVAL, "error parsing regexp: %s: `%.*s`", what, (int)(to - from), from);
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The character at *t, which is valid UTF-8; *t moves behind it. */
uint32_t syntax_next(const char **t)
{
	const unsigned char *b = (const unsigned char *)*t;
	unsigned n = utf8_length(*t, strlen(*t));
	uint32_t c = n <= 1 ? b[0] : b[0] & (0x7fu >> n);

	for (unsigned i = 1; i < n; i++)
		c = c << 6 | (b[i] & 0x3f);
	*t += n ? n : 1;
	return c;
}

/* A character, inside or outside a class.  A surrogate is none: it matches nothing outside, and a private character
 * stands for it inside. */
void syntax_put(struct syntax *s, uint32_t c)
{
	if (syntax_is_alnum(c))
		fputc((int)c, s->out);
	else
		fprintf(s->out, "\\x{%X}", c >= 0xd800 && c < 0xe000 ? 0x10fffe : c);
}

/* --- escapes ----------------------------------------------------------------------------------------- */

/* \x{10FFFF} and \x7F: `*t` is behind the x.  False if it is neither. */
static bool hex_escape(const char **t, uint32_t *ret)
{
	uint32_t v = 0;
	unsigned n = 0;

	if (**t == '{') {
		for (++*t; hex_value(**t) >= 0; ++*t, n++) {
			v = v * 16 + (uint32_t)hex_value(**t);
			if (v > 0x10ffff) {
				++*t;
				return false;
			}
		}
		*ret = v;
		return **t && syntax_next(t) == '}' && n;
	}
	for (; n < 2; n++) {
		if (!**t)
			return false;
		v = v * 16 + (uint32_t)hex_value(**t);
		if (hex_value((char)syntax_next(t)) < 0 && n)
			return false;
	}
	*ret = v;
	return hex_value((*t)[-1]) >= 0 && hex_value((*t)[-2]) >= 0;
}

static uint32_t octal_escape(const char **t, uint32_t v)
{
	for (int i = 1; i < 3 && **t >= '0' && **t <= '7'; i++)
		v = v * 8 + (uint32_t)(*(*t)++ - '0');
	return v;
}

/* The one character that the escape at s->at means. */
int syntax_single_escape(struct syntax *s, uint32_t *ret)
{
	static const char letters[] = "afnrtv", values[] = "\a\f\n\r\t\v";
	const char *from = s->at, *t = from + 1, *letter;
	uint32_t c;

	if (!*t)
		return syntax_refuse(s, "trailing backslash at end of expression", t, t);
	c = syntax_next(&t);
	if (c < 0x80 && !syntax_is_alnum(c))
		*ret = c;
	else if (c == '0' || (c >= '1' && c <= '7' && *t >= '0' && *t <= '7'))
		*ret = octal_escape(&t, c - '0');
	else if (c < 0x80 && (letter = strchr(letters, (int)c)))
		*ret = (uint32_t)values[letter - letters];
	else if (c != 'x' || !hex_escape(&t, ret))
		return syntax_refuse(s, "invalid escape sequence", from, t);
	s->at = t;
	return 0;
}

/* One of the general categories, or a script by its full name: as Go 1.19 knows them: PCRE2 would also take
 * Grek and greek. */
static bool knows_property(const char *name, size_t n)
{
	static const char known[] =
		" C Cc Cf Co Cs L Ll Lm Lo Lt Lu M Mc Me Mn N Nd Nl No P Pc Pd Pe Pf Pi Po Ps "
		"S Sc Sk Sm So Z Zl Zp Zs Any "
		"Adlam Ahom Anatolian_Hieroglyphs Arabic Armenian Avestan Balinese Bamum Bassa_Vah Batak "
		"Bengali Bhaiksuki Bopomofo Brahmi Braille Buginese Buhid Canadian_Aboriginal Carian "
		"Caucasian_Albanian Chakma Cham Cherokee Chorasmian Common Coptic Cuneiform Cypriot "
		"Cyrillic Deseret Devanagari Dives_Akuru Dogra Duployan "
		"Egyptian_Hieroglyphs Elbasan Elymaic Ethiopic Georgian Glagolitic Gothic Grantha Greek "
		"Gujarati Gunjala_Gondi Gurmukhi Han Hangul Hanifi_Rohingya Hanunoo Hatran Hebrew "
		"Hiragana Imperial_Aramaic Inherited Inscriptional_Pahlavi Inscriptional_Parthian "
		"Javanese Kaithi Kannada Katakana Kayah_Li Kharoshthi Khitan_Small_Script Khmer Khojki "
		"Khudawadi Lao Latin Lepcha Limbu Linear_A Linear_B Lisu Lycian Lydian Mahajani Makasar "
		"Malayalam Mandaic Manichaean Marchen Masaram_Gondi Medefaidrin Meetei_Mayek "
		"Mende_Kikakui Meroitic_Cursive Meroitic_Hieroglyphs Miao Modi Mongolian Mro Multani "
		"Myanmar Nabataean Nandinagari New_Tai_Lue Newa Nko Nushu Nyiakeng_Puachue_Hmong Ogham "
		"Ol_Chiki Old_Hungarian Old_Italic Old_North_Arabian Old_Permic Old_Persian Old_Sogdian "
		"Old_South_Arabian Old_Turkic Oriya Osage Osmanya Pahawh_Hmong Palmyrene "
		"Pau_Cin_Hau Phags_Pa Phoenician Psalter_Pahlavi Rejang Runic Samaritan Saurashtra "
		"Sharada Shavian Siddham SignWriting Sinhala Sogdian Sora_Sompeng Soyombo Sundanese "
		"Syloti_Nagri Syriac Tagalog Tagbanwa Tai_Le Tai_Tham Tai_Viet Takri Tamil Tangut "
		"Telugu Thaana Thai Tibetan Tifinagh Tirhuta Ugaritic Vai Wancho "
		"Warang_Citi Yezidi Yi Zanabazar_Square ";
	char spelled[64];

	if (!n || n > 40 || strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_") < n)
		return false;
	snprintf(spelled, sizeof(spelled), " %.*s ", (int)n, name);
	return strstr(known, spelled);
}

/* \pN, \p{Greek}, \P{^Lu}; scripts are meant without their extensions. */
int syntax_unicode_class(struct syntax *s)
{
	const char *from = s->at, *t = from + 2, *name = t, *end;
	bool negated = from[1] == 'P';
	size_t n;

	if (!*t)
		return syntax_refuse(s, "invalid character class range", from, t);
	syntax_next(&t);
	n = (size_t)(t - name);
	if (*name == '{') {
		end = strchr(from, '}');
		if (!end)
			return syntax_refuse(s, "invalid character class range", from, syntax_end(from));
		n = (size_t)(end - ++name);
		t = end + 1;
	}
	if (n && *name == '^') {
		negated = !negated;
		name++;
		n--;
	}
	if (!knows_property(name, n))
		return syntax_refuse(s, "invalid character class range", from, t);
	fprintf(s->out, "\\%c{%s%.*s}", negated ? 'P' : 'p', n > 2 && strncmp(name, "Any", n) ? "sc:" : "", (int)n,
		name);
	s->at = t;
	return 0;
}

/* \d \D \s \S \w \W; \s has no vertical tab.  True if it was one. */
bool syntax_perl_class(struct syntax *s, bool in_class)
{
	const char *spelled;

	switch (s->at[0] == '\\' ? s->at[1] : 0) {
	case 'd':
		spelled = "0-9";
		break;
	case 'D':
		spelled = "\\D";
		break;
	case 's':
		spelled = "\\t\\n\\f\\r\\x20";
		break;
	case 'S':
		spelled = "\\S\\x0b";
		break;
	case 'w':
		spelled = "0-9A-Za-z_";
		break;
	case 'W':
		spelled = "\\W";
		break;
	default:
		return false;
	}
	fprintf(s->out, in_class ? "%s" : "[%s]", spelled);
	s->at += 2;
	return true;
}

/* --- [classes] --------------------------------------------------------------------------------------- */

/* [:alpha:] and [:^alpha:]; 1 if it was one. */
static int posix_class(struct syntax *s)
{
	static const char *const names[] = { "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph",
					     "lower", "print", "punct", "space", "upper", "word",  "xdigit" };
	const char *end = strstr(s->at + 2, ":]"), *name = s->at + 2 + (s->at[2] == '^');

	if (!end)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if ((size_t)(end - name) == strlen(names[i]) && !strncmp(name, names[i], strlen(names[i]))) {
			fwrite(s->at, 1, (size_t)(end + 2 - s->at), s->out);
			s->at = end + 2;
			return 1;
		}
	return syntax_refuse(s, "invalid character class range", s->at, end + 2);
}

static int class_rune(struct syntax *s, const char *class, uint32_t *ret)
{
	if (!*s->at)
		return syntax_refuse(s, "missing closing ]", class, syntax_end(class));
	if (*s->at == '\\')
		return syntax_single_escape(s, ret);
	*ret = syntax_next(&s->at);
	return 0;
}

static int class_range(struct syntax *s, const char *class)
{
	const char *from = s->at;
	uint32_t low = 0, high;
	int r = class_rune(s, class, &low);

	high = low;
	if (!r && s->at[0] == '-' && s->at[1] && s->at[1] != ']') {
		s->at++;
		r = class_rune(s, class, &high);
		if (!r && high < low)
			r = syntax_refuse(s, "invalid character class range", from, s->at);
	}
	if (r)
		return r;
	syntax_put(s, low);
	if (high != low) {
		fputc('-', s->out);
		syntax_put(s, high);
	}
	return 0;
}

int syntax_char_class(struct syntax *s)
{
	const char *class = s->at;
	bool first = true;
	int r = 0;

	s->at += 1 + (class[1] == '^');
	fwrite(class, 1, (size_t)(s->at - class), s->out);
	for (; !r && (first || *s->at != ']'); first = false) {
		if (s->at[0] == '[' && s->at[1] == ':') {
			r = posix_class(s);
			if (r)
				r = r < 0 ? r : 0;
			else
				r = class_range(s, class);
		} else if (s->at[0] == '\\' && (s->at[1] == 'p' || s->at[1] == 'P'))
			r = syntax_unicode_class(s);
		else if (!syntax_perl_class(s, true))
			r = class_range(s, class);
	}
	if (!r)
		fputc(*s->at++, s->out);
	return r;
}
