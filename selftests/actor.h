/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Actors: threads and processes that do one thing after another when told to.
 * With them a test is written as a sequence of steps, each by whom it says, and
 * nothing depends on how long anything takes.
 *
 *	actor_start(&a, job_mutex_lock, m, 0);
 *	WAIT_FOR(mutex_status(m).waiters == 1)
 *	ksync_mutex_unlock(m);
 *	actor_result(&a) == 0
 */
#ifndef KSYNC_SELFTEST_ACTOR_H
#define KSYNC_SELFTEST_ACTOR_H

#include "ksync_selftest.h"

enum actor_kind {
	ACTOR_PROCESS,		/* the only thread of a child process */
	ACTOR_THREAD,		/* a thread of the test itself */
	ACTOR_IN_PROCESS,	/* the second thread of a child process */
	ACTOR_LEADER,		/* the first of two threads of a child */
};

/* Gets the pointer and the number that came with the job. */
typedef long (*job_fn)(void *obj, uint64_t arg);

struct job {
	job_fn fn;		/* NULL: leave the loop */
	void *obj;
	uint64_t arg;
};

struct actor {
	enum actor_kind kind;
	pid_t pid;		/* of the child process; 0 for a thread */
	pthread_t thread;
	int sock;		/* to the actor */
	int theirs;
};

/* No job returns it. */
#define ACTOR_STUCK	(-100000L)

/* The descriptor that came with the job in hand; the job's to close. */
static __thread int job_fd __maybe_unused = -1;
/* The end of the actor at work, for jobs that answer by themselves. */
static __thread int job_sock __maybe_unused = -1;

static inline void send_job(int sock, const struct job *job, int fd)
{
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {};
	struct iovec iov = { (void *)job, sizeof(*job) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (fd >= 0) {
		msg.msg_control = control.space;
		msg.msg_controllen = sizeof(control.space);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	if (sendmsg(sock, &msg, MSG_NOSIGNAL) != sizeof(*job))
		perror("# actor: sendmsg");
}

static inline bool receive_job(int sock, struct job *job)
{
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { job, sizeof(*job) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space),
	};
	struct cmsghdr *c;
	ssize_t n;

	do {
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n != sizeof(*job))
		return false;
	c = CMSG_FIRSTHDR(&msg);
	job_fd = -1;
	if (c && c->cmsg_type == SCM_RIGHTS)
		memcpy(&job_fd, CMSG_DATA(c), sizeof(int));
	return true;
}

static inline void actor_loop(int sock)
{
	struct job job;
	long result;

	job_sock = sock;
	while (receive_job(sock, &job) && job.fn) {
		result = job.fn(job.obj, job.arg);
		if (send(sock, &result, sizeof(result), MSG_NOSIGNAL) < 0)
			break;
	}
}

static inline void *actor_thread(void *sock)
{
	actor_loop((long)sock);
	return NULL;
}

static inline void *idle_thread(void *unused)
{
	for (;;)
		pause();
	return unused;
}

/* A child that dies with the test and leaves no core file. */
static inline pid_t fork_child(void)
{
	struct rlimit none = { 0, 0 };
	pid_t parent = getpid(), pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* 0: in another PID namespace than its parent. */
	if (getppid() && getppid() != parent)
		_exit(1);
	setrlimit(RLIMIT_CORE, &none);
	return 0;
}

/* What a child process of an actor does; in a PID namespace also its init. */
static inline void __attribute__((noreturn))
actor_child(enum actor_kind kind, int sock)
{
	pthread_t thread;

	if (kind == ACTOR_IN_PROCESS) {
		pthread_create(&thread, NULL, actor_thread, (void *)(long)sock);
		idle_thread(NULL);
	}
	if (kind == ACTOR_LEADER)
		pthread_create(&thread, NULL, idle_thread, NULL);
	actor_loop(sock);
	if (kind == ACTOR_LEADER)
		pthread_exit(NULL);
	_exit(0);
}

static inline int actor_begin(struct actor *a, enum actor_kind kind)
{
	int ends[2];

	*a = (struct actor){ .kind = kind, .sock = -1, .theirs = -1 };
	/* Not close-on-exec: the image after an execve answers through it. */
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends))
		return -errno;
	fcntl(ends[0], F_SETFD, FD_CLOEXEC);
	a->sock = ends[0];
	a->theirs = ends[1];
	if (kind == ACTOR_THREAD)
		return -pthread_create(&a->thread, NULL, actor_thread,
				       (void *)(long)ends[1]);
	a->pid = fork_child();
	if (a->pid < 0)
		return -errno;
	if (!a->pid) {
		close(ends[0]);
		actor_child(kind, ends[1]);
	}
	close(a->theirs);
	a->theirs = -1;
	return 0;
}

static inline void actor_start_fd(struct actor *a, job_fn fn, void *obj,
				  uint64_t arg, int fd)
{
	struct job job = { fn, obj, arg };

	send_job(a->sock, &job, fd);
}

