/* collectord/http/worker_impl.h - between worker.c, which starts a worker, and worker_main.c, which is one. */
#pragma once

#define WORKER_NAME "heaptap-worker" /* argv[0]; the only argument */
#define WORKER_TASK_FD 3
#define WORKER_ANSWER_FD 4
#define WORKER_TOO_LARGE 3 /* exit status: as much was written as an answer may have */
