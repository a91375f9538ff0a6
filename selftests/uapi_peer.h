/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Peers: processes and threads that carry out calls for a test, one after the
 * other, so that a test reads as the story of who does what when:
 *
 *	peer_fork(&p);
 *	ASSERT_EQ(0, ask(&p, mutex_lock(fd, NEVER)));
 *	start(&q, mutex_lock(fd, NEVER));
 *	ASSERT_TRUE(queued(fd, 1, 0));
 *	peer_kill(&p);
 *	ASSERT_EQ(-EOWNERDEAD, answer(&q));
 *
 * A peer that is a process has the descriptors that were open when it began,
 * and dies with the test.
 */
#ifndef UAPI_PEER_H
#define UAPI_PEER_H

#include "uapi.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define NO_ANSWER	(-ETIME)	/* no errno of the contract */
#define PEER_GONE	(-ECHILD)	/* likewise */

typedef int (*peer_fn)(struct call *c);

struct peer_request {
	peer_fn fn;
	struct call call;
};

struct peer_reply {
	int ret;
	union uapi_args out;
};

/* Peers that nobody has waited for yet. */
static pid_t peers_alive[64];

struct peer {
	int sock;
	int remote;		/* a thread's end of the socket pair */
	pid_t pid;		/* 0 for a thread */
	pthread_t thread;
	union uapi_args out;	/* of the last answer */
};

static inline void peer_serve(int sock)
{
	struct peer_request request;
	struct peer_reply reply;

	while (recv(sock, &request, sizeof(request), 0) == sizeof(request)) {
		reply.ret = request.fn(&request.call);
		reply.out = request.call.arg;
		send(sock, &reply, sizeof(reply), MSG_NOSIGNAL);
	}
}

static inline int peer_sockets(struct peer *p)
{
	int fds[2];

	memset(p, 0, sizeof(*p));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds))
		return -errno;
	p->sock = fds[0];
	p->remote = fds[1];
	return 0;
}

static inline void peer_replace(pid_t pid, pid_t by)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(peers_alive); i++) {
		if (peers_alive[i] == pid) {
			peers_alive[i] = by;
			return;
		}
	}
}

static inline int peer_fork(struct peer *p)
{
	int ret = peer_sockets(p);

	if (ret)
		return ret;
	fflush(NULL);
	p->pid = fork();
	if (p->pid < 0)
		return -errno;
	if (!p->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(p->sock);
		peer_serve(p->remote);
		_exit(0);
	}
	close(p->remote);
	peer_replace(0, p->pid);
	return 0;
}

static inline void *peer_main(void *arg)
{
	peer_serve((int)(long)arg);
	return NULL;
}

static inline int peer_thread(struct peer *p)
{
	int ret = peer_sockets(p);

	if (ret)
		return ret;
	return -pthread_create(&p->thread, NULL, peer_main,
			       (void *)(long)p->remote);
}

static inline void start_fn(struct peer *p, peer_fn fn, struct call c)
{
	struct peer_request request = { .fn = fn, .call = c };

	send(p->sock, &request, sizeof(request), MSG_NOSIGNAL);
}

/* Have the peer begin; it may sleep in there. */
static inline void start(struct peer *p, struct call c)
{
	start_fn(p, call_run, c);
}

/* What came of it, as soon as it has. */
static inline int answer(struct peer *p)
{
	struct pollfd pollfd = { .fd = p->sock, .events = POLLIN };
	struct peer_reply reply;

	if (poll(&pollfd, 1, PATIENCE / NS_PER_MS) != 1)
		return NO_ANSWER;
	if (recv(p->sock, &reply, sizeof(reply), 0) != sizeof(reply))
		return PEER_GONE;
	p->out = reply.out;
	return reply.ret;
}

static inline int ask(struct peer *p, struct call c)
{
	start(p, c);
	return answer(p);
}

static inline int ask_fn(struct peer *p, peer_fn fn)
{
	start_fn(p, fn, (struct call){ 0 });
	return answer(p);
}

/* No answer so far: meaningful after the peer was seen in a queue. */
static inline bool silent(struct peer *p)
{
	struct pollfd pollfd = { .fd = p->sock, .events = POLLIN };

	return poll(&pollfd, 1, 0) == 0;
}

/* Wait for the end of a peer that is a process; gives its wait status. */
static inline int peer_reap(struct peer *p)
{
	int wstatus = -1;

	close(p->sock);
	waitpid(p->pid, &wstatus, 0);
	peer_replace(p->pid, 0);
	p->pid = -1;
	return wstatus;
}

/* At the end of a test, so that the next one finds nothing of it. */
static inline void peers_end(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(peers_alive); i++)
		if (peers_alive[i])
			kill(peers_alive[i], SIGKILL);
	for (i = 0; i < ARRAY_SIZE(peers_alive); i++)
		if (peers_alive[i])
			waitpid(peers_alive[i], NULL, 0);
}

static inline void peer_kill(struct peer *p)
{
	kill(p->pid, SIGKILL);
	peer_reap(p);
}

/* Let it end by itself: the process by _exit(0), the thread by returning. */
static inline void peer_end(struct peer *p)
{
	if (p->pid) {
		shutdown(p->sock, SHUT_RDWR);
		peer_reap(p);
		return;
	}
	shutdown(p->sock, SHUT_RDWR);
	pthread_join(p->thread, NULL);
	close(p->sock);
	close(p->remote);
}

/* Memory that peers made afterwards share with the test; NULL without. */
static inline void *shared_page(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static inline int peer_gettid(struct call *c)
{
	return gettid_raw();
}

/* Functions for a peer to run by which it ends; they do not answer. */

static inline int die_by_raw_exit(struct call *c)
{
	syscall(SYS_exit, 0);
	return 0;
}

static inline int die_by_quick_exit(struct call *c)
{
	_exit(0);
}

static inline int die_by_exit(struct call *c)
{
	exit(0);
}

static inline int die_by_fault(struct call *c)
{
	signal(SIGSEGV, SIG_DFL);
	raise(SIGSEGV);
	return 0;
}

/* The process lives on, as another image. */
static inline int die_by_exec(struct call *c)
{
	execl("/proc/self/exe", "uapi", LINGER, NULL);
	return -errno;
}

/*
 * A process of its own that runs @fn(@arg) and gives back what that returns,
 * 0 to 127: for what cannot be undone, such as another uid or namespace.
 * 255 when it ended in another way.
 */
static inline int in_child(int (*fn)(void *arg), void *arg)
{
	int wstatus;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(fn(arg));
	}
	if (pid < 0 || waitpid(pid, &wstatus, 0) != pid || !WIFEXITED(wstatus))
		return 255;
	return WEXITSTATUS(wstatus);
}

/* For what runs in a child, where the harness's macros have no meaning. */
#define CHECK(cond)							\
do {									\
	if (!(cond)) {							\
		fprintf(stderr, "# %s:%d: not true: %s\n", __FILE__,	\
			__LINE__, #cond);				\
		return 1;						\
	}								\
} while (0)

#endif /* UAPI_PEER_H */