/* Tells it what to do and does not wait for it. */
static inline void actor_start(struct actor *a, job_fn fn, void *obj,
			       uint64_t arg)
{
	actor_start_fd(a, fn, obj, arg, -1);
}

/* Is it still at it, @ms later? */
static inline bool actor_busy(struct actor *a, int ms)
{
	struct pollfd p = { .fd = a->sock, .events = POLLIN };

	return poll(&p, 1, ms) == 0;
}

/*
 * Does @cond come true before the actor's wait with a deadline ends? On a loaded
 * machine the deadline may pass first: then it is worth another try, with a later
 * one.
 */
#define SEEN_BEFORE_END(a, cond) ({					\
	bool seen__;							\
									\
	while (!(seen__ = (cond)) && actor_busy(a, 0))			\
		sleep_ns(NSEC_PER_MSEC / 5);				\
	seen__;								\
})

static inline long actor_result(struct actor *a)
{
	long result;

	if (actor_busy(a, PATIENCE_MS) ||
	    recv(a->sock, &result, sizeof(result), 0) != sizeof(result))
		return ACTOR_STUCK;
	return result;
}

/* Lets it do one thing. */
static inline long actor_do(struct actor *a, job_fn fn, void *obj, uint64_t arg)
{
	actor_start(a, fn, obj, arg);
	return actor_result(a);
}

static inline long actor_do_fd(struct actor *a, job_fn fn, void *obj,
			       uint64_t arg, int fd)
{
	actor_start_fd(a, fn, obj, arg, fd);
	return actor_result(a);
}

/* SIGKILL, and the kernel is done with it on return. */
static inline void actor_kill(struct actor *a)
{
	if (a->pid <= 0)
		return;
	kill(a->pid, SIGKILL);
	waitpid(a->pid, NULL, 0);
	a->pid = -1;
}

/* For teardown: any actor in any state, also a zeroed one that never began. */
static inline void actor_end(struct actor *a)
{
	struct timespec soon;

	if (a->sock <= 0)
		return;
	if (a->kind != ACTOR_THREAD) {
		actor_kill(a);
	} else if (a->thread) {
		shutdown(a->sock, SHUT_RDWR);
		/* One that still waits belongs to a test that has failed. */
		soon = at_ns(now_ns() + NSEC_PER_SEC);
		pthread_clockjoin_np(a->thread, NULL, CLOCK_MONOTONIC, &soon);
	}
	close(a->sock);
	if (a->theirs >= 0)
		close(a->theirs);
	a->sock = -1;
}

#define JOB(name, handle, call)						\
static long __maybe_unused name(void *obj, uint64_t arg)		\
{									\
	struct handle *h __maybe_unused = obj;				\
									\
	(void)arg;							\
	return call;							\
}

/* Jobs that wait take a number of milliseconds, 0 for ever. */
JOB(job_mutex_lock, ksync_mutex, ksync_mutex_lock_until(h, within(arg)))
JOB(job_mutex_trylock, ksync_mutex, ksync_mutex_trylock(h))
JOB(job_mutex_unlock, ksync_mutex, ksync_mutex_unlock(h))
JOB(job_mutex_consistent, ksync_mutex, ksync_mutex_consistent(h))
JOB(job_mutex_token, ksync_mutex, ksync_mutex_token(h))
JOB(job_mutex_close, ksync_mutex, (ksync_mutex_close(h), 0))

JOB(job_rdlock, ksync_rwlock, ksync_rwlock_rdlock_until(h, within(arg)))
JOB(job_tryrdlock, ksync_rwlock, ksync_rwlock_tryrdlock(h))
JOB(job_wrlock, ksync_rwlock, ksync_rwlock_wrlock_until(h, within(arg)))
JOB(job_trywrlock, ksync_rwlock, ksync_rwlock_trywrlock(h))
JOB(job_rwlock_unlock, ksync_rwlock, ksync_rwlock_unlock(h))
JOB(job_upgrade, ksync_rwlock, ksync_rwlock_upgrade(h))
JOB(job_downgrade, ksync_rwlock, ksync_rwlock_downgrade(h))
JOB(job_rwlock_consistent, ksync_rwlock, ksync_rwlock_consistent(h))

JOB(job_wg_add, ksync_waitgroup, ksync_waitgroup_add(h, (int32_t)arg))
JOB(job_wg_done, ksync_waitgroup, ksync_waitgroup_done(h))
JOB(job_wg_wait, ksync_waitgroup, ksync_waitgroup_wait_until(h, within(arg)))
JOB(job_wg_lost, ksync_waitgroup, ksync_waitgroup_lost(h))
JOB(job_wg_bind_fd, ksync_waitgroup, ksync_waitgroup_bind(h, job_fd))

/* Forever: a deadline would need a second number. */
JOB(job_sem_acquire, ksync_sem, ksync_sem_acquire(h, arg))
JOB(job_sem_tryacquire, ksync_sem, ksync_sem_tryacquire(h, arg))
JOB(job_sem_release, ksync_sem, ksync_sem_release(h, arg))

#endif /* KSYNC_SELFTEST_ACTOR_H */
