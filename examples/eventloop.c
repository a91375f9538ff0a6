// SPDX-License-Identifier: GPL-2.0-only
/*
 * A mutex in an event loop: the program never sleeps for the lock, but waits
 * for it and for a timer in the same epoll_wait().
 *
 * A child holds the mutex for a while. The parent queues a request, goes on
 * with its other work, which here is a tick, and takes the lock when the
 * descriptor says that it is kept for it.
 */
#include <err.h>
#include <errno.h>
#include <ksync.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

static struct ksync_mutex *mutex;

static void check(int error, const char *what)
{
	if (error)
		errx(1, "%s: %s", what, ksync_strerror(error));
}

/* Returns when the child has the mutex. */
static pid_t begin_child(void)
{
	int fds[2];
	pid_t pid;
	char byte;

	if (pipe(fds))
		err(1, "pipe");
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		check(ksync_mutex_lock(mutex), "child: lock");
		if (write(fds[1], "", 1) != 1)
			_exit(1);
		usleep(350000);
		check(ksync_mutex_unlock(mutex), "child: unlock");
		_exit(0);
	}
	close(fds[1]);
	if (read(fds[0], &byte, 1) != 1)
		errx(1, "the child ended early");
	close(fds[0]);
	return pid;
}

static int begin_ticks(void)
{
	struct itimerspec often = {
		.it_interval.tv_nsec = 100000000,
		.it_value.tv_nsec = 100000000,
	};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

	if (fd < 0 || timerfd_settime(fd, 0, &often, NULL))
		err(1, "timerfd");
	return fd;
}

static void watch(int epoll, int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e))
		err(1, "epoll_ctl");
}

static void tick(int fd)
{
	uint64_t times;

	if (read(fd, &times, sizeof(times)) == sizeof(times))
		printf("tick\n");
}

/* Until the lock is ours. */
static void loop(int epoll, int ticks)
{
	struct ksync_item item = { .take = KSYNC_TAKE_MUTEX, .mutex = mutex };
	struct epoll_event e;
	int error;

	check(ksync_request_queue(&item, 0), "request");
	printf("asked for the mutex, which is held\n");
	for (;;) {
		if (epoll_wait(epoll, &e, 1, -1) != 1) {
			if (errno == EINTR)
				continue;
			err(1, "epoll_wait");
		}
		if (e.data.fd == ticks) {
			tick(ticks);
			continue;
		}
		error = ksync_request_claim(&item);
		if (!error)
			return;
		/* Not claimed in time: somebody else had it; ask again. */
		if (error == -ETIMEDOUT)
			error = ksync_request_queue(&item, 0);
		if (error && error != -EBUSY)
			check(error, "claim");
	}
}

int main(void)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC), ticks;
	pid_t child;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!(ksync_guarantees() & KSYNC_G_POLL))
		errx(4, "the %s backend cannot be polled", ksync_backend());
	check(ksync_mutex_create(&mutex, NULL), "create");
	child = begin_child();
	ticks = begin_ticks();
	watch(epoll, ticks);
	watch(epoll, ksync_mutex_fd(mutex));
	loop(epoll, ticks);
	printf("have the mutex\n");
	check(ksync_mutex_unlock(mutex), "unlock");
	waitpid(child, NULL, 0);
	ksync_mutex_close(mutex);
	return 0;
}
