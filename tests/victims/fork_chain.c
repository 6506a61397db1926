/* tests/victims/fork_chain.c - a child that allocates, and after it a line of 255 that do not, until the last one.
 */
#include <sys/wait.h>

#include "counts.h"

static void *first;

static int forks(void)
{
	int status = 1;
	pid_t pid = fork();

	if (pid == 0)
		return 1;
	if (waitpid(pid, &status, 0) != pid || status)
		_exit(1);
	return 0;
}

int main(void)
{
	struct counts c = { 0 };

	first = take(&c, 10);
	take(&c, 20);
	if (!forks())
		return 0;
	inherit(&c);
	take(&c, 30);
	for (int i = 0; i < 255; i++)
		if (!forks())
			_exit(0);
	inherit(&c);
	drop(&c, first, 10);
	say_counts(&c);
	_exit(0);
}
