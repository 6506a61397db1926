/* collectord/cli/curl.h - libcurl, loaded when the first URL is met.
 *
 * It brings some thirty libraries along: linked, every `heaptap` command would start 5 ms later, and a recorded
 * program's collector would be megabytes larger, for what few runs need. */
#pragma once

#include <curl/curl.h>
#include <stdbool.h>

#define CURL_FUNCTIONS(X)      \
	X(global_init)         \
	X(easy_init)           \
	X(easy_cleanup)        \
	X(easy_setopt)         \
	X(easy_getinfo)        \
	X(easy_strerror)       \
	X(easy_escape)         \
	X(easy_unescape)       \
	X(free)                \
	X(multi_init)          \
	X(multi_cleanup)       \
	X(multi_add_handle)    \
	X(multi_remove_handle) \
	X(multi_perform)       \
	X(multi_poll)          \
	X(multi_info_read)     \
	X(url)                 \
	X(url_cleanup)         \
	X(url_get)             \
	X(url_set)             \
	X(url_strerror)

/* What libcurl calls curl_easy_init() is curl.easy_init() here. */
extern struct curl {
#define MEMBER(name) __typeof__(curl_##name) *name;
	CURL_FUNCTIONS(MEMBER)
#undef MEMBER
} curl;

/* Before any of them is called.  False: there is none on this machine.  One thread. */
bool curl_load(void);
