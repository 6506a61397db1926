# tests/e2e/reports_profile.py - random profiles for reports_oracle.py, written by an encoder of its own.
#
# Everything profile.proto can hold and reports look at: labels of all kinds, inlined frames, several mappings or none,
# recursion, negative and zero values, frames without names, odd names, drop_frames, ids with gaps, unpacked fields.
import gzip

NAMES = """main parse parse_line walk walk<int> grow malloc realloc operator_new std::vector<int>::push_back
std::map<int,std::string>::operator[] net::Socket::write net::Socket::~Socket (anonymous_namespace)::work A::B::c
_ZN3net6Socket5writeEPKvm _ZNSt6vectorIiSaIiEE9push_backERKi _Znwm _ZN12_GLOBAL__N_17do_workEiPKc
github.com/foo/bar/v2.Func github.com/foo/bar.(*T).Method encoding/json.Unmarshal a/b/c a/b.c
com.example.app.Main.run com.example.Main.<init> Main.run java.lang.Object.wait() lambda$0 x.y.Z.w$1
[libfoo] main.(*List[...]).Append void_f(int,_char) f(g) .hidden .text$x Class::method ns::_Class::m<T>(int)
日本語 naïve "quoted" back\\slash tab_here semi;colon percent%d a::b a.b.c ~Foo Foo::~Foo x::Y::z<a<b>> []T
__libc_start_main _start runtime.main runtime.goexit core::ptr::drop_in_place<T> _RNvC6_123foo3bar
_ZNK3foo3barIiSt6vectorIiSaIiEEE3bazILb1EEEvT_ _ZZN1A1bEvENKUlvE_clEv _ZN1AC2ERKS_ _ZTV1A _ZNSt8functionIFvvEED1Ev _ZN3std2io5Write9write_all17h0123456789abcdefE
_Z3foov.cold _ZN1AcvbEv _ZdlPv _ZN4core3ptr13drop_in_place17h00_.llvm.123 _Znotreallymangled _Z _R operator< operator<< A::operator->() f<(a>b)> x<y
f(int)const g[abi:cxx11](int) std::__cxx11::basic_string<char,_std::char_traits<char>>::_M_create main.main.func1.2 a/b/v3/c.(*T[go.shape.int_0]).f
gopkg.in/yaml%2ev2.Unmarshal net/http.(*conn).serve.func1 $LAMBDA$14 a.b.C$D.e(f.g) <module> <lambda> genexpr:<listcomp> {{closure}} a*b+c? [a-z]+ ^start end$
[31mred ÿ‮ mañana 😀emoji() Ж::Σ ' & &amp; </script> \\n \\""".split()
NAMES += ["ns::" * 60 + "Klass::" + "method" * 30, "std::map<" * 25 + "int" + ">" * 25 + "::insert", "a/" * 100 + "b.C", "new\nline", "x" * 2000,
          "void std::sort<int*, bool (*)(int, int)>(int*, int*, bool (*)(int, int))", "a b  c", " lead", "trail ", "A::B<C, D<E>>::f(int, G<H>) const"]
FILES = """main.c /src/server/parse.c /src/server/../walk.c ./x.c a//b.c /proc/self/cwd/lib/x.cc /home/u/src/server/src/server/y.c
dir/sub/file.go /usr/include/c++/12/vector walk.c .. / . a/../../b.c /proc/self/cwd/./z.c src/ größe.c "q".c a:b.c /src /src/server /a/src/b/src/c.c
<built-in> C:\\x\\y.c""".split() + ["with space.c", "/very" * 50 + "/deep.c"]
OBJECTS = ["/opt/app/bin/server", "/usr/lib/libfoo.so.1", "libbar.so", "[vdso]", "", "/opt/dir/", "[heap]", "//anon", "/opt/größe (deleted)",
           "[vsyscall]", "linux-vdso.so.1", "/dev/zero", "a.exe", "/opt/a b", '/opt/"q"', "."]
