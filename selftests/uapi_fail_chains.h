/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The calls that are carried out with failing allocations, one line each, and
 * what must have happened before. A new command wants a line at least.
 */
#ifndef UAPI_FAIL_CHAINS_H
#define UAPI_FAIL_CHAINS_H

#include "uapi_commands.h"
#include "uapi_fail.h"

#define HOLDS		6	/* more than a thread has room for by itself */
#define MANY		(1U << 17)	/* cells that kmalloc is too small for */
#define TABLE		64	/* descriptors that a new process has room for */

/* What a call is made of: a device, an object, the peer's descriptor of itself. */
struct site {
	int dev;
	int fd;
	int pidfd;
	char name[64];
	struct ksync_wait_item *items;	/* where the peer finds them as well */
	struct ksync_graph_edge *edges;	/* likewise */
};

static int fdinfo;		/* of a peer */

/* What peers do before. */

static int hold_others(struct call *c)
{
	int i, ret = 0;

	for (i = 1; !ret && i < HOLDS; i++)
		ret = me(at(i, mutex_trylock(c->fd)));
	return ret;
}

static int read_others(struct call *c)
{
	int i, ret = 0;

	for (i = 1; !ret && i < HOLDS; i++)
		ret = me(at(i, rwlock_tryrdlock(c->fd)));
	return ret;
}

static int take_mutex(struct call *c)
{
	return me(mutex_trylock(c->fd));
}

static int take_write(struct call *c)
{
	return me(rwlock_trywrlock(c->fd));
}

static int take_read(struct call *c)
{
	return me(rwlock_tryrdlock(c->fd));
}

static int take_exclusively(int fd)
{
	int ret = me(mutex_trylock(fd));

	return ret == -ENOTTY ? me(rwlock_trywrlock(fd)) : ret;
}

/* Held, after the death of somebody else who held it. */
static int inherit(struct call *c)
{
	pid_t pid = fork();
	int ret;

	if (!pid)
		_exit(-take_exclusively(c->fd));
	if (pid < 0 || waitpid(pid, &ret, 0) != pid || ret)
		return -EPROTO;
	ret = take_exclusively(c->fd);
	return ret == -EOWNERDEAD ? 0 : -EPROTO;
}

static int take_permit(struct call *c)
{
	return me(sem_tryacquire(c->fd, 1));
}

static int add_member(struct call *c)
{
	int ret = me(waitgroup_add(c->fd, 1));

	return ret ?: syscall(SYS_pidfd_open, getpid(), 0);
}

/* One more thread of the peer waits for what the first one has. */
static void *wait_beside_us(void *fd)
{
	me(mutex_lock((long)fd, NEVER));
	return NULL;
}

static int wait_beside(struct call *c)
{
	pthread_t thread;
	int ret = take_mutex(c);

	if (ret || pthread_create(&thread, NULL, wait_beside_us,
				  (void *)(long)c->fd))
		return -EPROTO;
	return queued(c->fd, 1, 0) ? 0 : -ETIME;
}

static int open_fdinfo(struct call *c)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", c->fd);
	fdinfo = open(path, O_RDONLY | O_CLOEXEC);
	return fdinfo < 0 ? -errno : 0;
}

static int fill_table(struct call *c)
{
	int fd;

	do {
		fd = dup(c->fd);
	} while (fd >= 0 && fd < TABLE - 1);
	return fd < 0 ? -errno : 0;
}

static int set_event(struct call *c)
{
	return me(event_set(c->fd));
}

static int request_it(struct call *c)
{
	return me(request(c->fd, 0, 0, KSYNC_KEEP_MAX));
}

static int run_once(struct call *c)
{
	return me(lock_call(c->fd, KSYNC_IOC_ONCE_BEGIN, NEVER));
}

static int complete_once(struct call *c)
{
	return run_once(c) ?: me(basic_call(c->fd, KSYNC_IOC_ONCE_COMPLETE));
}

static int join_barrier(struct call *c)
{
	return me(basic_call(c->fd, KSYNC_IOC_BARRIER_JOIN));
}

/* Its descriptor: what is given up during a wait at a condition. */
static int hold_a_mutex(struct call *c)
{
	int dev = device_open(), fd = create(dev, KSYNC_TYPE_MUTEX, 0, 1);

	close(dev);
	return fd < 0 ? fd : me(mutex_trylock(fd)) ?: fd;
}

