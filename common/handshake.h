/* common/handshake.h - the two messages that open a session, over SOCK_SEQPACKET.
 *
 * client -> collector: one struct hello.  collector -> client: one struct welcome, with the sealed memfd as its
 * only SCM_RIGHTS descriptor when verdict is 0.  Then both sides close the socket: life is watched by pidfd.
 * Fixed sizes, no pointers, native endianness (one machine).  Strings are NUL-terminated or cut; never trusted:
 * identity comes from SO_PEERCRED, names here are labels for humans. */
#pragma once

#include <stdint.h>

#define HELLO_MAGIC 0x314f4c4c45485448ull   /* "HTHELLO1" */
#define WELCOME_MAGIC 0x31454d4f434c5448ull /* "HTLCOME1" */

#define HEAPTAP_ENV_SOCKET "HEAPTAP_SOCKET" /* path of the collector's socket */
#define HEAPTAP_ENV_WAIT_MS \
	"HEAPTAP_WAIT_MS" /* handshake budget in ms, 1..10000, or MS:PID: only for that process */
#define HEAPTAP_DEFAULT_SOCKET "/run/heaptap/collector.sock"
#define HEAPTAP_DEFAULT_WAIT_MS 50

/* What the shim found in the process: can its malloc see the allocations? */
enum hello_status {
	HELLO_ACTIVE = 0,
	HELLO_EXE_DEFINES_MALLOC = 1, /* the executable brings its own malloc: ours is never called */
	HELLO_MIXED_ALLOCATORS = 2,   /* the family's symbols belong to different objects: pass-through */
	HELLO_SANITIZER = 3,          /* a sanitizer runtime owns malloc */
	HELLO_BEHIND_ANOTHER = 4, /* a library in front of us (hello.allocator) owns malloc: ours is never called */
};

struct hello {
	uint64_t magic;
	uint16_t abi_major, abi_minor;
	uint32_t size;       /* sizeof(struct hello) */
	uint32_t status;     /* enum hello_status */
	uint32_t ppid;       /* parent's pid as the client sees it: a label */
	char allocator[128]; /* path of the object that owns malloc behind us */
	char exe[1024];      /* readlink of /proc/self/exe */
	char cmdline[1024];  /* argv, NUL between the words, cut at the end */
	uint32_t cmdline_len;
	uint32_t pad;
};

enum welcome_verdict {
	WELCOME_OK = 0,         /* a memfd comes along */
	WELCOME_VERSION = 1,    /* incompatible abi_major */
	WELCOME_NOTED = 2,      /* status was not HELLO_ACTIVE: noted, nothing to record */
	WELCOME_REFUSED = 3,    /* quota or overload */
	WELCOME_NOT_WANTED = 4, /* only one process is to be recorded, and this is another */
};

struct welcome {
	uint64_t magic;
	uint16_t abi_major, abi_minor;
	uint32_t verdict; /* enum welcome_verdict */
	uint64_t region_size;
	uint64_t session;
};
