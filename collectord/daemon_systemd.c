/* collectord/daemon_systemd.c - see daemon_systemd.h. */
#include "collectord/daemon_systemd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "collectord/daemon_log.h"
#include "collectord/live/clock.h"
#include "common/compiler.h"

#define NS_PER_MS 1000000u
#define STATUS_MS 1000

/* --- what was passed in ---------------------------------------------------------------------------------- */

static int refuse(int fd, const char *name)
{
	log_fail("descriptor %d, \"%.64s\", from the service manager is not one listening unix socket of type "
		 "SOCK_SEQPACKET: give the socket unit one ListenSequentialPacket= and nothing else",
		 fd, name);
	return -EINVAL;
}

static int take_http(int fd, const char *name, struct systemd_sockets *s)
{
	if (s->n_http == ARRAY_SIZE(s->http) || sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0) {
		log_fail("descriptor %d, \"%.64s\", from the service manager is not one of at most %u listening "
			 "stream sockets: give the socket unit nothing but ListenStream=",
			 fd, name, SYSTEMD_MAX_HTTP);
		return -EINVAL;
	}
	s->has_tcp |= sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1) <= 0;
	s->http[s->n_http++] = fd;
	return 0;
}

static int take_one(int fd, const char *name, struct systemd_sockets *s)
{
	if (!strncmp(name, KEEPER_NAME_PREFIX, strlen(KEEPER_NAME_PREFIX))) {
		s->kept[s->n_kept++] = (struct kept){ strdup(name), fd };
		return s->kept[s->n_kept - 1].name ? 0 : -ENOMEM;
	}
	if (!strcmp(name, SYSTEMD_HTTP))
		return take_http(fd, name, s);
	if (s->programs >= 0 || sd_is_socket_unix(fd, SOCK_SEQPACKET, 1, NULL, 0) <= 0)
		return refuse(fd, name);
	s->programs = fd;
	return 0;
}

static void free_names(char **names)
{
	for (size_t i = 0; names && names[i]; i++)
		free(names[i]);
	free(names);
}

void systemd_done(struct systemd_sockets *s)
{
	for (size_t i = 0; i < s->n_kept; i++)
		free((char *)(uintptr_t)s->kept[i].name);
	free(s->kept);
	s->kept = NULL;
	s->n_kept = 0;
}

int systemd_take(struct systemd_sockets *ret)
{
	struct systemd_sockets all = { .programs = -1 };
	char **names = NULL;
	int n = sd_listen_fds_with_names(1, &names), r = 0;

	if (n < 0) {
		log_fail("LISTEN_FDS or LISTEN_FDNAMES of the environment cannot be used: %s", strerror(-n));
		return -EINVAL;
	}
	all.kept = calloc(n ? (size_t)n : 1, sizeof(*all.kept));
	if (!all.kept)
		r = -ENOMEM;
	for (int i = 0; !r && i < n; i++)
		r = take_one(SD_LISTEN_FDS_START + i, names[i], &all);
	free_names(names);
	if (!r)
		*ret = all;
	return r;
}

/* --- what it keeps --------------------------------------------------------------------------------------- */

static int store(void *arg, const char *name, const int *fds, unsigned n)
{
	char text[128];
	int r;

	(void)arg;
	/* A memfd cannot be polled: without FDPOLL=0 it would be dropped at once. */
	snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s\nFDPOLL=0", name);
	r = sd_pid_notify_with_fds(0, 0, text, fds, n);
	return r < 0 ? r : 0;
}

static void forget(void *arg, const char *name)
{
	(void)arg;
	sd_notifyf(0, "FDSTOREREMOVE=1\nFDNAME=%s", name);
}

/* As sd_notify_barrier(), which waits; we do not. */
static int barrier(void *arg, int *ret_fd)
{
	int ends[2], r;

	(void)arg;
	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	r = sd_pid_notify_with_fds(0, 0, "BARRIER=1", &ends[1], 1);
	close(ends[1]);
	if (r > 0)
		*ret_fd = ends[0];
	else
		close(ends[0]);
	return r > 0 ? 0 : r < 0 ? r : -ENOTCONN;
}

const struct keeper *systemd_keeper(void)
{
	static const struct keeper keeper = { store, forget, barrier, NULL };

	return getenv("NOTIFY_SOCKET") ? &keeper : NULL;
}

/* --- what the manager is told ---------------------------------------------------------------------------- */

void systemd_ready(void)
{
	sd_notify(0, "READY=1");
}

/* The time is what Type=notify-reload wants (systemd 253 and later); older ones ignore it. */
void systemd_reloading(void)
{
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
		   (unsigned long long)(clock_read_ns(CLOCK_MONOTONIC) / 1000));
}

void systemd_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}

/* --- what it is told regularly --------------------------------------------------------------------------- */

struct systemd {
	struct loop_timer *watchdog, *status;
	uint64_t interval_ns, alive_ns; /* 0: nobody watches */
	size_t programs, told;
};

/* It only wakes the loop up: who turns, tells. */
static void on_watchdog(void *arg)
{
	struct systemd *s = arg;

	loop_timer_set(s->watchdog, (int64_t)(s->interval_ns / NS_PER_MS));
}

static void on_status(void *arg)
{
	struct systemd *s = arg;

	s->told = s->programs;
	sd_notifyf(0, "STATUS=%zu program%s recorded", s->told, s->told == 1 ? " is" : "s are");
}

int systemd_new(struct loop *loop, struct systemd **ret)
{
	struct systemd *s = calloc(1, sizeof(*s));
	uint64_t limit_us = 0;

	if (!s)
		return -ENOMEM;
	s->watchdog = loop_timer_new(loop, on_watchdog, s);
	s->status = loop_timer_new(loop, on_status, s);
	if (!s->watchdog || !s->status) {
		systemd_free(s);
		return -ENOMEM;
	}
	if (sd_watchdog_enabled(0, &limit_us) > 0)
		s->interval_ns = limit_us * 1000 / 3;
	if (s->interval_ns)
		on_watchdog(s);
	*ret = s;
	return 0;
}

void systemd_free(struct systemd *s)
{
	if (!s)
		return;
	loop_timer_free(s->watchdog);
	loop_timer_free(s->status);
	free(s);
}

static void say_alive(struct systemd *s)
{
	uint64_t now = clock_read_ns(CLOCK_MONOTONIC);

	/* A timer may come a millisecond before its time. */
	if (!s->interval_ns || now + NS_PER_MS < s->alive_ns + s->interval_ns)
		return;
	s->alive_ns = now;
	sd_notify(0, "WATCHDOG=1");
}

void systemd_turned(struct systemd *s, size_t programs)
{
	say_alive(s);
	if (programs != s->programs && s->programs == s->told)
		loop_timer_set(s->status, STATUS_MS);
	s->programs = programs;
}
