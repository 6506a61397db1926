// tests/data/symbols/scopes.cc - C++ functions that compilers give no linker name, in every kind of scope.
// test_symbolize_names.c holds the names of their inlined calls against those of their symbols with -fno-inline.
#include <stdio.h>

template <class F> static int twice(F f)
{
	return f(1) + f(2);
}

extern "C" int from_c(int n)
{
	auto local = [](int x) { return puts("from_c") + x; };
	return local(n);
}

namespace
{
struct Node {
	int value;
	explicit Node(int x) : value(x)
	{
		puts("Node");
	}
	~Node()
	{
		puts("~Node");
	}
	int get(int n) const
	{
		auto in_const = [this](long k, const char *p) { return puts(p) + value + (int)k; };
		return in_const(n, "get");
	}
	operator int() const
	{
		return puts("int");
	}
	template <class T> operator T *() const
	{
		puts("T *");
		return nullptr;
	}
	bool operator<(int n) const
	{
		return puts("<") < n;
	}
	template <class T> int operator<<(T n) const
	{
		return puts("<<") + (int)n;
	}
	Node *operator->()
	{
		puts("->");
		return this;
	}
	static int of_static(unsigned long a, unsigned char b)
	{
		return twice([a, b](short c) { return puts("static") + (int)a + b + c; });
	}
};
enum Colour { RED };
union Either {
	int i;
	float f;
	int get()
	{
		return puts("union") + i;
	}
};
namespace inner
{
int hidden(Node &n, int (*call)(int), int (&three)[3], const Node *const *list)
{
	auto deep = [&](Colour c, int (*f)(int), int (&a)[3], const Node *const *l, Node &&r) {
		auto deeper = [&](unsigned long long x) { return puts("deeper") + n.value + (int)x; };
		return deeper(7) + c + f(a[0]) + l[0]->value + r.value;
	};
	return deep(RED, call, three, list, Node(4));
}
}
}

namespace outer
{
inline namespace v1
{
template <class A, class B> struct Pair {
	A a;
	B b;
	struct Part {
		int size(A *x)
		{
			return puts("size") + x->get(1);
		}
	};
	template <class F> int each(F f)
	{
		return f(a) + f(b);
	}
};
struct Public {
	int shown(int n)
	{
		struct Local {
			int k;
			int add(int x)
			{
				return puts("add") + k + x;
			}
		};
		Local l{ n };
		return l.add(1) + twice([](int x) { return puts("lambda") + x; });
	}
};
}
}

static int plain(int n, const char *s)
{
	auto first = [s](int x) { return puts(s) + x; };
	auto second = [](int x) { return puts("second") + x; };
	auto generic = [](auto x, auto *y) { return puts("generic") + (int)x + (int)*y; };
	long l = n;
	return first(n) + second(n) + generic(n, &l) + generic(l, &n);
}

int main(int argc, char **)
{
	Node node(argc);
	const Node *list[] = { &node };
	int three[] = { 1, 2, 3 };
	outer::Pair<Node, Node> pair{ Node(1), Node(2) };
	outer::Pair<Node, Node>::Part part;
	Either e{ argc };
	int n = node.get(1) + (node < 3) + (node << 3L) + node->get(2) + Node::of_static(1, 2) + e.get() + (int)node;

	n += static_cast<char *>(node) != nullptr;
	n += inner::hidden(node, from_c, three, list) + part.size(&node) + outer::Public().shown(argc);
	n += pair.each([](auto &x) { return puts("each") + x.value; }) + plain(argc, "plain");
	return n & 1;
}
