/* collectord/profile/dwarf_spell.c - see dwarf_spell.h.
 *
 * Types have const behind them, typedefs are resolved, and only enclosing functions and lambdas show parameters.
 * Template arguments stay as the compiler wrote them; demangle_name() cuts them.  A name costs at most MAX_STEPS
 * entries, as a hostile file could ask for one of any length. */
#include "collectord/profile/dwarf_spell.h"

#include <dwarf.h>
#include <libiberty/demangle.h>
#include <stdlib.h>
#include <string.h>

#define MAX_STEPS 512     /* entries and types that go into one name */
#define MAX_DECLARATOR 96 /* what stands around a type's name: " const* (&) [3]" */

/* A name being made. */
struct spelling {
	struct dwarf_scopes *scopes;
	FILE *out;
	unsigned steps; /* left */
	int error;
};

static void print_qualified(struct spelling *n, Dwarf_Die *die);
static void print_type(struct spelling *n, Dwarf_Die *of, Dwarf_Die *generic, const char *declarator);

const char *dwarf_linkage_name(Dwarf_Die *die)
{
	Dwarf_Attribute a;

	if (dwarf_attr_integrate(die, DW_AT_linkage_name, &a) ||
	    dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &a))
		return dwarf_formstring(&a);
	return NULL;
}

/* --- types ------------------------------------------------------------------------------------------- */

/* DWARF says "long unsigned int" where demanglers say "unsigned long". */
static const char *base_name(const char *name)
{
	static const char *const pairs[][2] = {
		{ "long int", "long" },
		{ "long unsigned int", "unsigned long" },
		{ "short int", "short" },
		{ "short unsigned int", "unsigned short" },
		{ "long long int", "long long" },
		{ "long long unsigned int", "unsigned long long" },
		{ "__int128 unsigned", "unsigned __int128" },
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++)
		if (!strcmp(name, pairs[i][0]))
			return pairs[i][1];
	return name;
}

static bool type_of(Dwarf_Die *die, Dwarf_Die *ret)
{
	Dwarf_Attribute a;

	return dwarf_attr_integrate(die, DW_AT_type, &a) && dwarf_formref_die(&a, ret);
}

/* The parameters that were written: not "this". */
static void print_parameters(struct spelling *n, Dwarf_Die *function, Dwarf_Die *generic)
{
	const char *between = "";
	Dwarf_Die die;

	fputc('(', n->out);
	if (!dwarf_child(function, &die)) {
		do {
			int tag = dwarf_tag(&die);

			if (tag == DW_TAG_unspecified_parameters)
				fprintf(n->out, "%s...", between);
			if (tag != DW_TAG_formal_parameter || dwarf_hasattr(&die, DW_AT_artificial))
				continue;
			fputs(between, n->out);
			between = ", ";
			print_type(n, &die, generic, "");
		} while (n->steps && !dwarf_siblingof(&die, &die));
	}
	fputc(')', n->out);
}

/* Which template parameter of a generic lambda is this type?  0 = none. */
static unsigned generic_number(Dwarf_Die *generic, const Dwarf_Die *type)
{
	Dwarf_Die die, argument;
	unsigned number = 0;

	if (!generic || dwarf_child(generic, &die))
		return 0;
	do {
		if (dwarf_tag(&die) != DW_TAG_template_type_parameter)
			continue;
		number++;
		if (type_of(&die, &argument) && argument.addr == type->addr)
			return number;
	} while (!dwarf_siblingof(&die, &die));
	return 0;
}

/* "*", "&" or " const" in front of what is there. */
static void print_derived(struct spelling *n, Dwarf_Die *type, Dwarf_Die *generic, const char *mark,
			  const char *declarator)
{
	char text[MAX_DECLARATOR];

	snprintf(text, sizeof(text), "%s%s", mark, declarator);
	print_type(n, type, generic, text);
}

static void print_function_type(struct spelling *n, Dwarf_Die *type, const char *declarator)
{
	char text[MAX_DECLARATOR];

	snprintf(text, sizeof(text), " (%s)", declarator);
	print_type(n, type, NULL, text);
	print_parameters(n, type, NULL);
}

static void print_array_type(struct spelling *n, Dwarf_Die *type, const char *declarator)
{
	Dwarf_Attribute a;
	Dwarf_Die range;
	Dwarf_Word bound;
	char text[MAX_DECLARATOR];

	if (!dwarf_child(type, &range) && dwarf_attr(&range, DW_AT_upper_bound, &a) && !dwarf_formudata(&a, &bound))
		snprintf(text, sizeof(text), " (%s) [%llu]", declarator, (unsigned long long)bound + 1);
	else
		snprintf(text, sizeof(text), " (%s) []", declarator);
	print_type(n, type, NULL, text);
}