/* Its descriptor: what can cancel a wait. */
static int have_token(struct call *c)
{
	int dev = device_open(), fd = create(dev, KSYNC_TYPE_EVENT, 0, 1);

	close(dev);
	return fd;
}

/* And what does. */
static int set_token(struct call *c)
{
	int fd = have_token(c);

	return fd < 0 ? fd : me(event_set(fd)) ?: fd;
}

/* The mutex, and behind it such an event. */
static int hold_a_mutex_set_token(struct call *c)
{
	int mutex = hold_a_mutex(c);
	int token = mutex < 0 ? mutex : set_token(c);

	if (token < 0)
		return token;
	return token == dup2(token, mutex + 1) ? mutex : -EPROTO;
}

static struct call cond_wait_late(int fd, int mutex)
{
	struct call c = basic_call(fd, KSYNC_IOC_COND_WAIT);

	c.arg.cond.mutex = mutex;
	c.arg.cond.deadline = LONG_AGO;
	return c;
}

/* Calls, of a site. */
#define CALL(fn, what)							\
static struct call fn(const struct site *s)				\
{									\
	return what;							\
}

CALL(dev_info, basic_call(s->dev, KSYNC_IOC_DEV_INFO))
CALL(create_one, create_call(s->dev, KSYNC_TYPE_MUTEX, 0, 1))
CALL(create_many, create_call(s->dev, KSYNC_TYPE_RWLOCK, 0, MANY))
CALL(open_new, open_call(s->dev, s->name, KSYNC_TYPE_SEM,
			 KSYNC_OPEN_CREATE | KSYNC_OPEN_EXCL, 0600))
CALL(open_old, open_call(s->dev, s->name, KSYNC_TYPE_MUTEX, 0, 0))
CALL(open_taken, open_call(s->dev, s->name, KSYNC_TYPE_MUTEX,
			   KSYNC_OPEN_CREATE | KSYNC_OPEN_EXCL, 0600))
CALL(unlink_old, unlink_call(s->dev, s->name))
CALL(query_old, query_call(s->dev, s->name, 0))
CALL(list_first, basic_call(s->dev, KSYNC_IOC_DEV_LIST))
CALL(thread_line, basic_call(s->dev, KSYNC_IOC_DEV_THREAD))
CALL(obj_info, info_call(s->fd))
CALL(obj_status, status_call(s->fd))
CALL(obj_fdinfo, basic_call(s->fd, 0))
CALL(obj_wake, basic_call(s->fd, KSYNC_IOC_OBJ_WAKE))
CALL(obj_thread, basic_call(s->fd, KSYNC_IOC_OBJ_THREAD))
CALL(lock, mutex_lock(s->fd, NEVER))
CALL(lock_late, mutex_lock(s->fd, LONG_AGO))
CALL(trylock, mutex_trylock(s->fd))
CALL(unlock, mutex_unlock(s->fd))
CALL(repaired, mutex_consistent(s->fd))
CALL(rdlock, rwlock_rdlock(s->fd, NEVER))
CALL(tryrdlock, rwlock_tryrdlock(s->fd))
CALL(wrlock, rwlock_wrlock(s->fd, NEVER))
CALL(trywrlock, rwlock_trywrlock(s->fd))
CALL(rwunlock, rwlock_unlock(s->fd))
CALL(downgrade, rwlock_downgrade(s->fd))
CALL(upgrade, rwlock_upgrade(s->fd))
CALL(rwrepaired, rwlock_consistent(s->fd))
CALL(reader_slot, basic_call(s->fd, KSYNC_IOC_RWLOCK_SLOT))
CALL(wg_add, waitgroup_add(s->fd, 1))
CALL(wg_done, waitgroup_add(s->fd, -1))
CALL(wg_wait, waitgroup_wait(s->fd, NEVER))
CALL(wg_bind, waitgroup_bind(s->fd, s->pidfd))
CALL(acquire, sem_acquire(s->fd, 1, NEVER))
CALL(tryacquire, sem_tryacquire(s->fd, 1))
CALL(release, sem_release(s->fd, 1))
CALL(resize, sem_resize(s->fd, 9))
CALL(resize_back, sem_resize(s->fd, 1))
CALL(wait_late, cond_wait_late(s->fd, s->pidfd))
CALL(signal_one, basic_call(s->fd, KSYNC_IOC_COND_SIGNAL))
CALL(signal_all, basic_call(s->fd, KSYNC_IOC_COND_BROADCAST))
CALL(arrive, lock_call(s->fd, KSYNC_IOC_BARRIER_WAIT, NEVER))
CALL(join_it, basic_call(s->fd, KSYNC_IOC_BARRIER_JOIN))
CALL(leave, basic_call(s->fd, KSYNC_IOC_BARRIER_LEAVE))
CALL(mend, basic_call(s->fd, KSYNC_IOC_BARRIER_RESET))
CALL(begin, lock_call(s->fd, KSYNC_IOC_ONCE_BEGIN, NEVER))
CALL(complete, basic_call(s->fd, KSYNC_IOC_ONCE_COMPLETE))
CALL(abandon, basic_call(s->fd, KSYNC_IOC_ONCE_ABANDON))
CALL(undo_it, basic_call(s->fd, KSYNC_IOC_ONCE_RESET))
CALL(wait_unless, unless(cond_wait(s->fd, s->pidfd, NEVER), s->pidfd + 1, 0))
CALL(arrive_unless, unless(arrive(s), s->pidfd, 0))
CALL(begin_unless, unless(begin(s), s->pidfd, 0))
CALL(request_one, request(s->fd, 0, 0, KSYNC_KEEP_MAX))
CALL(withdraw_one, withdraw(s->fd))
CALL(claim_one, claim(s->fd))
CALL(set_it, event_set(s->fd))
CALL(reset_it, event_reset(s->fd))
CALL(wait_event, event_wait(s->fd, NEVER))
CALL(tie, at(1, event_set_parent(s->fd, s->fd, 0)))
CALL(untie, at(1, event_set_parent(s->fd, KSYNC_NO_FD, 0)))

