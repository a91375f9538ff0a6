// SPDX-License-Identifier: GPL-2.0-only
/* The shortest program that is right: one named mutex, also after a death. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include <ksync.h>

static void repair(void)
{
	printf("the last holder died: checking what it left behind\n");
}

int main(void)
{
	struct ksync_mutex *m;
	int err = ksync_mutex_open(&m, "hello", O_CREAT, 0600, NULL);

	if (!err)
		err = ksync_mutex_lock(m);
	if (err == -EOWNERDEAD) {	/* locked, but the last holder died */
		repair();
		err = ksync_mutex_consistent(m);
	}
	if (err) {
		fprintf(stderr, "hello: %s\n", ksync_strerror(err));
		return 1;
	}
	printf("hello, alone in here (%s)\n", ksync_backend());
	ksync_mutex_unlock(m);
	ksync_mutex_close(m);
	return 0;
}
