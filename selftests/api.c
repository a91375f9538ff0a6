// SPDX-License-Identifier: GPL-2.0-only
/* The library's surface: NULL, malformed options, constants, texts. */

#include "types.h"

FIXTURE(api) {
	void *h;
};

FIXTURE_VARIANT(api) {
	const struct type_ops *t;
};

TYPE_VARIANTS(api);

FIXTURE_SETUP(api)
{
	REQUIRE_BACKEND();
	ASSERT_EQ(0, variant->t->create(&self->h, NULL));
}

FIXTURE_TEARDOWN(api)
{
	variant->t->close(self->h);
}

/* Flags that a type knows; with any other it says -EINVAL. */
static uint32_t flags_of(const struct type_ops *t)
{
	switch (t->type) {
	case KSYNC_MUTEX: return KSYNC_GUARDED | KSYNC_RECURSIVE | KSYNC_FIFO;
	case KSYNC_SEM: return KSYNC_GUARDED | KSYNC_TRACKED;
	case KSYNC_EVENT: return KSYNC_GUARDED | KSYNC_AUTO_RESET;
	default: return KSYNC_GUARDED;
	}
}

static int create(const struct type_ops *t, const struct ksync_options *o)
{
	void *h = NULL;
	int err = t->create(&h, o);

	t->close(h);
	return err;
}

TEST_F(api, bad_input_flags)
{
	uint32_t known = flags_of(variant->t), bit;
	struct ksync_options o = { 0 };
	int expected;
	void *h;

	for (bit = 1; bit; bit <<= 1) {
		o.flags = bit;
		expected = bit & known ? 0 : -EINVAL;
		if (bit == KSYNC_GUARDED && missing_guarantees(KSYNC_G_GUARDED))
			expected = -EOPNOTSUPP;
		EXPECT_EQ(expected, create(variant->t, &o))
			TH_LOG("flag %#x", bit);
		/* A name's options are checked as well. */
		EXPECT_EQ(expected, variant->t->open(&h, test_name("flags"),
						     O_CREAT, 0600, &o));
		if (!expected)
			variant->t->close(h);
	}
}

TEST_F(api, bad_input_counts)
{
	bool sem = variant->t->type == KSYNC_SEM;
	bool max = sem || variant->t->type == KSYNC_BARRIER;
	struct ksync_options o = { .value = 1 };

	EXPECT_EQ(sem || variant->t->type == KSYNC_EVENT ? 0 : -EINVAL,
		  create(variant->t, &o));
	o = (struct ksync_options){ .max = 1 };
	EXPECT_EQ(max ? 0 : -EINVAL, create(variant->t, &o));
	o = (struct ksync_options){ .value = 2, .max = 1 };
	EXPECT_EQ(-EINVAL, create(variant->t, &o));
	o = (struct ksync_options){ .max = 1U << 31 };
	EXPECT_EQ(-EINVAL, create(variant->t, &o));
	o = (struct ksync_options){ .value = 1U << 31 };
	EXPECT_EQ(-EINVAL, create(variant->t, &o));
	o = (struct ksync_options){ .value = INT32_MAX, .max = INT32_MAX };
	EXPECT_EQ(sem ? 0 : -EINVAL, create(variant->t, &o));
	o = (struct ksync_options){ .nr = UINT32_MAX };
	EXPECT_EQ(-EINVAL, create(variant->t, &o));
	o = (struct ksync_options){ .nr = (1U << 20) + 1 };
	EXPECT_EQ(-EINVAL, create(variant->t, &o));
}

TEST_F(api, null_handles)
{
	const struct type_ops *t = variant->t;
	struct ksync_status st;

	EXPECT_EQ(-EINVAL, t->fd(NULL));
	EXPECT_EQ(-EINVAL, t->status(NULL, &st));
	EXPECT_EQ(-EINVAL, t->status(self->h, NULL));
	EXPECT_EQ(NULL, t->at(NULL, 0));
	t->close(NULL);
	/* The handle itself, or another one for the same primitive. */
	EXPECT_NE(NULL, t->at(self->h, 0));
	EXPECT_EQ(NULL, t->at(self->h, 1));
}

