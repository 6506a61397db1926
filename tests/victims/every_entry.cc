/* tests/victims/every_entry.cc - every way to allocate in C and C++, each from a call site of its own.
 *
 * The argument may contain: nopvalloc, noreallocarray, nofail (no failing operators), nousable (no
 * malloc_usable_size()).
 * Prints `block SIZE FREED WHO` for each block: sizes are unique, a test finds each in the profile; WHO is who was
 * asked, C or C++.  Then what a program can see of failures.  Exit status 1 and a line on stderr if a block is not
 * what it should be.  As a library (-shared) it has the same behind every_entry(). */
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <malloc.h>
#include <new>

#define COLD __attribute__((noinline, noclone))

/* Multiples of every alignment used: libstdc++ rounds what it asks malloc() for. */
#define UNIT 256u
static unsigned next_size = 4000 * UNIT, harmed;
static bool no_usable, no_reallocarray;
static volatile size_t huge = PTRDIFF_MAX; /* the compiler must not know */

static void check(const char *form, void *p, size_t size, size_t align)
{
	size_t usable = !p ? 0 : no_usable ? size : malloc_usable_size(p);

	if (p && (uintptr_t)p % align == 0 && usable >= size) {
		memset(p, 0x5a, size);
		return;
	}
	fprintf(stderr, "%s: %p, aligned %d, usable %zu of %zu\n", form, p, (uintptr_t)p % align == 0, usable,
		size);
	harmed = 1;
}

/* Allocate by one form, free by another; N makes each use a call site of its own. */
#define FORM(name, align, allocate, release)                                                     \
	template <int N> COLD static void name()                                                 \
	{                                                                                        \
		size_t size = next_size += UNIT;                                                 \
		void *p = nullptr;                                                               \
		allocate;                                                                        \
		check(#name, p, size, align);                                                    \
		printf("block %zu %d %s\n", size, N % 2, strstr(#name, "by_new") ? "C++" : "C"); \
		if (N % 2) {                                                                     \
			release;                                                                 \
		}                                                                                \
	}

static constexpr std::align_val_t wide{ 256 };

FORM(by_malloc, 16, p = malloc(size), free(p))
FORM(by_calloc, 16, p = calloc(1, size), free(p))
FORM(by_realloc, 16, p = realloc(nullptr, size), free(p))
FORM(by_moving, 16, p = realloc(malloc(40), size), free(p))
FORM(by_reallocarray, 16, p = reallocarray(nullptr, size, 1), free(p))
FORM(by_posix_memalign, 256, if (posix_memalign(&p, 256, size)) abort(), free(p))
FORM(by_aligned_alloc, 256, p = aligned_alloc(256, size), free(p))
FORM(by_memalign, 256, p = memalign(256, size), free(p))
FORM(by_valloc, 4096, p = valloc(size), free(p))
FORM(by_new, 16, p = ::operator new(size), ::operator delete(p))
FORM(by_new_sized, 16, p = ::operator new(size), ::operator delete(p, size))
FORM(by_new_array, 16, p = ::operator new[](size), ::operator delete[](p))
FORM(by_new_array_sized, 16, p = ::operator new[](size), ::operator delete[](p, size))
FORM(by_new_nothrow, 16, p = ::operator new(size, std::nothrow), ::operator delete(p, std::nothrow))
FORM(by_new_array_nothrow, 16, p = ::operator new[](size, std::nothrow), ::operator delete[](p, std::nothrow))
FORM(by_new_aligned, 256, p = ::operator new(size, wide), ::operator delete(p, wide))
FORM(by_new_aligned_sized, 256, p = ::operator new(size, wide), ::operator delete(p, size, wide))
FORM(by_new_array_aligned, 256, p = ::operator new[](size, wide), ::operator delete[](p, wide))
FORM(by_new_array_aligned_sized, 256, p = ::operator new[](size, wide), ::operator delete[](p, size, wide))
FORM(by_new_aligned_nothrow, 256, p = ::operator new(size, wide, std::nothrow),
     ::operator delete(p, wide, std::nothrow))
FORM(by_new_array_aligned_nothrow, 256, p = ::operator new[](size, wide, std::nothrow),
     ::operator delete[](p, wide, std::nothrow))
FORM(by_new_expression, 16, p = new char[size], delete[](char *) p)

/* Whole pages, and not every allocator has it. */
template <int N> COLD static void by_pvalloc()
{
	size_t size = 4096 * (500 + N);
	void *p = pvalloc(size);

	check("by_pvalloc", p, size, 4096);
	printf("block %zu %d C\n", size, N % 2);
	if (N % 2)
		free(p);
}

template <int N> static void each()
{
	by_malloc<N>();
	by_calloc<N>();
	by_realloc<N>();
	by_moving<N>();
	if (!no_reallocarray)
		by_reallocarray<N>();
	by_posix_memalign<N>();
	by_aligned_alloc<N>();
	by_memalign<N>();
	by_valloc<N>();
	by_new<N>();
	by_new_sized<N>();
	by_new_array<N>();
	by_new_array_sized<N>();
	by_new_nothrow<N>();
	by_new_array_nothrow<N>();
	by_new_aligned<N>();
	by_new_aligned_sized<N>();
	by_new_array_aligned<N>();
	by_new_array_aligned_sized<N>();
	by_new_aligned_nothrow<N>();
	by_new_array_aligned_nothrow<N>();
	by_new_expression<N>();
	if constexpr (N > 1)
		each<N - 1>();
}

/* --- failures ------------------------------------------------------------------------------------------------ */

static int handled;

static void handler()
{
	if (++handled % 2 == 0)
		std::set_new_handler(nullptr);
}

struct unwound {
	const char *what;
	~unwound()
	{
		printf("%s: unwound\n", what);
	}
};

template <typename F> static void fails(const char *what, F allocate)
{
	unwound u{ what };

	std::set_new_handler(handler);
	handled = 0;
	try {
		void *p = allocate();

		printf("%s: %s, handler called %d times\n", what, p ? "a block" : "NULL", handled);
	} catch (const std::bad_alloc &) {
		printf("%s: bad_alloc, handler called %d times\n", what, handled);
	}
}

static void failures()
{
	fails("new", [] { return ::operator new(huge); });
	fails("new[]", [] { return ::operator new[](huge); });
	fails("new nothrow", [] { return ::operator new(huge, std::nothrow); });
	fails("new aligned", [] { return ::operator new(huge, wide); });
	fails("new aligned nothrow", [] { return ::operator new[](huge, wide, std::nothrow); });
	::operator delete(nullptr);
	::operator delete[](nullptr, 10);
	::operator delete(::operator new(0));
}

extern "C" unsigned every_entry(const char *options)
{
	no_usable = strstr(options, "nousable");
	no_reallocarray = strstr(options, "noreallocarray");
	each<4>();
	if (!strstr(options, "nopvalloc")) {
		by_pvalloc<1>();
		by_pvalloc<2>();
	}
	if (!strstr(options, "nofail"))
		failures();
	fflush(stdout);
	return harmed;
}

int main(int argc, char **argv)
{
	return (int)every_entry(argc > 1 ? argv[1] : "");
}
