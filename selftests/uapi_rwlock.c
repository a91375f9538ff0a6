// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reader-writer locks through the raw interface: every command, who keeps whom
 * out, who comes in first, and every errno. The roads to death are in
 * uapi_death.c.
 */
#include "uapi_peer.h"

FIXTURE(rw)
{
	int dev;
	int fd;
	struct peer a, b, c, d;
};

FIXTURE_VARIANT(rw)
{
	__u32 flags;
};

FIXTURE_VARIANT_ADD(rw, plain)
{
	.flags = 0,
};

FIXTURE_VARIANT_ADD(rw, guarded)
{
	.flags = KSYNC_F_GUARDED,
};

FIXTURE_SETUP(rw)
{
	self->dev = device_open();
	ASSERT_LE(0, self->dev);
	self->fd = create(self->dev, KSYNC_TYPE_RWLOCK, variant->flags, 2);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, peer_fork(&self->a));
	ASSERT_EQ(0, peer_fork(&self->b));
	ASSERT_EQ(0, peer_fork(&self->c));
	ASSERT_EQ(0, peer_fork(&self->d));
}

FIXTURE_TEARDOWN(rw)
{
	peers_end();
	close(self->fd);
	close(self->dev);
}

static int write_and_die(int fd, struct peer *victim)
{
	int ret = ask(victim, rwlock_wrlock(fd, NEVER));

	if (!ret)
		peer_kill(victim);
	return ret;
}

TEST_F(rw, readers_share)
{
	ASSERT_EQ(0, me(rwlock_rdlock(self->fd, NEVER)));
	EXPECT_EQ(0, ask(&self->a, rwlock_rdlock(self->fd, NEVER)));
	EXPECT_EQ(0, ask(&self->b, rwlock_tryrdlock(self->fd)));
	EXPECT_EQ(3, status(self->fd).readers);
	EXPECT_EQ(-EBUSY, ask(&self->c, rwlock_trywrlock(self->fd)));
	EXPECT_EQ(-ETIMEDOUT, ask(&self->c, rwlock_wrlock(self->fd, LONG_AGO)));
	EXPECT_EQ(0, me(rwlock_unlock(self->fd)));
	EXPECT_EQ(0, ask(&self->a, rwlock_unlock(self->fd)));
	EXPECT_EQ(-EBUSY, ask(&self->c, rwlock_trywrlock(self->fd)));
	EXPECT_EQ(0, ask(&self->b, rwlock_unlock(self->fd)));
	EXPECT_EQ(0, status(self->fd).readers);
	EXPECT_EQ(0, ask(&self->c, rwlock_trywrlock(self->fd)));
}

TEST_F(rw, writer_excludes)
{
	ASSERT_EQ(0, me(rwlock_wrlock(self->fd, NEVER)));
	EXPECT_EQ(-EBUSY, ask(&self->a, rwlock_tryrdlock(self->fd)));
	EXPECT_EQ(-EBUSY, ask(&self->a, rwlock_trywrlock(self->fd)));
	EXPECT_EQ(-ETIMEDOUT, ask(&self->a, rwlock_rdlock(self->fd, LONG_AGO)));
	EXPECT_EQ(-ETIMEDOUT, ask(&self->a, rwlock_wrlock(self->fd, LONG_AGO)));
	start(&self->a, rwlock_rdlock(self->fd, NEVER));
	ASSERT_TRUE(queued(self->fd, 0, 1));
	start(&self->b, rwlock_wrlock(self->fd, NEVER));
	ASSERT_TRUE(queued(self->fd, 1, 1));
	EXPECT_TRUE(silent(&self->a));
	EXPECT_TRUE(silent(&self->b));
	EXPECT_EQ(0, ask(&self->c, at(1, rwlock_trywrlock(self->fd))));
	ASSERT_EQ(0, me(rwlock_unlock(self->fd)));
	EXPECT_EQ(0, answer(&self->a));
	EXPECT_TRUE(silent(&self->b));
	ASSERT_EQ(0, ask(&self->a, rwlock_unlock(self->fd)));
	EXPECT_EQ(0, answer(&self->b));
	EXPECT_EQ(self->b.pid, status(self->fd).holder_pid);
}

