/* collectord/live/collector_impl.h - between collector.c and collector_ask.c: what a collector consists of. */
#pragma once

#include "collectord/live/collector.h"
#include "collectord/live/control.h"
#include "collectord/live/listen.h"
#include "collectord/live/session.h"

struct collector {
	struct collector_config user;   /* as given */
	struct collector_config config; /* as sessions see it: their news come to us first */
	struct session_env env;         /* its scratch is ours */
	struct listener *listener;
	struct control *control;
	uint64_t refused;
	uint64_t last_id;
	LIST_HEAD(, session) sessions;
};