TEST_F(api, bad_input_descriptors)
{
	int fds[2], i, null = open("/dev/null", O_RDWR), closed = dup(null);
	void *h;

	ASSERT_EQ(0, pipe(fds));
	close(closed);
	EXPECT_EQ(-EBADF, variant->t->import(&h, -1));
	EXPECT_EQ(-EBADF, variant->t->import(&h, INT32_MAX));
	EXPECT_EQ(-EBADF, variant->t->import(&h, closed));
	EXPECT_EQ(-EINVAL, variant->t->import(&h, null));
	EXPECT_EQ(-EINVAL, variant->t->import(&h, fds[0]));
	for (i = 0; i < ARRAY_SIZE(all_types); i++)
		if (all_types[i] != variant->t)
			EXPECT_EQ(-EINVAL,
				  all_types[i]->import(&h, variant->t->fd(self->h)));
	/* It is none the worse for it. */
	EXPECT_EQ(0, variant->t->import(&h, variant->t->fd(self->h)));
	variant->t->close(h);
	close(fds[0]);
	close(fds[1]);
	close(null);
}

/* Descriptors are not inherited by programs. */
TEST_F(api, close_on_exec)
{
	int fd = variant->t->fd(self->h);

	ASSERT_LE(0, fd);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	EXPECT_EQ(fd, variant->t->fd(variant->t->at(self->h, 0)));
}

TEST_F(api, errno_untouched)
{
	struct ksync_status st;
	void *h;

	errno = 4711;
	variant->t->import(&h, -1);
	variant->t->open(&h, "a/b", O_CREAT, 0600, NULL);
	variant->t->open(&h, test_name("none"), 0, 0600, NULL);
	variant->t->status(self->h, &st);
	variant->t->create(&h, NULL);
	variant->t->close(h);
	ksync_unlink(test_name("none"));
	EXPECT_EQ(4711, errno);
}

