/* tests/victims/fork_handler.c - a signal handler forks, wherever the program is; children return from it and go
 * on.
 *
 * One thread.  Only the program itself prints its counts: where a child came to life it cannot know exactly. */
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "counts.h"

enum { FORKS = 400, KEPT = 32 };

static volatile int forks, is_child;

static void on_alarm(int sig)
{
	(void)sig;
	if (is_child || forks == FORKS)
		return;
	forks++;
	if (fork() == 0)
		is_child = 1;
}

int main(void)
{
	struct itimerval every = { { 0, 500 }, { 0, 500 } };
	struct counts c = { 0 };
	static void *kept[KEPT];
	int status, back = 0;

	signal(SIGALRM, on_alarm);
	setitimer(ITIMER_REAL, &every, NULL);
	for (unsigned i = 0, left = 3000; forks < FORKS || is_child; i = (i + 1) % KEPT) {
		if (kept[i]) {
			drop(&c, kept[i], 100 + i);
			kept[i] = NULL;
		} else {
			kept[i] = take(&c, 100 + i);
		}
		if (is_child && --left == 0)
			_exit(0);
	}
	setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
	while (wait(&status) > 0)
		back += status == 0;
	say_counts(&c);
	return back == FORKS ? 0 : 1;
}
