/* collectord/live/collector_impl.h - between collector.c and collector_*.c: what a collector consists of. */
#pragma once

#include "collectord/live/census.h"
#include "collectord/live/collector.h"
#include "collectord/live/control.h"
#include "collectord/live/keep.h"
#include "collectord/live/listen.h"
#include "collectord/live/recovery.h"
#include "collectord/live/session.h"
#include "collectord/live/totals.h"

struct collector {
	struct collector_config user;   /* as given */
	struct collector_config config; /* as sessions see it: their news come to us first */
	struct session_env env;         /* its scratch is ours */
	struct listener *listener;
	struct control *control;
	struct loop_timer *bounds; /* collector_bounds.c */
	struct keep *keep;         /* NULL: no keeper */
	struct recovery recovery;
	bool is_leaving; /* a successor will have the sessions */
	uint64_t refused;
	struct totals_past past;
	uint64_t last_id;
	struct census census;
	LIST_HEAD(, session) sessions;
};

/* collector_config.c.  0 or -errno with a fault; collector_open_dir() leaves the descriptor in env.save. */
int collector_check(const struct collector_config *config, struct fault *f);
int collector_open_dir(struct collector *c, struct fault *f);
void collector_take_limits(struct collector *c, const struct collector_config *config);

/* One more session.  0 or -ENOMEM: then it is not the collector's. */
int collector_add(struct collector *c, struct session *s);

/* Begin to hold users to their limits.  0 or -ENOMEM. */
int collector_bound(struct collector *c);

/* The session's program may know: send it the region. */
void collector_welcome(struct collector *c, struct session *s, struct peer *peer);

/* collector_keep.c: with a keeper, if there is one; what it kept; leave all sessions to a successor. */
int collector_keep(struct collector *c); /* 0 or -ENOMEM */
/* One line for the log. */
void PRINTF(3, 4) collector_say(const struct collector *c, bool is_loss, const char *fmt, ...);
void collector_leave(struct collector *c);
size_t collector_staying(const struct collector *c); /* sessions that cannot be left yet */