TEST(null_arguments)
{
	struct ksync_wait w = { 0 };

	REQUIRE_BACKEND();
	EXPECT_EQ(-EINVAL, ksync_mutex_create(NULL, NULL));
	EXPECT_EQ(-EINVAL, ksync_mutex_open(NULL, "x", O_CREAT, 0600, NULL));
	EXPECT_EQ(-EINVAL, ksync_mutex_import(NULL, 0));
	EXPECT_EQ(-EINVAL, ksync_mutex_lock(NULL));
	EXPECT_EQ(-EINVAL, ksync_mutex_trylock(NULL));
	EXPECT_EQ(-EINVAL, ksync_mutex_lock_until(NULL, &w));
	EXPECT_EQ(-EINVAL, ksync_mutex_unlock(NULL));
	EXPECT_EQ(-EINVAL, ksync_mutex_consistent(NULL));
	EXPECT_EQ(0, ksync_mutex_token(NULL));
	EXPECT_EQ(-EINVAL, ksync_rwlock_create(NULL, NULL));
	EXPECT_EQ(-EINVAL, ksync_rwlock_rdlock(NULL));
	EXPECT_EQ(-EINVAL, ksync_rwlock_tryrdlock(NULL));
	EXPECT_EQ(-EINVAL, ksync_rwlock_rdlock_until(NULL, &w));
	EXPECT_EQ(-EINVAL, ksync_rwlock_wrlock(NULL));
	EXPECT_EQ(-EINVAL, ksync_rwlock_trywrlock(NULL));
	EXPECT_EQ(-EINVAL, ksync_rwlock_wrlock_until(NULL, &w));
	EXPECT_EQ(-EINVAL, ksync_rwlock_unlock(NULL));
	EXPECT_EQ(-EINVAL, ksync_rwlock_downgrade(NULL));
	EXPECT_EQ(-EINVAL, ksync_rwlock_upgrade(NULL));
	EXPECT_EQ(-EINVAL, ksync_rwlock_consistent(NULL));
	EXPECT_EQ(0, ksync_rwlock_token(NULL));
	EXPECT_EQ(-EINVAL, ksync_waitgroup_create(NULL, NULL));
	EXPECT_EQ(-EINVAL, ksync_waitgroup_add(NULL, 1));
	EXPECT_EQ(-EINVAL, ksync_waitgroup_done(NULL));
	EXPECT_EQ(-EINVAL, ksync_waitgroup_wait(NULL));
	EXPECT_EQ(-EINVAL, ksync_waitgroup_wait_until(NULL, &w));
	EXPECT_EQ(-EINVAL, ksync_waitgroup_bind(NULL, 0));
	EXPECT_EQ(0, ksync_waitgroup_lost(NULL));
	EXPECT_EQ(-EINVAL, ksync_sem_create(NULL, NULL));
	EXPECT_EQ(-EINVAL, ksync_sem_acquire(NULL, 1));
	EXPECT_EQ(-EINVAL, ksync_sem_tryacquire(NULL, 1));
	EXPECT_EQ(-EINVAL, ksync_sem_acquire_until(NULL, 1, &w));
	EXPECT_EQ(-EINVAL, ksync_sem_release(NULL, 1));
	EXPECT_EQ(-EINVAL, ksync_sem_value(NULL));
	EXPECT_EQ(-EINVAL, ksync_sem_resize(NULL, 1));
	EXPECT_EQ(-EINVAL, ksync_cond_create(NULL, NULL));
	EXPECT_EQ(-EINVAL, ksync_cond_wait(NULL, NULL));
	EXPECT_EQ(-EINVAL, ksync_cond_wait_until(NULL, NULL, &w));
	EXPECT_EQ(-EINVAL, ksync_cond_signal(NULL));
	EXPECT_EQ(-EINVAL, ksync_cond_broadcast(NULL));
	EXPECT_EQ(-EINVAL, ksync_barrier_create(NULL, NULL));
	EXPECT_EQ(-EINVAL, ksync_barrier_wait(NULL));
	EXPECT_EQ(-EINVAL, ksync_barrier_wait_until(NULL, &w));
	EXPECT_EQ(-EINVAL, ksync_barrier_join(NULL));
	EXPECT_EQ(-EINVAL, ksync_barrier_leave(NULL));
	EXPECT_EQ(-EINVAL, ksync_barrier_reset(NULL));
	EXPECT_EQ(-EINVAL, ksync_once_create(NULL, NULL));
	EXPECT_EQ(-EINVAL, ksync_once_begin(NULL, NULL));
	EXPECT_EQ(-EINVAL, ksync_once_begin_until(NULL, NULL, &w));
	EXPECT_EQ(-EINVAL, ksync_once_complete(NULL, 0));
	EXPECT_EQ(-EINVAL, ksync_once_abandon(NULL));
	EXPECT_EQ(-EINVAL, ksync_once_reset(NULL));
	EXPECT_EQ(-EINVAL, ksync_once_run(NULL, NULL, NULL, NULL));
	EXPECT_EQ(-EINVAL, ksync_unlink(NULL));
	EXPECT_EQ(-EINVAL, ksync_query(NULL, 0, NULL, NULL));
	EXPECT_EQ(-EINVAL, ksync_list(NULL, NULL));
}

TEST(strings)
{
	static const int errors[] = {
		EBUSY, ETIMEDOUT, EOWNERDEAD, ENOTRECOVERABLE, EDEADLK, EPERM,
		EOVERFLOW, ERANGE, EINVAL, EOPNOTSUPP, ENOMEM, EACCES, ENXIO,
		ENODEV, EPROTO, EXDEV, EPROTOTYPE, ENAMETOOLONG, ENOENT,
		EEXIST, EMFILE, ENFILE, EDQUOT, EBADF, ESRCH, EALREADY, EPIPE,
	};
	int i, j, a, b, c, parts;

	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		const char *text = ksync_strerror(-errors[i]);

		ASSERT_NE(NULL, text);
		EXPECT_LT(0, strlen(text));
		EXPECT_STREQ(text, ksync_strerror(errors[i]));
		for (j = 0; j < i; j++)
			EXPECT_STRNE(text, ksync_strerror(errors[j]));
	}
	EXPECT_NE(NULL, ksync_strerror(0));
	EXPECT_NE(NULL, ksync_strerror(123456));
	EXPECT_NE(NULL, ksync_strerror(INT32_MIN));

	parts = sscanf(ksync_version(), "%d.%d.%d", &a, &b, &c);
	EXPECT_EQ(3, parts);
	ASSERT_NE(NULL, ksync_backend());
	REQUIRE_BACKEND();
	if (!strcmp(ksync_backend(), "kernel")) {
		EXPECT_LT(0, strlen(ksync_module_version()));
	} else {
		EXPECT_STREQ("futex", ksync_backend());
		EXPECT_STREQ("", ksync_module_version());
	}
}

