/* collectord/profile/pprof_model.h - the second half of pprof_decode(): messages to model. */
#pragma once

#include "collectord/profile/profile.h"
#include "profile.pb-c.h"

/* Strings and tables are copied; `m` may go afterwards.  0, -ENOMEM, or -EINVAL with a fault. */
int pprof_to_model(const Perftools__Profiles__Profile *m, struct profile **ret, struct fault *f);