TEST_F(rw, unlock_unlocked)
{
	EXPECT_EQ(-EPERM, me(rwlock_unlock(self->fd)));
	ASSERT_EQ(0, me(rwlock_rdlock(self->fd, NEVER)));
	ASSERT_EQ(0, me(rwlock_unlock(self->fd)));
	EXPECT_EQ(-EPERM, me(rwlock_unlock(self->fd)));
	ASSERT_EQ(0, me(rwlock_wrlock(self->fd, NEVER)));
	ASSERT_EQ(0, me(rwlock_unlock(self->fd)));
	EXPECT_EQ(-EPERM, me(rwlock_unlock(self->fd)));
	EXPECT_EQ(0, status(self->fd).readers);
}

TEST_F(rw, unlock_foreign)
{
	struct peer thread;

	ASSERT_EQ(0, peer_thread(&thread));
	ASSERT_EQ(0, me(rwlock_rdlock(self->fd, NEVER)));
	EXPECT_EQ(-EPERM, ask(&self->a, rwlock_unlock(self->fd)));
	EXPECT_EQ(-EPERM, ask(&thread, rwlock_unlock(self->fd)));
	EXPECT_EQ(1, status(self->fd).readers);
	ASSERT_EQ(0, me(rwlock_unlock(self->fd)));
	ASSERT_EQ(0, me(rwlock_wrlock(self->fd, NEVER)));
	EXPECT_EQ(-EPERM, ask(&self->a, rwlock_unlock(self->fd)));
	EXPECT_EQ(-EPERM, ask(&thread, rwlock_unlock(self->fd)));
	EXPECT_EQ(getpid(), status(self->fd).holder_pid);
	ASSERT_EQ(0, me(rwlock_unlock(self->fd)));
	peer_end(&thread);
}

TEST_F(rw, lock_twice)
{
	ASSERT_EQ(0, me(rwlock_wrlock(self->fd, NEVER)));
	EXPECT_EQ(-EDEADLK, me(rwlock_wrlock(self->fd, NEVER)));
	EXPECT_EQ(-EDEADLK, me(rwlock_rdlock(self->fd, NEVER)));
	EXPECT_EQ(-EDEADLK, me(rwlock_wrlock(self->fd, LONG_AGO)));
	EXPECT_EQ(-EBUSY, me(rwlock_trywrlock(self->fd)));
	EXPECT_EQ(-EBUSY, me(rwlock_tryrdlock(self->fd)));
	EXPECT_EQ(0, me(rwlock_unlock(self->fd)));
	EXPECT_EQ(-EPERM, me(rwlock_unlock(self->fd)));
}

TEST_F(rw, reads_are_counted)
{
	int i;

	for (i = 1; i <= 10; i++) {
		ASSERT_EQ(0, me(i & 1 ? rwlock_rdlock(self->fd, NEVER) :
				rwlock_tryrdlock(self->fd)));
		EXPECT_EQ(i, status(self->fd).readers);
	}
	while (--i) {
		EXPECT_EQ(-EBUSY, ask(&self->a, rwlock_trywrlock(self->fd)));
		ASSERT_EQ(0, me(rwlock_unlock(self->fd)));
	}
	EXPECT_EQ(0, ask(&self->a, rwlock_trywrlock(self->fd)));
}

/* A waiting writer keeps new readers out, but not those that read already. */
TEST_F(rw, read_recursive)
{
	ASSERT_EQ(0, me(rwlock_rdlock(self->fd, NEVER)));
	start(&self->a, rwlock_wrlock(self->fd, NEVER));
	ASSERT_TRUE(queued(self->fd, 1, 0));
	EXPECT_EQ(-EBUSY, ask(&self->b, rwlock_tryrdlock(self->fd)));
	start(&self->b, rwlock_rdlock(self->fd, NEVER));
	ASSERT_TRUE(queued(self->fd, 1, 1));
	EXPECT_EQ(0, me(rwlock_rdlock(self->fd, soon())));
	EXPECT_EQ(0, me(rwlock_tryrdlock(self->fd)));
	EXPECT_EQ(3, status(self->fd).readers);
	EXPECT_TRUE(silent(&self->b));
	ASSERT_EQ(0, me(rwlock_unlock(self->fd)));
	ASSERT_EQ(0, me(rwlock_unlock(self->fd)));
	EXPECT_TRUE(silent(&self->a));
	ASSERT_EQ(0, me(rwlock_unlock(self->fd)));
	EXPECT_EQ(0, answer(&self->a));
	EXPECT_TRUE(silent(&self->b));
	ASSERT_EQ(0, ask(&self->a, rwlock_unlock(self->fd)));
	EXPECT_EQ(0, answer(&self->b));
}

