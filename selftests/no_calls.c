// SPDX-License-Identifier: GPL-2.0-only
/*
 * What nobody is in the way of goes without a system call, for every kind of
 * thread: once it has used a primitive, it is not allowed the calls any more.
 */

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "actor.h"

struct all {
	struct ksync_mutex *m;
	struct ksync_rwlock *rw;
	struct ksync_sem *s;
	struct ksync_waitgroup *wg;
};

FIXTURE(no_calls) {
	struct all all;
	struct actor a;
};

FIXTURE_VARIANT(no_calls) {
	enum actor_kind kind;
};

FIXTURE_VARIANT_ADD(no_calls, process) { .kind = ACTOR_PROCESS };
FIXTURE_VARIANT_ADD(no_calls, thread) { .kind = ACTOR_THREAD };
FIXTURE_VARIANT_ADD(no_calls, thread_of_a_child) { .kind = ACTOR_IN_PROCESS };

static long use(struct all *all)
{
	int err;

	err = ksync_mutex_lock(all->m) ?: ksync_mutex_unlock(all->m);
	if (!err)
		err = ksync_rwlock_rdlock(all->rw) ?:
		      ksync_rwlock_unlock(all->rw);
	if (!err)
		err = ksync_sem_acquire(all->s, 1) ?:
		      ksync_sem_release(all->s, 1);
	if (!err)
		err = ksync_waitgroup_add(all->wg, 1) ?:
		      ksync_waitgroup_done(all->wg);
	return err ?: ksync_waitgroup_wait(all->wg);
}

/* Children come from a process that does without calls already. */
FIXTURE_SETUP(no_calls)
{
	REQUIRE_BACKEND();
	ASSERT_EQ(0, ksync_mutex_create(&self->all.m, NULL));
	ASSERT_EQ(0, ksync_rwlock_create(&self->all.rw, NULL));
	ASSERT_EQ(0, ksync_sem_create(&self->all.s,
				      &(struct ksync_options){ .value = 1 }));
	ASSERT_EQ(0, ksync_waitgroup_create(&self->all.wg, NULL));
	ASSERT_EQ(0, use(&self->all));
	ASSERT_EQ(0, actor_begin(&self->a, variant->kind));
}

FIXTURE_TEARDOWN(no_calls)
{
	actor_end(&self->a);
	ksync_mutex_close(self->all.m);
	ksync_rwlock_close(self->all.rw);
	ksync_sem_close(self->all.s);
	ksync_waitgroup_close(self->all.wg);
}

/* For the calling thread alone. */
static int deny(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	};
	struct sock_fprog prog = { ARRAY_SIZE(filter), filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		return -errno;
	return 0;
}

#define NO_FILTER	1

static long use_and_use_again(void *obj, uint64_t unused)
{
	long err = use(obj);

	if (err)
		return err;
	return deny() ? NO_FILTER : use(obj);
}

TEST_F(no_calls, after_the_first_use)
{
	long err = actor_do(&self->a, use_and_use_again, &self->all, 0);

	if (err == NO_FILTER)
		SKIP(return, "no filter of system calls");
	EXPECT_EQ(0, err);
}

TEST_HARNESS_MAIN
