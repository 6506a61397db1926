/* collectord/daemon_http.h - the daemon's HTTP: on a unix socket beside the collector's, on TCP if asked. */
#pragma once

#include "collectord/daemon_options.h"
#include "collectord/daemon_systemd.h"
#include "collectord/http/http.h"

/* 0, or -errno after saying why on the log.  *ret is the caller's to free either way. */
int daemon_http_start(const struct daemon_settings *o, const struct systemd_sockets *passed, struct loop *loop,
		      struct collector *c, struct http **ret);