static struct call graph(const struct site *s, unsigned int cmd)
{
	struct call c = basic_call(s->dev, cmd);

	c.arg.graph.edges = (unsigned long)s->edges;
	c.arg.graph.room = 1;
	c.arg.graph.size = sizeof(*s->edges);
	return c;
}

CALL(show_graph, graph(s, KSYNC_IOC_DEV_GRAPH))
CALL(show_cycle, graph(s, KSYNC_IOC_DEV_CYCLE))

static struct call many(const struct site *s, __u32 flags)
{
	s->items[0] = (struct ksync_wait_item){ .fd = s->fd };
	return many_wait(s->dev, s->items, 1, flags, NEVER);
}

CALL(wait_any, many(s, 0))
CALL(wait_all, many(s, KSYNC_WAIT_ALL))

FIXTURE(chain)
{
	struct site site;
	struct peer p;
	union uapi_args done;
	unsigned int failures;
};

/*
 * One object of @type is there; @name: by a name. The peer does @prepare first,
 * which may give a descriptor of it. The peer's @call then gives @result, and
 * what it did is undone by @undo (by closing what it opened, without), unless
 * it is @lasting. With @hold and @let_go the test sees to it that the peer must
 * wait, and has given up @given_up runs. At least @at_least allocations are
 * made, or else the sweep itself does not work.
 */
FIXTURE_VARIANT(chain)
{
	__u32 type, flags, nr;
	__u32 parties;	/* of a barrier; 0: one */
	bool name;
	peer_fn prepare;
	struct call (*hold)(const struct site *s);
	struct call (*let_go)(const struct site *s);
	struct call (*call)(const struct site *s);
	struct call (*undo)(const struct site *s);
	int result, given_up;
	bool lasting;
	unsigned int at_least;
};

/* Those below, to see that none is missing. */
static struct call (*swept[128])(const struct site *s);
static int nr_swept;

#define FAILING(chain_name, call_fn, ...)				\
static void __attribute__((constructor)) sweep_##chain_name(void)	\
{									\
	swept[nr_swept++] = call_fn;					\
}									\
FIXTURE_VARIANT_ADD(chain, chain_name)					\
{									\
	.type = KSYNC_TYPE_MUTEX,					\
	.call = call_fn,						\
	__VA_ARGS__							\
}

#define RWLOCK		.type = KSYNC_TYPE_RWLOCK
#define WAITGROUP	.type = KSYNC_TYPE_WAITGROUP
#define SEM		.type = KSYNC_TYPE_SEM
#define TRACKED		SEM, .flags = KSYNC_F_TRACKED
#define EVENT		.type = KSYNC_TYPE_EVENT, .nr = 2

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"

