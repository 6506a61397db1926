#!/bin/bash
# tests/hazards/hygiene.sh - make lint fails on each thing that libheaptap.so must not be: the library is linked again
# from the objects of the build with one fault at a time.
. "$(dirname "$0")/../lib.sh"
need gcc nm readelf

flags=(-shared '-Wl,-soname,libheaptap.so' '-Wl,-z,now' '-Wl,-z,relro' '-Wl,-z,nodelete' '-Wl,-z,initfirst' '-Wl,-z,defs'
	'-Wl,-z,separate-code' '-Wl,--as-needed')

setup() {
	local dir=$HEAPTAP_BUILD/obj/whole
	[ -d "$dir" ] || dir=$HEAPTAP_BUILD/obj/shim # clang's
	find "$dir" -name '*.o' >objects
	grep -q /hooks.o objects || skip "not the library's objects in $dir"
}

build_shim() { # LINK-OPTION...
	gcc "$@" "@$top/objects" -o broken.so
}

with_source() { # C-TEXT OPTION...
	echo "$1" >extra.c
	gcc -O1 -fPIC -ftls-model=initial-exec "${@:2}" -c extra.c -o extra.o
}

# lint has exactly this to say, and fails.
lint_says() { # REGEX [LINES]
	status_of lint.out lint.err "$HEAPTAP_SOURCE/scripts/lint" --shim "$PWD/broken.so"
	cat lint.out lint.err
	[ "$status" -ne 0 ] || fail "lint is content"
	has lint.out "$1"
	is "$(lines lint.out)" "${2-2}" "lines of lint, the sum included"
}

test_the_library_as_it_is() {
	build_shim "${flags[@]}"
	"$HEAPTAP_SOURCE/scripts/lint" --shim "$PWD/broken.so"
	"$HEAPTAP_SOURCE/scripts/lint" --shim "$shim"
}

test_another_needed_library() {
	build_shim "${flags[@]}" -Wl,--no-as-needed -lm
	lint_says 'needs more than libc.so.6: .*libm'
}

test_an_import_that_is_not_on_the_list() {
	with_source 'int puts(const char *); __attribute__((visibility("hidden"))) int extra(void) { return puts("x"); }'
	build_shim "${flags[@]}" extra.o
	lint_says 'imports puts, not in'
}

test_dynamic_tls() {
	with_source '__attribute__((visibility("hidden"))) int *extra(void) { static __thread int v; return &v; }' \
		-ftls-model=global-dynamic
	build_shim "${flags[@]}" extra.o -Wl,--no-relax || skip "this linker always relaxes"
	lint_says 'imports __tls_get_addr' 4 # it is the loader's: one more needed library; and TLS has no room for it
}

test_too_much_tls() {
	with_source '__thread char extra[64] __attribute__((visibility("hidden")));'
	build_shim "${flags[@]}" extra.o
	lint_says 'bytes of TLS, more than 64'
}

test_an_export_too_many() {
	with_source 'void extra(void) {}'
	build_shim "${flags[@]}" extra.o
	lint_says 'exports extra, not in'
}

test_an_export_too_few() {
	echo '{ local: cfree; };' >map
	build_shim "${flags[@]}" -Wl,--version-script=map
	lint_says 'does not export cfree'
}

test_the_marks_by_which_allocators_are_known() {
	with_source 'void *mallocx(unsigned long n, int f) { (void)n; (void)f; return 0; }'
	build_shim "${flags[@]}" extra.o
	lint_says 'exports mallocx, not in'
}

test_text_relocations() {
	with_source 'extern void *malloc(unsigned long); __asm__(".text\n.quad malloc\n");'
	build_shim "${flags[@]}" extra.o -Wl,-z,notext
	lint_says 'text relocations'
}

without() { # OPTION MESSAGE
	local kept=() f
	for f in "${flags[@]}"; do
		[ "$f" = "$1" ] || kept+=("$f")
	done
	build_shim "${kept[@]}" "${@:3}"
	lint_says "$2"
}

test_lazy_binding() { without -Wl,-z,now 'not linked with -z now' -Wl,-z,lazy; }
test_a_library_that_can_be_unloaded() { without -Wl,-z,nodelete 'not linked with -z nodelete'; }
test_a_constructor_that_is_not_the_first() { without -Wl,-z,initfirst 'not linked with -z initfirst'; }
test_tables_that_can_be_written() { without -Wl,-z,relro 'not linked with -z relro' -Wl,-z,norelro; }
test_code_beside_the_symbol_table() { without -Wl,-z,separate-code 'not linked with -z separate-code' -Wl,-z,noseparate-code; }
test_another_name() { without -Wl,-soname,libheaptap.so 'soname is not'; }

test_an_executable_stack() {
	build_shim "${flags[@]}" -Wl,-z,execstack
	lint_says 'executable stack'
}

run_tests
