/* tests/victims/tiny_news.cc - 8000 blocks each of 1, 2 and 3 bytes by operator new, of 5, 6 and 7 bytes by its
 * aligned form, interleaved and freed at once; with an argument only the latter. */
#include <cstddef>
#include <new>

int main(int argc, char **)
{
	constexpr std::align_val_t wide{ 64 };

	for (int i = 0; i < 8000; i++)
		for (std::size_t size = 1; size < 4; size++) {
			if (argc == 1)
				::operator delete(::operator new(size));
			::operator delete(::operator new(size + 4, wide), wide);
		}
}