TYPES = [
    [("alloc_objects", "count"), ("alloc_space", "bytes"), ("inuse_objects", "count"), ("inuse_space", "bytes")],
    [("samples", "count"), ("cpu", "nanoseconds")], [("objects", "count"), ("space", "bytes")], [("space", "kilobytes")],
    [("contentions", "count"), ("delay", "microseconds")], [("a", "widgets"), ("b", "GCU"), ("c", "")], [("", "")],
    [("n", "count"), ("time", "s"), ("weight", "Bytes"), ("x", "minimum")],
    [("inuse_space", "GB"), ("space", "mb"), ("inuse_objects", "objects"), ("objects", "count")], [("wall", "hours"), ("us", "μs"), ("auto", "auto")],
    [("t", "ms"), ("t", "us")], [("gcu", "nanogcu"), ("g", "kGCU"), ("s", "samples"), ("u", "unit"), ("b", "b"), ("bs", "Bs"), ("k", "KBytes")],
    [("one", "sample"), ("two", "count"), ("3", "bytes"), ("-1", "day")],
]
KEYS = ["bytes", "thread", "request", "alignment", "pid", "key", "größe", "bytes2", "a:b"]
WORDS = ["main", "io", "worker-1", "worker-2", "a b", "x=y", "1kb", "é", "true", '"q"']
UNITS = ["", "", "", "bytes", "kilobytes", "ms", "widgets", "B", "seconds", "tb", "count", "minimum", "gcu"]


def varint(v):
    v &= (1 << 64) - 1
    out = bytearray()
    while v >= 128:
        out.append(v & 127 | 128)
        v >>= 7
    out.append(v)
    return bytes(out)


def number(field, v):
    return varint(field << 3) + varint(v) if v else b""


def block(field, data):
    return varint(field << 3 | 2) + varint(len(data)) + data


class Writer:
    """One profile.proto message; strings get numbers as they come."""

    def __init__(self, rng):
        self.rng = rng
        self.strings = {"": 0}

    def s(self, text):
        return self.strings.setdefault(text, len(self.strings))

    def numbers(self, field, values):
        if values and self.rng.random() < 0.8:
            return block(field, b"".join(varint(v) for v in values))
        return b"".join(varint(field << 3) + varint(v) for v in values)

    def value_type(self, field, t):
        return block(field, number(1, self.s(t[0])) + number(2, self.s(t[1])))


class Shape:
    """What the profiles of one comparison have in common, so that they can be merged."""

    def __init__(self, rng):
        self.rng = rng
        self.types = rng.choice(TYPES)
        self.period_type = rng.choice([("space", "bytes"), ("", ""), ("cpu", "nanoseconds")])
        self.default = rng.choice(["", "", self.types[0][0], "nothing"])
        self.functions = [self.function(i) for i in range(rng.randint(1, 30))]
        self.objects = rng.sample(OBJECTS, rng.randint(0, 4))
        self.symbolized = rng.random() < 0.8
        self.locations = [self.location(i) for i in range(rng.randint(1, 60))]
        self.digits = rng.choice([2, 4, 4, 8, 16, 30, 40, 53, 62])
        self.negative = rng.choice([0, 0, 0.1, 0.5])
        self.labels = rng.choice([0, 0.3, 0.9, 1])
        self.drop = rng.choice(["", "", "", "malloc|.*alloc", "operator.*|_Znwm|grow", "m.*", "(", "walk|std::vector"])
        self.deep = rng.random() < 0.2
        self.keep = rng.choice(["", "malloc"]) if self.drop else ""

    def function(self, i):
        rng = self.rng
        name = rng.choice(NAMES) if rng.random() < 0.7 else "fn_%d" % i
        if rng.random() < 0.08:
            name = ""
        system = rng.choice([name, name, "", "_Z3foov", "sys_%d" % i])
        return (name, system, rng.choice(FILES + ["", "", ""]), rng.choice([0, 0, 0, 1, 7, 100]))

    def location(self, i):
        rng = self.rng
        n = rng.choice([0, 1, 1, 1, 2, 3, 4]) if rng.random() < 0.5 else 1
        lines = [(rng.randrange(len(self.functions)), rng.choice([0, 7, 10, 12, rng.randint(1, 200), rng.choice([-3, 1 << 31, 1 << 40, 99999])])) for _ in range(n)]
        mapping = rng.randint(0, len(self.objects))
        address = 0x1000 * mapping + 16 * i if rng.random() < 0.9 else rng.choice([0, 1, 1 << 63, 0x1010, (1 << 64) - 1])
        return (mapping, address, lines, rng.random() < 0.05)


def value(rng, digits, negative):
    if rng.random() < 0.12:
        return 0
    v = rng.getrandbits(rng.randint(1, digits))
    if rng.random() < 0.2:
        v = rng.choice([1, 5, 10, 100, 1024, 65536])
    return -v if rng.random() < negative else v