/* A writer waits for the present readers only. */
TEST_F(rw, starve_writer)
{
	ASSERT_EQ(0, ask(&self->a, rwlock_rdlock(self->fd, NEVER)));
	ASSERT_EQ(0, ask(&self->b, rwlock_rdlock(self->fd, NEVER)));
	start(&self->c, rwlock_wrlock(self->fd, NEVER));
	ASSERT_TRUE(queued(self->fd, 1, 0));
	ASSERT_EQ(0, ask(&self->a, rwlock_unlock(self->fd)));
	start(&self->a, rwlock_rdlock(self->fd, NEVER));
	ASSERT_TRUE(queued(self->fd, 1, 1));
	ASSERT_EQ(0, ask(&self->b, rwlock_unlock(self->fd)));
	EXPECT_EQ(0, answer(&self->c));
	EXPECT_TRUE(silent(&self->a));
	EXPECT_EQ(self->c.pid, status(self->fd).holder_pid);
}

/* A finishing writer lets in every reader that waited, before a writer. */
TEST_F(rw, starve_reader)
{
	ASSERT_EQ(0, me(rwlock_wrlock(self->fd, NEVER)));
	start(&self->a, rwlock_wrlock(self->fd, NEVER));
	ASSERT_TRUE(queued(self->fd, 1, 0));
	start(&self->b, rwlock_rdlock(self->fd, NEVER));
	ASSERT_TRUE(queued(self->fd, 1, 1));
	start(&self->c, rwlock_rdlock(self->fd, NEVER));
	ASSERT_TRUE(queued(self->fd, 1, 2));
	ASSERT_EQ(0, me(rwlock_unlock(self->fd)));
	EXPECT_EQ(0, answer(&self->b));
	EXPECT_EQ(0, answer(&self->c));
	EXPECT_TRUE(silent(&self->a));
	EXPECT_EQ(2, status(self->fd).readers);
	/* New ones stay behind the writer that waits. */
	EXPECT_EQ(-EBUSY, ask(&self->d, rwlock_tryrdlock(self->fd)));
	ASSERT_EQ(0, ask(&self->b, rwlock_unlock(self->fd)));
	ASSERT_EQ(0, ask(&self->c, rwlock_unlock(self->fd)));
	EXPECT_EQ(0, answer(&self->a));
}

/* When the writer that kept readers out gives up, they come in. */
TEST_F(rw, writer_times_out)
{
	ASSERT_EQ(0, me(rwlock_rdlock(self->fd, NEVER)));
	start(&self->a, rwlock_wrlock(self->fd, in_ms(300)));
	ASSERT_TRUE(queued(self->fd, 1, 0));
	start(&self->b, rwlock_rdlock(self->fd, NEVER));
	start(&self->c, rwlock_rdlock(self->fd, NEVER));
	EXPECT_EQ(-ETIMEDOUT, answer(&self->a));
	EXPECT_EQ(0, answer(&self->b));
	EXPECT_EQ(0, answer(&self->c));
	EXPECT_EQ(3, status(self->fd).readers);
	EXPECT_EQ(0, ask(&self->d, rwlock_tryrdlock(self->fd)));
}

TEST_F(rw, deadlines)
{
	__u64 deadline = in_ms(20);

	ASSERT_EQ(0, me(rwlock_wrlock(self->fd, LONG_AGO)));
	EXPECT_EQ(-ETIMEDOUT, ask(&self->a, rwlock_rdlock(self->fd, deadline)));
	EXPECT_LE(deadline, now_ns());
	deadline = in_ms(20);
	EXPECT_EQ(-ETIMEDOUT, ask(&self->a, rwlock_wrlock(self->fd, deadline)));
	EXPECT_LE(deadline, now_ns());
	start(&self->a, rwlock_rdlock(self->fd, soon()));
	start(&self->b, rwlock_rdlock(self->fd, NEVER - 1));
	ASSERT_TRUE(queued(self->fd, 0, 2));
	ASSERT_EQ(0, me(rwlock_unlock(self->fd)));
	EXPECT_EQ(0, answer(&self->a));
	EXPECT_EQ(0, answer(&self->b));
	EXPECT_EQ(0, me(rwlock_rdlock(self->fd, LONG_AGO)));
}

