/* tests/unit/test_http_hostile.c - requests no client of ours sends, clients that never finish: each ends with an
 * error or a closed connection, and the next one is served. */
#include "collectord/http/http_impl.h"
#include "tests/unit/http_fixture.h"

static struct site s;
static struct answer a;

#define HEAD "GET /debug/pprof/ HTTP/1.1\r\nHost: localhost\r\n"
#define HOST "Host: localhost\r\n"
#define HOST_LF "Host: localhost\n"

struct row {
	const char *request;
	size_t len;
	int status; /* 0: any error, or none at all */
};

#define ROW(text, want)                      \
	{                                    \
		text, sizeof(text) - 1, want \
	}

static const struct row corpus[] = {
	ROW(HEAD "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
	ROW(HEAD "Transfer-Encoding: identity\r\n\r\n", 400),
	ROW(HEAD "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", 400),
	ROW(HEAD "Content-Length: 5\r\n\r\nhello", 400),
	ROW(HEAD "Content-Length: 0\r\nContent-Length: 0\r\n\r\n", 400),
	ROW("POST /debug/pprof/symbol HTTP/1.1\r\n" HOST "Content-Length: 3\r\nContent-Length: 4\r\n\r\n0x10", 400),
	ROW("POST /debug/pprof/symbol HTTP/1.1\r\n" HOST "Content-Length: +3\r\n\r\n0x1", 400),
	ROW("POST /debug/pprof/symbol HTTP/1.1\r\n" HOST "Content-Length: -3\r\n\r\n0x1", 400),
	ROW("POST /debug/pprof/symbol HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n\r\n0x1", 0),
	ROW("POST /debug/pprof/symbol HTTP/1.1\r\n" HOST "Content-Length: 0x3\r\n\r\n0x1", 400),
	ROW(HEAD "Host: localhost\r\n\r\n", 400),
	ROW("GET /debug/pprof/ HTTP/1.1\r\n\r\n", 400),
	ROW("GET http://localhost/debug/pprof/ HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("GET debug/pprof/ HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("GET HTTP://localhost/debug/pprof/ HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("CONNECT evil.test:80 HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("GET //debug/pprof/heap HTTP/1.1\r\n" HOST "\r\n", 404),
	ROW("GET /debug/pprof/heap\0.html HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("GET /debug/pprof/%00 HTTP/1.1\r\n" HOST "\r\n", 404),
	ROW("GET /%64ebug/pprof/ HTTP/1.1\r\n" HOST "\r\n", 404),
	ROW("GET /../../etc/passwd HTTP/1.1\r\n" HOST "\r\n", 404),
	ROW("GET /pid/99999999999999999999/debug/pprof/ HTTP/1.1\r\n" HOST "\r\n", 404),
	ROW("GET /pid/-1/debug/pprof/ HTTP/1.1\r\n" HOST "\r\n", 404),
	ROW("GET /debug/pprof/ HTTP/9.9\r\n" HOST "\r\n", 400),
	ROW("GET /debug/pprof/ HTTP/1.10\r\n" HOST "\r\n", 400),
	ROW("GET /debug/pprof/ http/1.1\r\n" HOST "\r\n", 400),
	ROW("GET /debug/pprof/\r\n\r\n", 400),
	ROW("GET  /debug/pprof/ HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("GET /debug/pprof/  HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("GET /debug/pprof/ HTTP/1.1 \r\n" HOST "\r\n", 400),
	ROW("GET\t/debug/pprof/\tHTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("GET /debug /pprof/ HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW(" GET /debug/pprof/ HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("\r\nGET /debug/pprof/ HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("GET\r\n\r\n", 400),
	ROW("\r\n\r\n\r\n\r\n", 400),
	ROW("\0\0\0\0\0\0\0\0\r\n\r\n", 400),
	ROW("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 TLS\r\n\r\n", 400),
	ROW("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
	ROW("GET /debug/pprof/ HTTP/1.1\n" HOST "\r\n", 400),
	ROW("GET /debug/pprof/ HTTP/1.1\n" HOST_LF "\n", 400),
	ROW("GET /debug/pprof/ HTTP/1.1\r\n" HOST_LF "\r\n", 400),
	ROW(HEAD "\n", 400),
	ROW(HEAD "X: y\n\r\n", 400),
	ROW(HEAD "X: y\n\n", 400),
	ROW(HEAD "X: y\nContent-Length: 5\r\n\r\nhello", 400),
	ROW(HEAD "X: y\rContent-Length: 5\r\n\r\nhello", 400),
	ROW(HEAD "\r\r\n", 400),
	ROW(HEAD "X: y\r\r\n\r\n", 400),
	ROW(HEAD "No colon here\r\n\r\n", 400),
	ROW(HEAD ": no name\r\n\r\n", 400),
	ROW(HEAD "X : y\r\n\r\n", 400),
	ROW(HEAD "X\t: y\r\n\r\n", 400),
	ROW(HEAD "Content-Length : 5\r\n\r\nhello", 400),
	ROW(HEAD "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
	ROW(HEAD "Transfer-Encoding\x0b: chunked\r\n\r\n0\r\n\r\n", 400),
	ROW(HEAD "\tFolded: x\r\n\r\n", 400),
	ROW(HEAD "X: y\r\n z\r\n\r\n", 400),
	ROW(HEAD "X: y\r\n\r\n z\r\n\r\n", 200), /* behind the head: nobody's */
	ROW(HEAD "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400),
	ROW(HEAD "X: \x80\xff\x00\r\n\r\n", 400),
	ROW(HEAD "X: \x80\xff\r\n\r\n", 200), /* RFC 9110's obs-text */
	ROW(HEAD "X: \x1b[31m\r\n\r\n", 400),
	ROW(HEAD "X: \x7f\r\n\r\n", 400),
	ROW(HEAD "X:\r\nY:\t \t\r\n\r\n", 200),
	ROW("DELETE /debug/pprof/symbol HTTP/1.1\r\n" HOST "\r\n", 405),
	ROW("BREW /debug/pprof/heap HTTP/1.1\r\n" HOST "\r\n", 405),
	ROW(HEAD "Origin: http://evil.test\r\n\r\n", 403),
	ROW(HEAD "Authorization: Basic ////\r\n\r\n", 0),
};

static void assert_still_serves(const char *after)
{
	ask(&s, "/debug/pprof/", &a);
	cr_assert_eq(status_of(&a), 200, "after %s: %s", after, a.text);
}

/* The client is done sending: what is half is not waited for. */
static void ask_and_shut(const struct row *row)
{
	int sock = client_open(&s);

	a.len = 0;
	a.is_over = false;
	client_send(sock, row->request, row->len);
	shutdown(sock, SHUT_WR);
	TURN_UNTIL(s.b.loop, client_read(sock, &a));
	close(sock);
}

Test(http_hostile, malformed_requests_are_errors, .timeout = 60)
{
	site_start(&s, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(corpus); i++) {
		ask_and_shut(&corpus[i]);
		if (corpus[i].status)
			cr_assert_eq(status_of(&a), corpus[i].status, "%s: %s", corpus[i].request, a.text);
		assert_still_serves(corpus[i].request);
	}
	site_stop(&s);
}

/* Sent, and gone before the answer. */
static void ask_and_go(const void *text, size_t len)
{
	int sock = client_open(&s);

	client_send(sock, text, len);
	cr_assert_eq(loop_turn(s.b.loop, 0), 0);
	close(sock);
	cr_assert_eq(loop_turn(s.b.loop, 0), 0);
}

Test(http_hostile, requests_cut_short_at_any_byte_do_no_harm)
{
	static const char whole[] = "POST /debug/pprof/symbol HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\n0x1";

	site_start(&s, NULL);
	for (size_t n = 0; n < sizeof(whole); n++)
		ask_and_go(whole, n);
	assert_still_serves("parts");
	site_stop(&s);
}

/* A head that comes in two parts, cut anywhere, is one request; the part stays in the socket meanwhile. */
Test(http_hostile, a_head_in_two_parts_is_one_request, .timeout = 60)
{
	static const char whole[] = "POST /debug/pprof/symbol HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\n0x1";

	site_start(&s, NULL);
	site_record(&s);
	for (size_t n = 0; n < sizeof(whole) - 1; n += 3) {
		int sock = client_open(&s);

		a.len = 0;
		a.is_over = false;
		client_send(sock, whole, n);
		for (int i = 0; i < 3; i++)
			cr_assert_eq(loop_turn(s.b.loop, 1), 0);
		client_send(sock, whole + n, sizeof(whole) - 1 - n);
		TURN_UNTIL(s.b.loop, client_read(sock, &a));
		cr_assert_eq(status_of(&a), 200, "cut at %zu: %s", n, a.text);
		close(sock);
	}
	site_stop(&s);
}

/* Random changes of a request, always the same ones. */
Test(http_hostile, mutated_requests_do_no_harm)
{
	static const char whole[] = HEAD "Content-Length: 0\r\nAuthorization: Basic OmFiYw==\r\nOrigin: x\r\n\r\n";
	uint64_t seed = 88172645463325252ull;
	char text[sizeof(whole)];

	site_start(&s, NULL);
	for (int i = 0; i < 2000; i++) {
		memcpy(text, whole, sizeof(whole));
		for (int k = 0; k <= i % 4; k++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			text[seed % (sizeof(whole) - 1)] = (char)(seed >> 32);
		}
		ask_and_go(text, sizeof(whole) - 1);
	}
	assert_still_serves("mutations");
	site_stop(&s);
}

Test(http_hostile, headers_have_eight_kilobytes)
{
	static char request[64 << 10];
	size_t n;

	site_start(&s, NULL);
	for (size_t fill = 4000; fill <= 60000; fill *= 2) {
		n = (size_t)sprintf(request, HEAD "X: %0*d\r\n\r\n", (int)fill, 0);
		ask_raw(&s, request, n, &a);
		if (n <= 8192)
			cr_assert_eq(status_of(&a), 200, "%zu bytes", n);
		else
			cr_assert_eq(status_of(&a), 431, "%zu bytes: %s", n, a.text);
	}
	n = (size_t)sprintf(request, "GET /debug/pprof/?%0*d HTTP/1.1\r\n" HOST "\r\n", 40000, 0);
	ask_raw(&s, request, n, &a);
	cr_assert_eq(status_of(&a), 431, "%s", a.text);
	assert_still_serves("headers");
	site_stop(&s);
}

Test(http_hostile, bodies_have_one_megabyte)
{
	static const char head[] = "POST /debug/pprof/symbol HTTP/1.1\r\n" HOST "Content-Length: 8388608\r\n\r\n";
	static char part[1 << 16];
	int sock;

	site_start(&s, NULL);
	sock = client_open(&s);
	a.len = 0;
	a.is_over = false;
	memset(part, '+', sizeof(part));
	client_send(sock, head, sizeof(head) - 1);
	for (int i = 0; i < 128 && !client_read(sock, &a); i++) {
		if (send(sock, part, sizeof(part), MSG_NOSIGNAL) < 0 && errno != EAGAIN)
			break;
		cr_assert_eq(loop_turn(s.b.loop, 1), 0);
	}
	TURN_UNTIL(s.b.loop, client_read(sock, &a));
	cr_assert_eq(status_of(&a), 413, "%s", a.text);
	close(sock);
	assert_still_serves("a large body");
	site_stop(&s);
}

/* --- clients that never finish ---------------------------------------------------------------------------------
 */

static bool is_closed(int sock)
{
	char c;

	return recv(sock, &c, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

Test(http_hostile, two_hundred_half_requests_leave_room, .timeout = 60)
{
	int socks[200];
	unsigned closed = 0;

	site_start(&s, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(socks); i++) {
		socks[i] = client_open(&s);
		client_send(socks[i], HEAD, 20 + i % 20);
		cr_assert_eq(loop_turn(s.b.loop, 0), 0);
	}
	assert_still_serves("half requests");
	for (size_t i = 0; i < ARRAY_SIZE(socks); i++)
		closed += is_closed(socks[i]);
	cr_assert_geq(closed, ARRAY_SIZE(socks) - 64, "of one user: %u", closed);
	for (size_t i = 0; i < ARRAY_SIZE(socks); i++)
		close(socks[i]);
	site_stop(&s);
}

/* Half a head lies unread in the socket meanwhile: the loop must not spin over it. */
Test(http_hostile, half_a_request_is_waited_for_some_seconds, .timeout = 60)
{
	unsigned turns = 0;
	int sock;

	site_start(&s, NULL);
	sock = client_open(&s);
	a.len = 0;
	a.is_over = false;
	client_send(sock, HEAD, 30);
	for (; !client_read(sock, &a); turns++)
		cr_assert_eq(loop_turn(s.b.loop, 1000), 0);
	cr_assert_eq(status_of(&a), 408, "%s", a.text);
	cr_assert_lt(turns, 2000, "for one client that waits");
	close(sock);
	assert_still_serves("a timeout");
	site_stop(&s);
}

Test(http_hostile, names_of_programs_are_escaped)
{
	struct hello h = good_hello();
	int sock, fd;
	struct welcome w;

	site_start(&s, NULL);
	strcpy(h.exe, "/bin/a<img src=x onerror='alert(1)'>\"&\n\x1b[31m\xff");
	sock = shim_connect(s.b.sock);
	cr_assert_eq(send(sock, &h, sizeof(h), MSG_NOSIGNAL), (ssize_t)sizeof(h));
	TURN_UNTIL(s.b.loop, s.b.started == 1);
	cr_assert(shim_welcome(sock, &w, &fd));
	cr_assert(shim_map(&w, fd, &s.r));
	close(sock);
	ask(&s, "/debug/pprof/", &a);
	cr_assert_eq(status_of(&a), 200);
	cr_assert(!strstr(a.text, "<img") && !strstr(a.text, "'alert") && !strchr(a.text, '\x1b') &&
			  !strchr(a.text, '\xff'),
		  "%s", a.text);
	cr_assert(strstr(a.text, "a&lt;img src=x onerror=&#39;alert(1)&#39;&gt;&quot;&amp;\\x0a\\x1b[31m\\xff"),
		  "%s", a.text);
	site_stop(&s);
}

/* Who does not take answers gets no more of them; other users do. */
Test(http_hostile, answers_that_are_not_taken_are_bounded_by_user)
{
	const struct door local = { .is_unix = true }, tcp = { .port = 1 };
	const size_t large = 200u << 20;
	struct http h = { 0 };
	struct conn lazy = { .http = &h, .door = &local, .who.uid = 7, .held = large };
	struct conn next = { .http = &h, .door = &local, .who.uid = 7 };
	struct conn other = { .http = &h, .door = &local, .who.uid = 8 };
	struct conn remote = { .http = &h, .door = &tcp, .who.uid = 7 };

	TAILQ_INIT(&h.conns);
	TAILQ_INSERT_TAIL(&h.conns, &lazy, link);
	TAILQ_INSERT_TAIL(&h.conns, &next, link);
	TAILQ_INSERT_TAIL(&h.conns, &other, link);
	TAILQ_INSERT_TAIL(&h.conns, &remote, link);
	cr_assert(conn_may_hold(&next, 1000));
	cr_assert_not(conn_may_hold(&next, large));
	cr_assert(conn_may_hold(&other, large));
	cr_assert(conn_may_hold(&remote, large));
	lazy.held = 0;
	cr_assert(conn_may_hold(&next, 2 * large), "one answer always finds room");
}
