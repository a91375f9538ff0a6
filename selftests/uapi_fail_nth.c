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
#include "uapi_fail_chains.h"

#define SWEEPS		4
#define PLENTY		2000	/* more allocations than any command does */

/* Of the last call with a failure. */
static struct shared {
	unsigned int left;
	int write_error;
} *shared;

static unsigned int nth;

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

FIXTURE_SETUP(chain)
{
	shared = shared_page();
	ASSERT_NE(NULL, shared);
	self->site.dev = device_open();
	self->site.items = (void *)((char *)shared + 1024);
	self->site.edges = (void *)((char *)shared + 2048);
	ASSERT_LE(0, self->site.dev);
	snprintf(self->site.name, sizeof(self->site.name), "uapi-fail-%d",
		 getpid());
}

FIXTURE_TEARDOWN(chain)
{
	munmap(shared, 4096);
	close(self->site.dev);
}

static int site_object(const struct site *s, const FIXTURE_VARIANT(chain) * v)
{
	struct call c = create_call(s->dev, v->type, v->flags, v->nr ?: 1);

	if (v->name)
		return open_name(s->dev, s->name, v->type, KSYNC_OPEN_CREATE,
				 0600);
	if (v->type == KSYNC_TYPE_SEM)
		return create_sem(s->dev, v->flags, 1, 1);
	if (v->type == KSYNC_TYPE_BARRIER)
		c.arg.create.max = v->parties ?: 1;
	return call_run(&c) ?: c.arg.create.fd;
}

/* What must be as before when all was undone. */
static bool same_state(int fd, const struct ksync_primitive_status *before)
{
	struct ksync_primitive_status now = status(fd);

	return now.value == before->value && now.max == before->max &&
	       now.readers == before->readers && now.flags == before->flags &&
	       now.deaths == before->deaths && now.lost == before->lost &&
	       now.waiters_exclusive == before->waiters_exclusive &&
	       now.waiters_shared == before->waiters_shared;
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
	__u32 objects = device_info(self->site.dev).objects, prepared;
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
	prepared = device_info(s->dev).objects;
	before = status(s->fd);
	fds = ask_fn(p, count_fds);
	ASSERT_LT(0, fds);

	shared->left = 0;
	ret = peer_does(p, variant, s, carry_out_failing);
	ASSERT_EQ(0, shared->write_error);
	before.lost += variant->given_up;
	unfailed = shared->left;
	if (ret == -ENOMEM && variant->result != -ENOMEM) {
		ASSERT_FALSE(unfailed);
		self->failures++;
		EXPECT_EQ(fds, ask_fn(p, count_fds));
		EXPECT_EQ(prepared, device_info(s->dev).objects);
		EXPECT_TRUE(same_state(s->fd, &before));
		ret = peer_does(p, variant, s, carry_out);
	}
	ASSERT_EQ(variant->result, ret);
	if (!ret)
		ASSERT_EQ(0, undo(p, variant, s));
	EXPECT_EQ(fds, ask_fn(p, count_fds));
	EXPECT_EQ(prepared, device_info(s->dev).objects);
	EXPECT_TRUE(variant->lasting || same_state(s->fd, &before));

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

TEST(every_command_is_swept)
{
	struct ksync_wait_item item;
	const struct site nowhere = {
		.dev = -1, .fd = -1, .pidfd = -1, .items = &item
	};
	const struct command *k;
	struct call c;
	int i;

	FOR_EACH(k) {
		for (i = 0; i < nr_swept; i++) {
			c = swept[i](&nowhere);
			if (c.cmd == k->cmd)
				break;
		}
		EXPECT_LT(i, nr_swept)
			TH_LOG("%s is not in uapi_fail_chains.h", k->name);
	}
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

/* Who reads by its slot could not give that up, if it did not find it again. */
TEST(slot_is_found_again_without_memory)
{
	int dev = device_open(), fd, fail = fail_open(), ret;
	union uapi_args first, again;
	struct call get;

	ASSERT_LE(0, dev);
	ASSERT_LE(0, fail);
	fd = create(dev, KSYNC_TYPE_RWLOCK, 0, 1);
	ASSERT_LE(0, fd);
	get = basic_call(fd, KSYNC_IOC_RWLOCK_SLOT);
	ASSERT_EQ(0, me_out(get, &first));
	fail_write(fail, 1);
	ret = me_out(get, &again);
	fail_write(fail, 0);
	EXPECT_EQ(0, ret);
	EXPECT_EQ(first.slot.nr, again.slot.nr);
	close(fail);
	close(fd);
	close(dev);
}

int main(int argc, char **argv)
{
	require_failslab();
	require_device();
	return test_harness_run(argc, argv);
}