def label(w, rng):
    key = rng.choice(KEYS)
    if rng.random() < 0.5:
        return number(1, w.s(key)) + number(2, w.s(rng.choice(WORDS)))
    n = rng.choice([0, 1, 16, 64, 100, 512, 1024, 4096, 65536, 1 << 20, rng.getrandbits(20), -5, rng.getrandbits(62), -(1 << 63)])
    return number(1, w.s(key)) + number(3, n) + number(4, w.s(rng.choice(UNITS)))


def sample(w, shape):
    rng = shape.rng
    depth = rng.choice([12, 12, 12, 12, 12, 40, 300]) if shape.deep else 12
    stack = [rng.randrange(len(shape.locations)) + 1 for _ in range(rng.randint(0, depth))]
    if shape.deep and stack and rng.random() < 0.2:
        stack = stack[:3] + [stack[0]] * rng.randint(1, 200) + stack[3:]
    if len(stack) > 3 and rng.random() < 0.3:
        stack[1] = stack[3]
    m = w.numbers(1, [i * shape.gap for i in stack])
    m += w.numbers(2, [value(rng, shape.digits, shape.negative) for _ in shape.types])
    for _ in range(rng.randint(0, 4) if rng.random() < shape.labels else 0):
        m += block(3, label(w, rng))
    return block(2, m)


def tables(w, shape):
    out = []
    for i, file in enumerate(shape.objects):
        flags = 1 if shape.symbolized else 0
        build_id = shape.rng.choice(["", "00aa%02x" % i, "00aa%02x" % i])
        out.append(block(3, number(1, (i + 1) * shape.gap) + number(2, 0x1000 * (i + 1) + shape.slide)
                         + number(3, 0x1000 * (i + 2) + shape.slide)
                         + number(4, shape.rng.choice([0, 0x1000])) + number(5, w.s(file)) + number(6, w.s(build_id))
                         + b"".join(number(f, flags) for f in (7, 8, 9, 10))))
    for i, (mapping, address, lines, folded) in enumerate(shape.locations):
        m = number(1, (i + 1) * shape.gap) + number(2, mapping * shape.gap) + number(3, address + (shape.slide if mapping else 0))
        for f, line in lines:
            m += block(4, number(1, (f + 1) * shape.gap) + number(2, line))
        out.append(block(4, m + number(5, int(folded))))
    for i, (name, system, file, start) in enumerate(shape.functions):
        out.append(block(5, number(1, (i + 1) * shape.gap) + number(2, w.s(name)) + number(3, w.s(system))
                         + number(4, w.s(file)) + number(5, start)))
    return out


def profile(shape):
    """The bytes of one random profile of this shape."""
    rng = shape.rng
    shape.gap = rng.choice([1, 1, 1, 7, 1 << 33])
    shape.slide = rng.choice([0, 0, 0x100000, 0x7f0000000000])  # the same code elsewhere, as in another run
    w = Writer(rng)
    parts = [w.value_type(1, t) for t in shape.types]
    body = [sample(w, shape) for _ in range(rng.choice([0, 1, 3, 20, 100, rng.randint(1, 300)]))] + tables(w, shape)
    body += [number(7, w.s(shape.drop)), number(8, w.s(shape.keep))]
    if rng.random() < 0.8:
        body.append(number(9, rng.choice([1, -1, 10**9, 253402300799 * 10**7, 1700000000000000000 + rng.getrandbits(50)])))
    if rng.random() < 0.4:
        body.append(number(10, rng.choice([1, 999, 1500, 1000000, 250000000, 10**10, 3723 * 10**9, rng.getrandbits(45), rng.getrandbits(62), -5, 90000 * 10**9])))
    body.append(w.value_type(11, shape.period_type))
    body.append(number(12, rng.choice([0, 1, 524288])))
    comments = rng.sample(["a comment", "#hidden", "two words", "x", "größe 100%s", "a\nb", '"q"'], rng.choice([0, 0, 1, 3]))
    body.append(w.numbers(13, [w.s(c) for c in comments]))
    body.append(number(14, w.s(shape.default)))
    if rng.random() < 0.3:
        rng.shuffle(body)
    strings = [block(6, s.replace("_", " ").encode() if s.startswith(("(anon", "void")) else s.encode()) for s in w.strings]
    data = b"".join(parts + (strings + body if rng.random() < 0.2 else body + strings))
    return gzip.compress(data, 1) if rng.random() < 0.7 else data
