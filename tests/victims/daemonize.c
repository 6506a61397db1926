/* tests/victims/daemonize.c - becomes a daemon by two forks; it allocates when the file $GO exists, then ends.
 *
 * usage: daemonize OUTPUT.  The daemon's counts go to OUTPUT; with $EARLY it has allocated before its first
 * parent ends. */
#include <fcntl.h>
#include <sys/stat.h>

#include "counts.h"

static void use_heap(struct counts *c)
{
	for (int i = 0; i < 500; i++)
		drop(c, take(c, 64), 64);
	take(c, 5000);
}

int main(int argc, char **argv)
{
	struct counts c = { 0 };
	struct stat st;
	int out, ready[2];
	char byte;

	if (argc != 2 || !getenv("GO") || pipe(ready))
		return 2;
	out = open(argv[1], O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	if (getenv("EARLY"))
		use_heap(&c);
	if (fork()) {
		close(ready[1]);
		_exit(getenv("EARLY") ? read(ready[0], &byte, 1) != 1 : 0);
	}
	setsid();
	if (fork())
		_exit(0);
	inherit(&c);
	if (getenv("EARLY"))
		use_heap(&c);
	if (write(ready[1], "", 1) != 1 && getenv("EARLY"))
		return 3;
	dup2(open("/dev/null", O_RDWR), 0);
	dup2(0, 2);
	dup2(out, 1);
	alarm(300); /* nobody else ends it when a test fails */
	while (stat(getenv("GO"), &st))
		usleep(10000);
	use_heap(&c);
	say_counts(&c);
	return 0;
}
