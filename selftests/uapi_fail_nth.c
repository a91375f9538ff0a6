// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that is refused: every command is carried out with its first
 * allocation failing, then with its second, and so on until it gets through
 * without a failure. A thread of a new process does it each time, so that what
 * ksync makes for a thread or process on first use is made, too. After each:
 *
 *	- the command did all of it, or nothing with -ENOMEM;
 *	- done again, with memory, it works;
 *	- no descriptor and no object is left, and the state is what it was.
 */
#include "uapi_fail.h"

#define SWEEPS		4
#define PLENTY		2000	/* more allocations than any command does */
#define HOLDS		6	/* more than a thread has room for by itself */
#define MANY		(1U << 17)	/* cells that kmalloc is too small for */
#define TABLE		64	/* descriptors that a new process has room for */

/* What a call is made of: a device, an object, the peer's descriptor of itself. */
struct site {
	int dev;
	int fd;
	int pidfd;
	char name[64];
};

/* Of the last call with a failure. */
static struct shared {
	unsigned int left;
	int write_error;
} *shared;

static unsigned int nth;
static int fdinfo;

/* Peers run these. */

static int read_fdinfo(void)
{
	char text[4096];

	return pread(fdinfo, text, sizeof(text), 0) < 0 ? -errno : 0;
}

static int carry_out(struct call *c)
{
	return c->cmd ? call_run(c) : read_fdinfo();
}

static int carry_out_failing(struct call *c)
{
	struct call rehearsal = *c;
	int fail = fail_open(), ret;

	/* A new process gets its pages on first use: not to be counted. */
	rehearsal.fd = fail;
	fail_write(fail, 0);
	call_run(&rehearsal);
	shared->left = fail_read(fail);

	shared->write_error = fail < 0 ? -errno : fail_write(fail, nth);
	ret = carry_out(c);
	shared->left = fail_read(fail);
	fail_write(fail, 0);
	close(fail);
	return ret;
}

static int close_it(struct call *c)
{
	return close(c->fd) ? -errno : 0;
}

