// tests/data/symbols/inlines.cc - C++ with deep inlining, templates, lambdas, a cold part and an anonymous namespace.
// test_symbolize.c compiles it in several ways and holds our frames against addr2line's.
#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace net
{
struct Socket {
	std::vector<char> buffer;
	template <class T> void write(const T &t)
	{
		buffer.insert(buffer.end(), t.begin(), t.end());
	}
};
}

namespace
{
struct Words {
	std::map<std::string, std::vector<int>> seen;
	void add(const std::string &s, int i)
	{
		if (i == 12345)
			throw std::runtime_error("never");
		seen[s].push_back(i);
	}
};
}

int main(int argc, char **argv)
{
	Words words;
	net::Socket socket;
	std::vector<std::function<int(int)>> calls;
	std::vector<int> numbers(1000);
	int total = 0;

	for (int i = 0; i < argc * 100; i++) {
		words.add(std::to_string(i % 7) + argv[0], i);
		socket.write(std::string(argv[0]));
	}
	for (int i = 0; i < 5; i++)
		calls.push_back([i, &words](int x) {
			words.add("q", x);
			return x + i;
		});
	for (auto &call : calls)
		total += call(total);
	std::sort(numbers.begin(), numbers.end(), [](int a, int b) { return a > b; });
	std::printf("%d %zu %zu\n", total, words.seen.size(), socket.buffer.size());
}