TEST_F(rw, timeout_race)
{
	int i, ret;

	for (i = 0; i < 40; i++) {
		ASSERT_EQ(0, me(rwlock_rdlock(self->fd, soon())));
		start(&self->a, rwlock_wrlock(self->fd, now_ns() + i * 8000));
		start(&self->b, rwlock_rdlock(self->fd, NEVER));
		ASSERT_EQ(0, me(rwlock_unlock(self->fd)));
		ret = answer(&self->a);
		if (ret != -ETIMEDOUT) {
			ASSERT_EQ(0, ret);
			ASSERT_EQ(0, ask(&self->a, rwlock_unlock(self->fd)));
		}
		ASSERT_EQ(0, answer(&self->b));
		ASSERT_EQ(0, ask(&self->b, rwlock_unlock(self->fd)));
		ASSERT_EQ(0, status(self->fd).readers);
	}
}

TEST_F(rw, downgrade)
{
	EXPECT_EQ(-EPERM, me(rwlock_downgrade(self->fd)));
	ASSERT_EQ(0, me(rwlock_rdlock(self->fd, NEVER)));
	EXPECT_EQ(-EPERM, me(rwlock_downgrade(self->fd)));
	ASSERT_EQ(0, me(rwlock_unlock(self->fd)));
	ASSERT_EQ(0, me(rwlock_wrlock(self->fd, NEVER)));
	EXPECT_EQ(-EPERM, ask(&self->a, rwlock_downgrade(self->fd)));
	start(&self->a, rwlock_wrlock(self->fd, NEVER));
	ASSERT_TRUE(queued(self->fd, 1, 0));
	start(&self->b, rwlock_rdlock(self->fd, NEVER));
	ASSERT_TRUE(queued(self->fd, 1, 1));
	ASSERT_EQ(0, me(rwlock_downgrade(self->fd)));
	EXPECT_EQ(0, answer(&self->b));
	EXPECT_EQ(2, status(self->fd).readers);
	EXPECT_EQ(0, status(self->fd).value);
	EXPECT_EQ(0, status(self->fd).holder_id);
	EXPECT_TRUE(silent(&self->a));
	ASSERT_EQ(0, me(rwlock_unlock(self->fd)));
	EXPECT_EQ(-EPERM, me(rwlock_unlock(self->fd)));
	EXPECT_TRUE(silent(&self->a));
	ASSERT_EQ(0, ask(&self->b, rwlock_unlock(self->fd)));
	EXPECT_EQ(0, answer(&self->a));
}

TEST_F(rw, upgrade)
{
	__u64 token;

	EXPECT_EQ(-EPERM, me(rwlock_upgrade(self->fd)));
	ASSERT_EQ(0, me(rwlock_rdlock(self->fd, NEVER)));
	EXPECT_EQ(-EDEADLK, me(rwlock_wrlock(self->fd, NEVER)));
	EXPECT_EQ(-EBUSY, me(rwlock_trywrlock(self->fd)));
	token = status(self->fd).token;
	ASSERT_EQ(0, me(rwlock_upgrade(self->fd)));
	EXPECT_EQ(token + 1, status(self->fd).token);
	EXPECT_EQ(0, status(self->fd).readers);
	EXPECT_EQ(getpid(), status(self->fd).holder_pid);
	EXPECT_EQ(-EBUSY, ask(&self->a, rwlock_tryrdlock(self->fd)));
	EXPECT_EQ(-EPERM, me(rwlock_upgrade(self->fd)));
	EXPECT_EQ(-EPERM, ask(&self->a, rwlock_upgrade(self->fd)));
	ASSERT_EQ(0, me(rwlock_unlock(self->fd)));
	EXPECT_EQ(-EPERM, me(rwlock_unlock(self->fd)));
}

TEST_F(rw, upgrade_of_one_among_several)
{
	ASSERT_EQ(0, me(rwlock_rdlock(self->fd, NEVER)));
	ASSERT_EQ(0, ask(&self->a, rwlock_rdlock(self->fd, NEVER)));
	EXPECT_EQ(-EBUSY, me(rwlock_upgrade(self->fd)));
	EXPECT_EQ(2, status(self->fd).readers);
	ASSERT_EQ(0, ask(&self->a, rwlock_unlock(self->fd)));
	ASSERT_EQ(0, me(rwlock_rdlock(self->fd, NEVER)));
	EXPECT_EQ(-EBUSY, me(rwlock_upgrade(self->fd)));
	EXPECT_EQ(2, status(self->fd).readers);
	ASSERT_EQ(0, me(rwlock_unlock(self->fd)));
	EXPECT_EQ(-EPERM, ask(&self->a, rwlock_upgrade(self->fd)));
	EXPECT_EQ(0, me(rwlock_upgrade(self->fd)));
}