static int count_fds(struct call *c)
{
	int fd, n = 0;

	for (fd = 0; fd < 4 * TABLE; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

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

static int take_permit(struct call *c)
{
	return me(sem_tryacquire(c->fd, 1));
}

static int add_member(struct call *c)
{
	int ret = me(waitgroup_add(c->fd, 1));

	return ret ?: syscall(SYS_pidfd_open, getpid(), 0);
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
CALL(obj_info, info_call(s->fd))
CALL(obj_status, status_call(s->fd))
CALL(obj_fdinfo, basic_call(s->fd, 0))
CALL(lock, mutex_lock(s->fd, NEVER))
CALL(lock_late, mutex_lock(s->fd, LONG_AGO))
CALL(trylock, mutex_trylock(s->fd))
CALL(unlock, mutex_unlock(s->fd))
CALL(rdlock, rwlock_rdlock(s->fd, NEVER))
CALL(tryrdlock, rwlock_tryrdlock(s->fd))
CALL(wrlock, rwlock_wrlock(s->fd, NEVER))
CALL(trywrlock, rwlock_trywrlock(s->fd))
CALL(rwunlock, rwlock_unlock(s->fd))
CALL(downgrade, rwlock_downgrade(s->fd))
CALL(upgrade, rwlock_upgrade(s->fd))
CALL(wg_add, waitgroup_add(s->fd, 1))
CALL(wg_done, waitgroup_add(s->fd, -1))
CALL(wg_wait, waitgroup_wait(s->fd, NEVER))
CALL(wg_bind, waitgroup_bind(s->fd, s->pidfd))
CALL(acquire, sem_acquire(s->fd, 1, NEVER))
CALL(tryacquire, sem_tryacquire(s->fd, 1))
CALL(release, sem_release(s->fd, 1))
CALL(resize, sem_resize(s->fd, 9))
CALL(resize_back, sem_resize(s->fd, 1))
CALL(request_one, request(s->fd, 0, 0, KSYNC_KEEP_MAX))
CALL(withdraw_one, withdraw(s->fd))
CALL(tie, at(1, event_set_parent(s->fd, s->fd, 0)))
CALL(untie, at(1, event_set_parent(s->fd, KSYNC_NO_FD, 0)))

/* The items are where the peer finds them as well. */
static struct call many(const struct site *s, __u32 flags)
{
	struct ksync_wait_item *items = (void *)((char *)shared + 2048);

	items[0] = (struct ksync_wait_item){ .fd = s->fd };
	return many_wait(s->dev, items, 1, flags, NEVER);
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
 * what it did is undone by @undo (by
 * closing what it opened, without). With @hold and @let_go the test sees to it
 * that the peer must wait. At least @at_least allocations are made, or else
 * the sweep itself does not work.
 */
FIXTURE_VARIANT(chain)
{
	__u32 type, flags, nr;
	bool name;
	peer_fn prepare;
	struct call (*hold)(const struct site *s);
	struct call (*let_go)(const struct site *s);
	struct call (*call)(const struct site *s);
	struct call (*undo)(const struct site *s);
	int result;
	unsigned int at_least;
};

FIXTURE_SETUP(chain)
{
	shared = shared_page();
	ASSERT_NE(NULL, shared);
	self->site.dev = device_open();
	ASSERT_LE(0, self->site.dev);
	snprintf(self->site.name, sizeof(self->site.name), "uapi-fail-%d",
		 getpid());
}

FIXTURE_TEARDOWN(chain)
{
	munmap(shared, 4096);
	close(self->site.dev);
}

#define FAILING(chain_name, ...)						\
FIXTURE_VARIANT_ADD(chain, chain_name)					\
{									\
	.type = KSYNC_TYPE_MUTEX,					\
	__VA_ARGS__							\
}

#define RWLOCK		.type = KSYNC_TYPE_RWLOCK
#define WAITGROUP	.type = KSYNC_TYPE_WAITGROUP
#define SEM		.type = KSYNC_TYPE_SEM
#define TRACKED		SEM, .flags = KSYNC_F_TRACKED
#define EVENT		.type = KSYNC_TYPE_EVENT, .nr = 2

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"

FAILING(device_info, .call = dev_info);
FAILING(create, .call = create_one, .at_least = 4);
FAILING(create_large, .call = create_many, .at_least = 3);
FAILING(create_with_full_table, .prepare = fill_table, .call = create_one,
	.at_least = 5);
FAILING(open_creates, .call = open_new, .at_least = 4);
FAILING(open_finds, .name = true, .call = open_old, .at_least = 1);
FAILING(open_exclusive, .name = true, .call = open_taken, .result = -EEXIST);
FAILING(unlink, .name = true, .call = unlink_old);
FAILING(query, .name = true, .call = query_old);
FAILING(list, .name = true, .call = list_first);
FAILING(info, .call = obj_info);
FAILING(status, .call = obj_status);
FAILING(fdinfo, .prepare = open_fdinfo, .call = obj_fdinfo, .at_least = 1);

FAILING(mutex_lock, .call = lock, .undo = unlock, .at_least = 1);
FAILING(mutex_lock_sixth, .nr = HOLDS, .prepare = hold_others, .call = lock,
	.undo = unlock, .at_least = 1);
FAILING(mutex_lock_fifo, .flags = KSYNC_F_FIFO, .call = lock, .undo = unlock,
	.hold = lock, .let_go = unlock, .at_least = 1);
FAILING(mutex_lock_waits, .call = lock, .undo = unlock, .hold = lock,
	.let_go = unlock, .at_least = 1);
FAILING(mutex_lock_late, .call = lock_late, .undo = unlock, .at_least = 1);
FAILING(mutex_trylock, .call = trylock, .undo = unlock, .at_least = 1);
FAILING(mutex_relock, .flags = KSYNC_F_RECURSIVE, .prepare = take_mutex,
	.call = lock, .undo = unlock);
FAILING(mutex_unlock, .prepare = take_mutex, .call = unlock, .undo = lock);

FAILING(rwlock_rdlock, RWLOCK, .call = rdlock, .undo = rwunlock, .at_least = 1);
FAILING(rwlock_rdlock_sixth, RWLOCK, .nr = HOLDS, .prepare = read_others,
	.call = rdlock, .undo = rwunlock, .at_least = 1);
FAILING(rwlock_rdlock_waits, RWLOCK, .call = rdlock, .undo = rwunlock,
	.hold = wrlock, .let_go = rwunlock, .at_least = 1);
FAILING(rwlock_tryrdlock, RWLOCK, .call = tryrdlock, .undo = rwunlock,
	.at_least = 1);
FAILING(rwlock_reread, RWLOCK, .prepare = take_read, .call = rdlock,
	.undo = rwunlock);
FAILING(rwlock_wrlock, RWLOCK, .call = wrlock, .undo = rwunlock, .at_least = 1);
FAILING(rwlock_wrlock_waits, RWLOCK, .call = wrlock, .undo = rwunlock,
	.hold = rdlock, .let_go = rwunlock, .at_least = 1);
FAILING(rwlock_trywrlock, RWLOCK, .call = trywrlock, .undo = rwunlock,
	.at_least = 1);
FAILING(rwlock_downgrade, RWLOCK, .prepare = take_write, .call = downgrade,
	.undo = upgrade);
FAILING(rwlock_upgrade, RWLOCK, .prepare = take_read, .call = upgrade,
	.undo = downgrade);
FAILING(rwlock_unlock, RWLOCK, .prepare = take_write, .call = rwunlock,
	.undo = wrlock);

FAILING(waitgroup_add, WAITGROUP, .call = wg_add, .undo = wg_done);
FAILING(waitgroup_wait, WAITGROUP, .call = wg_wait);
FAILING(waitgroup_wait_waits, WAITGROUP, .call = wg_wait, .hold = wg_add,
	.let_go = wg_done);
FAILING(waitgroup_bind, WAITGROUP, .prepare = add_member, .call = wg_bind,
	.undo = wg_done, .at_least = 2);

FAILING(sem_acquire, SEM, .call = acquire, .undo = release);
FAILING(sem_acquire_waits, SEM, .call = acquire, .undo = release,
	.hold = acquire, .let_go = release);
FAILING(sem_tryacquire, SEM, .call = tryacquire, .undo = release);
FAILING(sem_release, SEM, .prepare = take_permit, .call = release,
	.undo = acquire);
FAILING(sem_resize, SEM, .call = resize, .undo = resize_back);
FAILING(tracked_acquire, TRACKED, .call = acquire, .undo = release,
	.at_least = 2);
FAILING(tracked_acquire_waits, TRACKED, .call = acquire, .undo = release,
	.hold = acquire, .let_go = release, .at_least = 2);
FAILING(tracked_tryacquire, TRACKED, .call = tryacquire, .undo = release,
	.at_least = 2);
FAILING(tracked_release, TRACKED, .prepare = take_permit, .call = release,
	.undo = acquire);

FAILING(any, .call = wait_any, .undo = unlock, .at_least = 3);
FAILING(any_waits, .call = wait_any, .undo = unlock, .hold = lock,
	.let_go = unlock, .at_least = 3);
FAILING(all, .call = wait_all, .undo = unlock, .at_least = 3);
FAILING(all_waits, .call = wait_all, .undo = unlock, .hold = lock,
	.let_go = unlock, .at_least = 3);
FAILING(request, .call = request_one, .undo = withdraw_one, .at_least = 3);
FAILING(event_set_parent, EVENT, .call = tie, .undo = untie, .at_least = 2);

#pragma GCC diagnostic pop

static int site_object(const struct site *s, const FIXTURE_VARIANT(chain) * v)
{
	struct call c = create_call(s->dev, v->type, v->flags, v->nr ?: 1);

	if (v->name)
		return open_name(s->dev, s->name, v->type, KSYNC_OPEN_CREATE,
				 0600);
	if (v->type == KSYNC_TYPE_SEM)
		return create_sem(s->dev, v->flags, 1, 1);
	return call_run(&c) ?: c.arg.create.fd;
}

/* What must be as before when all was undone. */
static bool same_state(int fd, const struct ksync_primitive_status *before)
{
	struct ksync_primitive_status now = status(fd);

	return now.value == before->value && now.max == before->max &&
	       now.readers == before->readers && now.flags == before->flags &&
	       now.deaths == before->deaths && now.lost == before->lost &&
	       !now.waiters_exclusive && !now.waiters_shared;
}

static bool new_fd(const struct call *c, const union uapi_args *out, int *fd)
{
	if (c->cmd == KSYNC_IOC_DEV_CREATE)
		*fd = out->create.fd;
	else if (c->cmd == KSYNC_IOC_DEV_OPEN)
		*fd = out->open.fd;
	else
		return false;
	return true;
}

static bool waits_or_ended(struct peer *p, int fd)
{
	struct ksync_primitive_status st = status(fd);

	return st.waiters_exclusive || st.waiters_shared || !silent(p);
}

/* The peer's call, its result. With @hold, it is let go when it waits. */
static int peer_does(struct peer *p, const FIXTURE_VARIANT(chain) * v,
		     const struct site *s, peer_fn fn)
{
	if (v->hold && me(v->hold(s)))
		return -EPROTO;
	start_fn(p, fn, v->call(s));
	if (v->hold) {
		if (!UNTIL(waits_or_ended(p, s->fd)))
			return -EPROTO;
		if (me(v->let_go(s)))
			return -EPROTO;
	}
	return answer(p);
}

static int undo(struct peer *p, const FIXTURE_VARIANT(chain) * v,
		const struct site *s)
{
	struct call c = v->call(s);
	int fd;

	if (new_fd(&c, &p->out, &fd)) {
		start_fn(p, close_it, basic_call(fd, 0));
		return answer(p);
	}
	return v->undo ? ask(p, v->undo(s)) : 0;
}

/* One attempt. 1: nothing failed in it, 0: something did, otherwise an error. */
static int attempt(struct __test_metadata *_metadata, FIXTURE_DATA(chain) * self,
		   const FIXTURE_VARIANT(chain) * variant)
{
	__u32 objects = device_info(self->site.dev).objects;
	struct site *s = &self->site;
	struct peer *p = &self->p;
	struct ksync_primitive_status before;
	int fds, ret;
	bool unfailed;

	s->fd = site_object(s, variant);
	ASSERT_LE(0, s->fd);
	ASSERT_EQ(0, peer_fork(p));
	if (variant->prepare) {
		start_fn(p, variant->prepare, basic_call(s->fd, 0));
		s->pidfd = answer(p);
		ASSERT_LE(0, s->pidfd);
	}
	before = status(s->fd);
	fds = ask_fn(p, count_fds);
	ASSERT_LT(0, fds);

	shared->left = 0;
	ret = peer_does(p, variant, s, carry_out_failing);
	ASSERT_EQ(0, shared->write_error);
	unfailed = shared->left;
	if (ret == -ENOMEM && variant->result != -ENOMEM) {
		ASSERT_FALSE(unfailed);
		self->failures++;
		EXPECT_EQ(fds, ask_fn(p, count_fds));
		EXPECT_EQ(objects + 1, device_info(s->dev).objects);
		EXPECT_TRUE(same_state(s->fd, &before));
		ret = peer_does(p, variant, s, carry_out);
	}
	ASSERT_EQ(variant->result, ret);
	if (!ret)
		ASSERT_EQ(0, undo(p, variant, s));
	EXPECT_EQ(fds, ask_fn(p, count_fds));
	EXPECT_EQ(objects + 1, device_info(s->dev).objects);
	EXPECT_TRUE(variant->call == wg_bind || same_state(s->fd, &before));

	peer_end(p);
	close(s->fd);
	EXPECT_TRUE(UNTIL(device_info(s->dev).objects == objects));
	return unfailed;
}

TEST_F_TIMEOUT(chain, survives_every_failure, 300)
{
	unsigned int sweeps = 0;
	bool unfailed;

	/* The kernel's own allocations vary; one of ours may be stepped over. */
	do {
		unfailed = false;
		for (nth = 1; !unfailed && nth < PLENTY; nth++) {
			unfailed = attempt(_metadata, self, variant);
			if (!__test_passed(_metadata))
				TH_LOG("with allocation %u failing", nth);
			ASSERT_TRUE(__test_passed(_metadata));
		}
		ASSERT_TRUE(unfailed);
	} while (++sweeps < SWEEPS && self->failures < variant->at_least);
	EXPECT_LE(variant->at_least, self->failures);
	TH_LOG("%u allocations, %u of ours failed", nth - 2, self->failures);
}

/* A death has nobody to tell of a failure: there must be none. */
static int die_failing(struct call *c)
{
	fail_write(fail_open(), nth);
	_exit(0);
}

TEST(death_is_seen_without_memory)
{
	int dev = device_open(), fd, sem;
	struct peer p;

	ASSERT_LE(0, dev);
	for (nth = 1; nth <= 16; nth++) {
		fd = create(dev, KSYNC_TYPE_MUTEX, 0, HOLDS);
		sem = create_sem(dev, KSYNC_F_TRACKED, 1, 1);
		ASSERT_LE(0, fd);
		ASSERT_LE(0, sem);
		ASSERT_EQ(0, peer_fork(&p));
		ASSERT_EQ(0, ask(&p, mutex_trylock(fd)));
		start_fn(&p, hold_others, basic_call(fd, 0));
		ASSERT_EQ(0, answer(&p));
		ASSERT_EQ(0, ask(&p, sem_tryacquire(sem, 1)));
		ASSERT_EQ(PEER_GONE, ask_fn(&p, die_failing));
		EXPECT_EQ(-EOWNERDEAD, me(mutex_lock(fd, soon())));
		EXPECT_EQ(-EOWNERDEAD, me(at(HOLDS - 1, mutex_lock(fd, soon()))));
		EXPECT_EQ(0, me(sem_acquire(sem, 1, soon())));
		EXPECT_EQ(1, status(sem).lost);
		peer_reap(&p);
		close(sem);
		close(fd);
	}
	close(dev);
}

int main(int argc, char **argv)
{
	require_failslab();
	require_device();
	return test_harness_run(argc, argv);
}
