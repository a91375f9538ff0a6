// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Groups: a wait group counts the members and the dead among them, a once keeps
 * the first failure, and an event cancels the others.
 *
 * Who waits has a member of its own until it does, so that all is one round.
 * The round's end is told at once; that a member has died before, when others
 * still work, is seen by a look at the round's losses now and then.
 *
 * The failure is there before the event is set. Who dies in between is a member
 * that died, and so the event is set by who waits.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "ksync.h"

#define LOOK_NS		50000000
#define NSEC_PER_SEC	1000000000

struct ksync_group {
	struct ksync_waitgroup *members;
	struct ksync_once *first;
	struct ksync_event *token;
	bool waited;		/* our own member is done */
};

static struct ksync_group *new_group(void)
{
	int saved = errno;
	struct ksync_group *g = calloc(1, sizeof(*g));

	errno = saved;
	return g;
}

int ksync_group_create(struct ksync_group **out)
{
	struct ksync_group *g;
	int err;

	if (!out)
		return -EINVAL;
	*out = NULL;
	g = new_group();
	if (!g)
		return -ENOMEM;
	err = ksync_waitgroup_create(&g->members, NULL);
	if (!err)
		err = ksync_once_create(&g->first, NULL);
	if (!err)
		err = ksync_event_create(&g->token, NULL);
	if (!err)
		err = ksync_waitgroup_add(g->members, 1);
	if (err)
		ksync_group_close(g);
	else
		*out = g;
	return err;
}

int ksync_group_import(struct ksync_group **out, const int fds[KSYNC_GROUP_FDS])
{
	struct ksync_group *g;
	int err;

	if (!out)
		return -EINVAL;
	*out = NULL;
	if (!fds)
		return -EINVAL;
	g = new_group();
	if (!g)
		return -ENOMEM;
	g->waited = true;
	err = ksync_waitgroup_import(&g->members, fds[0]);
	if (!err)
		err = ksync_once_import(&g->first, fds[1]);
	if (!err)
		err = ksync_event_import(&g->token, fds[2]);
	if (err)
		ksync_group_close(g);
	else
		*out = g;
	return err;
}

void ksync_group_fds(const struct ksync_group *g, int fds[KSYNC_GROUP_FDS])
{
	fds[0] = ksync_waitgroup_fd(g ? g->members : NULL);
	fds[1] = ksync_once_fd(g ? g->first : NULL);
	fds[2] = ksync_event_fd(g ? g->token : NULL);
}

void ksync_group_close(struct ksync_group *g)
{
	if (!g)
		return;
	ksync_waitgroup_close(g->members);
	ksync_once_close(g->first);
	ksync_event_close(g->token);
	free(g);
}

int ksync_group_add(struct ksync_group *g)
{
	return g ? ksync_waitgroup_add(g->members, 1) : -EINVAL;
}

int ksync_group_bind(struct ksync_group *g, pid_t pid)
{
	int pidfd, err, saved = errno;

	if (!g)
		return -EINVAL;
	pidfd = syscall(SYS_pidfd_open, pid ? pid : getpid(), 0);
	if (pidfd >= 0) {
		err = ksync_waitgroup_bind(g->members, pidfd);
		close(pidfd);
	} else {
		err = -errno;
	}
	errno = saved;
	return err;
}

static int fail(struct ksync_group *g, int why)
{
	int err = ksync_once_begin(g->first, NULL);

	if (!err || err == -EOWNERDEAD)
		err = ksync_once_complete(g->first, -why);
	if (err && err != -EALREADY)
		return err;
	return ksync_event_set(g->token);
}

int ksync_group_done(struct ksync_group *g, int err)
{
	int ret = 0;

	if (!g || err > 0)
		return -EINVAL;
	if (err)
		ret = fail(g, err);
	return ret ? ret : ksync_waitgroup_done(g->members);
}

struct ksync_event *ksync_group_token(struct ksync_group *g)
{
	return g ? g->token : NULL;
}

int ksync_group_failure(struct ksync_group *g)
{
	struct ksync_status st;
	uint64_t why = 0;
	int err;

	if (!g)
		return -EINVAL;
	err = ksync_once_status(g->first, &st);
	if (err || !(st.flags & KSYNC_IS_DONE))
		return err;
	err = ksync_once_begin(g->first, &why);
	return err == -EALREADY ? -(int)why : err;
}

static bool is_time(const struct timespec *ts)
{
	return ts->tv_nsec >= 0 && ts->tv_nsec < NSEC_PER_SEC;
}

static bool earlier(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec :
					a->tv_nsec < b->tv_nsec;
}

/* For a while: -EAGAIN if the caller's deadline is not over with that. */
static int wait_a_while(struct ksync_group *g, const struct ksync_wait *w)
{
	struct timespec until;
	struct ksync_wait step = {
		.deadline = &until,
		.cancel = w ? w->cancel : NULL,
	};
	bool last = false;
	int err;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += LOOK_NS;
	if (until.tv_nsec >= NSEC_PER_SEC) {
		until.tv_nsec -= NSEC_PER_SEC;
		until.tv_sec++;
	}
	if (w && w->deadline && earlier(w->deadline, &until)) {
		step.deadline = w->deadline;
		last = true;
	}
	err = ksync_waitgroup_wait_until(g->members, &step);
	return err == -ETIMEDOUT && !last ? -EAGAIN : err;
}

int ksync_group_wait(struct ksync_group *g, const struct ksync_wait *w)
{
	struct ksync_status st;
	int err = 0, ret;

	/* Some looks at the members may come before that at the deadline. */
	if (!g || (w && w->deadline && !is_time(w->deadline)))
		return -EINVAL;
	if (!g->waited)
		err = ksync_waitgroup_done(g->members);
	if (err)
		return err;
	g->waited = true;
	do {
		err = wait_a_while(g, w);
		ret = ksync_waitgroup_status(g->members, &st);
		if (!ret && (st.lost || err == -EOWNERDEAD))
			ret = fail(g, -EOWNERDEAD);
		if (ret)
			return ret;
	} while (err == -EAGAIN);
	if (err && err != -EOWNERDEAD)
		return err;
	return ksync_group_failure(g);
}