/* Those that wait do not hinder it: they hold nothing. */
TEST_F(rw, upgrade_before_waiters)
{
	ASSERT_EQ(0, me(rwlock_rdlock(self->fd, NEVER)));
	start(&self->a, rwlock_wrlock(self->fd, NEVER));
	ASSERT_TRUE(queued(self->fd, 1, 0));
	start(&self->b, rwlock_rdlock(self->fd, NEVER));
	ASSERT_TRUE(queued(self->fd, 1, 1));
	ASSERT_EQ(0, me(rwlock_upgrade(self->fd)));
	EXPECT_EQ(getpid(), status(self->fd).holder_pid);
	EXPECT_TRUE(queued(self->fd, 1, 1));
	ASSERT_EQ(0, me(rwlock_unlock(self->fd)));
	EXPECT_EQ(0, answer(&self->b));
	ASSERT_EQ(0, ask(&self->b, rwlock_unlock(self->fd)));
	EXPECT_EQ(0, answer(&self->a));
}

TEST_F(rw, two_upgraders)
{
	int i, won, lost;

	for (i = 0; i < 40; i++) {
		ASSERT_EQ(0, ask(&self->a, rwlock_rdlock(self->fd, NEVER)));
		ASSERT_EQ(0, ask(&self->b, rwlock_rdlock(self->fd, NEVER)));
		start(&self->a, rwlock_upgrade(self->fd));
		start(&self->b, rwlock_upgrade(self->fd));
		won = answer(&self->a);
		lost = answer(&self->b);
		ASSERT_EQ(-EBUSY, won);
		ASSERT_EQ(-EBUSY, lost);
		ASSERT_EQ(2, status(self->fd).readers);
		start(&self->a, rwlock_upgrade(self->fd));
		start(&self->b, rwlock_unlock(self->fd));
		won = answer(&self->a);
		ASSERT_EQ(0, answer(&self->b));
		ASSERT_TRUE(!won || won == -EBUSY);
		ASSERT_EQ(0, ask(&self->a, rwlock_unlock(self->fd)));
	}
}

TEST_F(rw, dead_writer_is_told_to_readers)
{
	struct ksync_primitive_status st;

	ASSERT_EQ(0, write_and_die(self->fd, &self->a));
	EXPECT_EQ(-EOWNERDEAD, ask(&self->b, rwlock_rdlock(self->fd, soon())));
	EXPECT_EQ(-EOWNERDEAD, ask(&self->c, rwlock_tryrdlock(self->fd)));
	EXPECT_EQ(-EPERM, ask(&self->b, rwlock_consistent(self->fd)));
	EXPECT_EQ(-EPERM, ask(&self->d, rwlock_consistent(self->fd)));
	st = status(self->fd);
	EXPECT_EQ(2, st.readers);
	EXPECT_EQ(KSYNC_STATUS_DEAD, st.flags);
	EXPECT_EQ(1, st.deaths);
	/* Readers cannot lose what they did not change. */
	ASSERT_EQ(0, ask(&self->b, rwlock_unlock(self->fd)));
	ASSERT_EQ(0, ask(&self->c, rwlock_unlock(self->fd)));
	EXPECT_EQ(-EOWNERDEAD, ask(&self->b, rwlock_trywrlock(self->fd)));
	EXPECT_EQ(0, ask(&self->b, rwlock_consistent(self->fd)));
	EXPECT_EQ(-EINVAL, ask(&self->b, rwlock_consistent(self->fd)));
	ASSERT_EQ(0, ask(&self->b, rwlock_unlock(self->fd)));
	EXPECT_EQ(0, me(rwlock_rdlock(self->fd, soon())));
	EXPECT_EQ(0, status(self->fd).flags);
}

