/* tests/victims/exceptions.cc - allocates while C++ exceptions fly: in constructors, destructors, catch blocks. */
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#define NOINLINE __attribute__((noinline))

struct base {
	virtual ~base() = default;
	virtual std::string name(int n) = 0;
};

struct other {
	virtual ~other() = default;
	virtual std::vector<int> numbers(int n) = 0;
};

struct both : base, other {
	NOINLINE std::string name(int n) override
	{
		return std::string(static_cast<size_t>(n + 40), 'n');
	}
	NOINLINE std::vector<int> numbers(int n) override // called through a thunk
	{
		return std::vector<int>(static_cast<size_t>(n + 10), n);
	}
};

// Allocates while the stack is being unwound.
struct guard {
	std::string text;
	NOINLINE ~guard()
	{
		std::string copy = text + text;
		text.swap(copy);
	}
};

static NOINLINE int thrower(int n)
{
	guard g{ std::string(100, 'g') };

	if (n == 0)
		throw std::runtime_error(std::string(200, 'x'));
	return thrower(n - 1) + static_cast<int>(g.text.size());
}

static NOINLINE size_t catcher(int n)
{
	try {
		return static_cast<size_t>(thrower(n));
	} catch (const std::exception &e) {
		try {
			std::string again = std::string(e.what()) + "again";
			throw std::logic_error(again);
		} catch (const std::logic_error &l) {
			return std::string(l.what()).size() + std::vector<char>(64).size();
		}
	}
}

static size_t all()
{
	std::unique_ptr<both> b(new both);
	base *as_base = b.get();
	other *as_other = b.get();
	auto lambda = [&](int n) { return as_base->name(n).size() + as_other->numbers(n).size(); };

	return lambda(20) + catcher(12);
}

int main()
{
	size_t sum = 0;

	for (int i = 0; i < 50; i++)
		sum += all();
	std::thread t([&] { sum += all(); });
	t.join();
	return sum == 0;
}