/* The kernel backend promises everything; each promise has its own bit. */
TEST(guarantees)
{
	uint64_t all = ((1ULL << 14) - 1) | KSYNC_G_CANCEL |
		       KSYNC_G_PARENTS | KSYNC_G_MANY | KSYNC_G_POLL |
		       KSYNC_G_DEADLOCK_OF_TWO;

	REQUIRE_BACKEND();
	EXPECT_EQ(0, ksync_guarantees() & ~all);
	EXPECT_EQ(ksync_guarantees(), ksync_guarantees());
	EXPECT_TRUE(ksync_guarantees() & KSYNC_G_PROCESS_DEATH);
	EXPECT_TRUE(ksync_guarantees() & KSYNC_G_EXEC);
	if (!strcmp(ksync_backend(), "kernel"))
		EXPECT_EQ(all, ksync_guarantees());
}

/* What programs were compiled with must not change under them. */
TEST(constants)
{
	EXPECT_EQ(128, KSYNC_NAME_LEN);
	EXPECT_EQ(1, KSYNC_GUARDED);
	EXPECT_EQ(2, KSYNC_RECURSIVE);
	EXPECT_EQ(4, KSYNC_FIFO);
	EXPECT_EQ(8, KSYNC_TRACKED);
	EXPECT_EQ(16, KSYNC_AUTO_RESET);
	EXPECT_EQ(6, KSYNC_TAKE_EVENT);
	EXPECT_EQ(64, KSYNC_ITEMS_MAX);
	EXPECT_EQ(1, KSYNC_MUTEX);
	EXPECT_EQ(2, KSYNC_RWLOCK);
	EXPECT_EQ(3, KSYNC_WAITGROUP);
	EXPECT_EQ(4, KSYNC_SEM);
	EXPECT_EQ(5, KSYNC_EVENT);
	EXPECT_EQ(6, KSYNC_COND);
	EXPECT_EQ(7, KSYNC_BARRIER);
	EXPECT_EQ(8, KSYNC_ONCE);
	EXPECT_EQ(1, KSYNC_BARRIER_SERIAL);
	EXPECT_EQ(1, KSYNC_IS_INCONSISTENT);
	EXPECT_EQ(2, KSYNC_IS_LOST);
	EXPECT_EQ(4, KSYNC_HAS_LOSS);
	EXPECT_EQ(256, KSYNC_IS_BROKEN);
	EXPECT_EQ(512, KSYNC_IS_DONE);
	EXPECT_EQ(16, sizeof(struct ksync_options));
	EXPECT_EQ(2 * sizeof(void *), sizeof(struct ksync_wait));
	EXPECT_EQ(80, sizeof(struct ksync_status));
	EXPECT_EQ(1, KSYNC_WANTS_EXCLUSIVE);
	EXPECT_EQ(2, KSYNC_WANTS_SHARED);
	EXPECT_EQ(3, KSYNC_WANTS_PERMITS);
	EXPECT_EQ(4, KSYNC_WANTS_END);
	EXPECT_EQ(0, KSYNC_HELD_BY_NOBODY);
	EXPECT_EQ(1, KSYNC_HELD_EXCLUSIVE);
	EXPECT_EQ(2, KSYNC_HELD_SHARED);
	EXPECT_EQ(3, KSYNC_HELD_PERMITS);
	EXPECT_EQ(4, KSYNC_HELD_QUEUE);
	EXPECT_EQ(216, sizeof(struct ksync_edge));
	EXPECT_EQ(1ULL << 13, KSYNC_G_DEADLOCK);
	EXPECT_EQ(1ULL << 20, KSYNC_G_DEADLOCK_OF_TWO);
}

TEST_HARNESS_MAIN