FAILING(device_info, dev_info);
FAILING(create, create_one, .at_least = 4);
FAILING(create_large, create_many, .at_least = 3);
FAILING(create_with_full_table, create_one, .prepare = fill_table,
	.at_least = 5);
FAILING(open_creates, open_new, .at_least = 4);
FAILING(open_finds, open_old, .name = true, .at_least = 1);
FAILING(open_exclusive, open_taken, .name = true, .result = -EEXIST);
FAILING(unlink, unlink_old, .name = true);
FAILING(query, query_old, .name = true);
FAILING(list, list_first, .name = true);
FAILING(graph, show_graph, .prepare = take_mutex);
FAILING(graph_of_a_wait, show_graph, .prepare = wait_beside);
FAILING(cycle, show_cycle);
FAILING(thread, thread_line, .at_least = 3);
FAILING(info, obj_info);
FAILING(status, obj_status);
FAILING(wake, obj_wake, .prepare = take_mutex);
FAILING(thread_by_object, obj_thread, .at_least = 3);
FAILING(fdinfo, obj_fdinfo, .prepare = open_fdinfo, .at_least = 1);

FAILING(mutex_lock, lock, .undo = unlock, .at_least = 1);
FAILING(mutex_lock_sixth, lock, .nr = HOLDS, .prepare = hold_others,
	.undo = unlock, .at_least = 1);
FAILING(mutex_lock_fifo, lock, .flags = KSYNC_F_FIFO, .undo = unlock,
	.hold = lock, .let_go = unlock, .at_least = 1);
FAILING(mutex_lock_waits, lock, .undo = unlock, .hold = lock, .let_go = unlock,
	.at_least = 1);
FAILING(mutex_lock_late, lock_late, .undo = unlock, .at_least = 1);
FAILING(mutex_trylock, trylock, .undo = unlock, .at_least = 1);
FAILING(mutex_relock, lock, .flags = KSYNC_F_RECURSIVE, .prepare = take_mutex,
	.undo = unlock);
FAILING(mutex_unlock, unlock, .prepare = take_mutex, .undo = lock);
FAILING(mutex_consistent, repaired, .prepare = inherit, .lasting = true);

FAILING(rwlock_rdlock, rdlock, RWLOCK, .undo = rwunlock, .at_least = 1);
FAILING(rwlock_rdlock_sixth, rdlock, RWLOCK, .nr = HOLDS,
	.prepare = read_others, .undo = rwunlock, .at_least = 1);
FAILING(rwlock_rdlock_waits, rdlock, RWLOCK, .undo = rwunlock, .hold = wrlock,
	.let_go = rwunlock, .at_least = 1);
FAILING(rwlock_tryrdlock, tryrdlock, RWLOCK, .undo = rwunlock, .at_least = 1);
FAILING(rwlock_reread, rdlock, RWLOCK, .prepare = take_read, .undo = rwunlock);
FAILING(rwlock_wrlock, wrlock, RWLOCK, .undo = rwunlock, .at_least = 1);
FAILING(rwlock_wrlock_waits, wrlock, RWLOCK, .undo = rwunlock, .hold = rdlock,
	.let_go = rwunlock, .at_least = 1);
FAILING(rwlock_trywrlock, trywrlock, RWLOCK, .undo = rwunlock, .at_least = 1);
FAILING(rwlock_downgrade, downgrade, RWLOCK, .prepare = take_write,
	.undo = upgrade);
FAILING(rwlock_upgrade, upgrade, RWLOCK, .prepare = take_read,
	.undo = downgrade);
FAILING(rwlock_unlock, rwunlock, RWLOCK, .prepare = take_write, .undo = wrlock);
FAILING(rwlock_consistent, rwrepaired, RWLOCK, .prepare = inherit,
	.lasting = true);

FAILING(rwlock_slot, reader_slot, RWLOCK, .at_least = 4);

FAILING(waitgroup_add, wg_add, WAITGROUP, .undo = wg_done);
FAILING(waitgroup_wait, wg_wait, WAITGROUP);
FAILING(waitgroup_wait_waits, wg_wait, WAITGROUP, .hold = wg_add,
	.let_go = wg_done);