/* The type that `of` (a parameter, a pointer, a function) states. */
static void print_type(struct spelling *n, Dwarf_Die *of, Dwarf_Die *generic, const char *declarator)
{
	Dwarf_Die type;
	unsigned number;

	if (!n->steps || !type_of(of, &type)) {
		fprintf(n->out, "%s%s", n->steps ? "void" : "...", declarator);
		return;
	}
	n->steps--;
	number = generic_number(generic, &type);
	if (number) {
		fprintf(n->out, "auto:%u%s", number, declarator);
		return;
	}
	switch (dwarf_tag(&type)) {
	case DW_TAG_pointer_type:
		print_derived(n, &type, generic, "*", declarator);
		break;
	case DW_TAG_reference_type:
		print_derived(n, &type, generic, "&", declarator);
		break;
	case DW_TAG_rvalue_reference_type:
		print_derived(n, &type, generic, "&&", declarator);
		break;
	case DW_TAG_const_type: /* of a parameter itself it is no part of the name */
		print_derived(n, &type, generic, *declarator ? " const" : "", declarator);
		break;
	case DW_TAG_volatile_type:
		print_derived(n, &type, generic, *declarator ? " volatile" : "", declarator);
		break;
	case DW_TAG_typedef:
		print_type(n, &type, generic, declarator);
		break;
	case DW_TAG_subroutine_type:
		print_function_type(n, &type, declarator);
		break;
	case DW_TAG_array_type:
		print_array_type(n, &type, declarator);
		break;
	default:
		print_qualified(n, &type);
		fputs(declarator, n->out);
	}
}

/* --- scopes ------------------------------------------------------------------------------------------ */

static void print_closure(struct spelling *n, Dwarf_Die *closure, Dwarf_Die *call)
{
	int before = dwarf_closures_before(n->scopes, closure);

	if (before < 0)
		n->error = before;
	fputs("{lambda", n->out);
	print_parameters(n, call, call);
	fprintf(n->out, "#%d}", before + 1);
}

/* The entry's own name. */
static void print_own_name(struct spelling *n, Dwarf_Die *die)
{
	const char *name = dwarf_diename(die);
	int tag = dwarf_tag(die);
	Dwarf_Die call;

	if (name)
		fputs(tag == DW_TAG_base_type ? base_name(name) : name, n->out);
	else if (tag == DW_TAG_namespace)
		fputs("(anonymous namespace)", n->out);
	else if (dwarf_closure_call(die, &call))
		print_closure(n, die, &call);
	else
		fputs(tag == DW_TAG_ptr_to_member_type ? "..." : "{unnamed type}", n->out);
}

/* Is "this" a pointer to const?  In a definition it is itself const. */
static bool is_const_method(Dwarf_Die *function)
{
	Dwarf_Attribute a;
	Dwarf_Die self, type;

	if (!dwarf_attr(function, DW_AT_object_pointer, &a) || !dwarf_formref_die(&a, &self) ||
	    !type_of(&self, &type))
		return false;
	if (dwarf_tag(&type) == DW_TAG_const_type && !type_of(&type, &type))
		return false;
	return type_of(&type, &type) && dwarf_tag(&type) == DW_TAG_const_type;
}

/* A function around a class or lambda has its parameters in the name, unless it is extern "C" as main() is. */
static void print_enclosing_function(struct spelling *n, Dwarf_Die *function)
{
	const char *linkage = dwarf_linkage_name(function);
	char *text = linkage ? cplus_demangle_v3(linkage, DMGL_PARAMS | DMGL_RET_DROP) : NULL;
	Dwarf_Die declaration;

	if (text) {
		fputs(text, n->out);
		free(text);
		return;
	}
	print_qualified(n, function);
	if (dwarf_hasattr_integrate(function, DW_AT_external) &&
	    !dwarf_hasattr_integrate(function, DW_AT_artificial))
		return;
	dwarf_declaration(function, &declaration);
	print_parameters(n, &declaration, NULL);
	if (is_const_method(&declaration))
		fputs(" const", n->out);
}

static void print_qualified(struct spelling *n, Dwarf_Die *die)
{
	Dwarf_Die around, declaration;
	int r;

	if (!n->steps)
		return;
	n->steps--;
	r = dwarf_scope_of(n->scopes, die, &around);
	if (r < 0)
		n->error = r;
	if (r > 0) {
		if (dwarf_tag(&around) == DW_TAG_subprogram)
			print_enclosing_function(n, &around);
		else
			print_qualified(n, &around);
		fputs("::", n->out);
	}
	dwarf_declaration(die, &declaration);
	print_own_name(n, &declaration);
}

int dwarf_spell(struct dwarf_scopes *scopes, Dwarf_Die *declaration, FILE *out)
{
	struct spelling n = { .scopes = scopes, .out = out, .steps = MAX_STEPS };

	print_qualified(&n, declaration);
	return n.error;
}