TEST_F(rw, upgrade_tells_of_a_dead_writer)
{
	ASSERT_EQ(0, write_and_die(self->fd, &self->a));
	ASSERT_EQ(-EOWNERDEAD, me(rwlock_rdlock(self->fd, soon())));
	EXPECT_EQ(-EOWNERDEAD, me(rwlock_upgrade(self->fd)));
	EXPECT_EQ(0, me(rwlock_consistent(self->fd)));
	EXPECT_EQ(0, me(rwlock_downgrade(self->fd)));
	EXPECT_EQ(0, ask(&self->b, rwlock_tryrdlock(self->fd)));
}

TEST_F(rw, downgrade_of_what_is_inconsistent)
{
	ASSERT_EQ(0, write_and_die(self->fd, &self->a));
	ASSERT_EQ(-EOWNERDEAD, me(rwlock_wrlock(self->fd, soon())));
	ASSERT_EQ(0, me(rwlock_downgrade(self->fd)));
	EXPECT_EQ(-EPERM, me(rwlock_consistent(self->fd)));
	EXPECT_EQ(-EOWNERDEAD, ask(&self->b, rwlock_tryrdlock(self->fd)));
	ASSERT_EQ(0, ask(&self->b, rwlock_unlock(self->fd)));
	ASSERT_EQ(0, me(rwlock_unlock(self->fd)));
	EXPECT_EQ(-EOWNERDEAD, ask(&self->b, rwlock_trywrlock(self->fd)));
	EXPECT_EQ(0, ask(&self->b, rwlock_consistent(self->fd)));
}

TEST_F(rw, die_unrepaired)
{
	ASSERT_EQ(0, write_and_die(self->fd, &self->a));
	ASSERT_EQ(-EOWNERDEAD, me(rwlock_wrlock(self->fd, soon())));
	start(&self->b, rwlock_rdlock(self->fd, NEVER));
	start(&self->c, rwlock_wrlock(self->fd, NEVER));
	ASSERT_TRUE(queued(self->fd, 1, 1));
	ASSERT_EQ(0, me(rwlock_unlock(self->fd)));
	EXPECT_EQ(-ENOTRECOVERABLE, answer(&self->b));
	EXPECT_EQ(-ENOTRECOVERABLE, answer(&self->c));
	EXPECT_EQ(-ENOTRECOVERABLE, me(rwlock_wrlock(self->fd, NEVER)));
	EXPECT_EQ(-ENOTRECOVERABLE, me(rwlock_rdlock(self->fd, NEVER)));
	EXPECT_EQ(-ENOTRECOVERABLE, me(rwlock_trywrlock(self->fd)));
	EXPECT_EQ(-ENOTRECOVERABLE, me(rwlock_tryrdlock(self->fd)));
	EXPECT_EQ(-EPERM, me(rwlock_unlock(self->fd)));
	EXPECT_TRUE(status(self->fd).flags & KSYNC_STATUS_LOST);
	EXPECT_EQ(0, ask(&self->b, at(1, rwlock_trywrlock(self->fd))));
}

TEST_F(rw, status_counts)
{
	struct ksync_primitive_status st;

	ASSERT_EQ(0, me(rwlock_rdlock(self->fd, NEVER)));
	ASSERT_EQ(0, me(rwlock_unlock(self->fd)));
	ASSERT_EQ(0, me(rwlock_wrlock(self->fd, NEVER)));
	st = status(self->fd);
	EXPECT_EQ(getpid(), st.holder_pid);
	EXPECT_EQ(getpid(), st.holder_tid);
	EXPECT_EQ(1, st.value);
	EXPECT_EQ(1, st.token);
	EXPECT_EQ(2, st.acquisitions);
	EXPECT_EQ(0, st.contended);
	EXPECT_TRUE(UNTIL(status(self->fd).held_ns > 10 * NS_PER_MS));
	start(&self->a, rwlock_rdlock(self->fd, NEVER));
	ASSERT_TRUE(queued(self->fd, 0, 1));
	ASSERT_EQ(0, me(rwlock_unlock(self->fd)));
	ASSERT_EQ(0, answer(&self->a));
	st = status(self->fd);
	EXPECT_EQ(0, st.value);
	EXPECT_EQ(0, st.holder_id);
	EXPECT_EQ(0, st.held_ns);
	EXPECT_EQ(1, st.readers);
	EXPECT_EQ(1, st.token);
	EXPECT_EQ(3, st.acquisitions);
	EXPECT_EQ(1, st.contended);
}

UAPI_MAIN