FAILING(waitgroup_bind, wg_bind, WAITGROUP, .prepare = add_member,
	.undo = wg_done, .lasting = true, .at_least = 2);

FAILING(sem_acquire, acquire, SEM, .undo = release);
FAILING(sem_acquire_waits, acquire, SEM, .undo = release, .hold = acquire,
	.let_go = release);
FAILING(sem_tryacquire, tryacquire, SEM, .undo = release);
FAILING(sem_release, release, SEM, .prepare = take_permit, .undo = acquire);
FAILING(sem_resize, resize, SEM, .undo = resize_back);
FAILING(tracked_acquire, acquire, TRACKED, .undo = release, .at_least = 2);
FAILING(tracked_acquire_waits, acquire, TRACKED, .undo = release,
	.hold = acquire, .let_go = release, .at_least = 2);
FAILING(tracked_tryacquire, tryacquire, TRACKED, .undo = release,
	.at_least = 2);
FAILING(tracked_release, release, TRACKED, .prepare = take_permit,
	.undo = acquire);

#define COND		.type = KSYNC_TYPE_COND
#define BARRIER		.type = KSYNC_TYPE_BARRIER
#define ONCE		.type = KSYNC_TYPE_ONCE

FAILING(cond_wait, wait_late, COND, .prepare = hold_a_mutex,
	.result = -ETIMEDOUT);
FAILING(cond_wait_cancelled, wait_unless, COND,
	.prepare = hold_a_mutex_set_token, .result = -ECANCELED);
FAILING(cond_signal, signal_one, COND);
FAILING(cond_broadcast, signal_all, COND);
FAILING(barrier_wait_alone, arrive, BARRIER, .result = 1, .at_least = 1);
FAILING(barrier_wait_cancelled, arrive_unless, BARRIER, .parties = 2,
	.prepare = set_token, .result = -ECANCELED, .lasting = true,
	.at_least = 1);
FAILING(barrier_join, join_it, BARRIER, .undo = leave, .lasting = true,
	.at_least = 1);
FAILING(barrier_leave, leave, BARRIER, .prepare = join_barrier,
	.undo = join_it, .lasting = true);
FAILING(barrier_reset, mend, BARRIER, .lasting = true);
FAILING(once_begin, begin, ONCE, .undo = abandon, .lasting = true,
	.at_least = 1);
FAILING(once_begin_waits, begin, ONCE, .undo = abandon, .hold = begin,
	.let_go = abandon, .given_up = 1, .lasting = true, .at_least = 1);
FAILING(once_begin_cancelled, begin_unless, ONCE, .prepare = set_token,
	.hold = begin, .let_go = abandon, .given_up = 1, .result = -ECANCELED,
	.lasting = true, .at_least = 1);
FAILING(once_begin_not_cancelled, begin_unless, ONCE, .prepare = have_token,
	.undo = abandon, .hold = begin, .let_go = abandon, .given_up = 1,
	.lasting = true, .at_least = 1);
FAILING(once_complete, complete, ONCE, .prepare = run_once, .lasting = true);
FAILING(once_abandon, abandon, ONCE, .prepare = run_once, .lasting = true);
FAILING(once_reset, undo_it, ONCE, .prepare = complete_once, .lasting = true);
FAILING(any, wait_any, .undo = unlock, .at_least = 3);
FAILING(any_waits, wait_any, .undo = unlock, .hold = lock,
	.let_go = unlock, .at_least = 3);
FAILING(all, wait_all, .undo = unlock, .at_least = 3);
FAILING(all_waits, wait_all, .undo = unlock, .hold = lock,
	.let_go = unlock, .at_least = 3);
FAILING(request, request_one, .undo = withdraw_one, .at_least = 3);
FAILING(claim, claim_one, .prepare = request_it, .undo = unlock,
	.lasting = true);
FAILING(event_set, set_it, EVENT, .undo = reset_it);
FAILING(event_reset, reset_it, EVENT, .prepare = set_event, .undo = set_it);
FAILING(event_wait_waits, wait_event, EVENT, .prepare = set_event,
	.hold = reset_it, .let_go = set_it);
FAILING(event_set_parent, tie, EVENT, .undo = untie, .at_least = 2);

#pragma GCC diagnostic pop

#endif /* UAPI_FAIL_CHAINS_H */
