// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads and their ids: many that come and go, ids that are taken again, and
 * tasks that were made without a thread library.
 */
#include "uapi_peer.h"

#define GENERATIONS	15
#define AT_ONCE		32
#define HOLDS		200
#define STACK		(64 * 1024)

FIXTURE(threads)
{
	int dev;
	int fd;
};

FIXTURE_SETUP(threads)
{
	self->dev = device_open();
	ASSERT_LE(0, self->dev);
	self->fd = create(self->dev, KSYNC_TYPE_MUTEX, 0, HOLDS);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(threads)
{
	peers_end();
	close(self->fd);
	close(self->dev);
}

struct job {
	pthread_t thread;
	int fd;
	__u32 index;
	int ret;
	__u32 id;
	bool keep;
};

static void *take(void *arg)
{
	struct job *j = arg;

	j->ret = me(at(j->index, mutex_lock(j->fd, soon())));
	j->id = status_of(j->fd, j->index).holder_id;
	if (!j->keep)
		j->ret = j->ret ?: me(at(j->index, mutex_unlock(j->fd)));
	return NULL;
}

static int thread_start(struct job *j, void *(*fn)(void *))
{
	pthread_attr_t attr;
	int ret;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	ret = pthread_create(&j->thread, &attr, fn, j);
	pthread_attr_destroy(&attr);
	return -ret;
}

/* Threads that hold at the same time never have the same id. */
TEST_F(threads, ids_differ)
{
	struct peer p[16];
	__u32 ids[16];
	int i, j;

	for (i = 0; i < 16; i++)
		ASSERT_EQ(0, i & 1 ? peer_thread(&p[i]) : peer_fork(&p[i]));
	for (i = 0; i < 16; i++) {
		ASSERT_EQ(0, ask(&p[i], at(i, mutex_lock(self->fd, NEVER))));
		ids[i] = status_of(self->fd, i).holder_id;
		EXPECT_NE(0, ids[i]);
		for (j = 0; j < i; j++)
			EXPECT_NE(ids[j], ids[i]);
	}
	for (i = 0; i < 16; i++) {
		ASSERT_EQ(0, ask(&p[i], at(i, mutex_unlock(self->fd))));
		peer_end(&p[i]);
	}
}

TEST_F(threads, come_and_go)
{
	struct job jobs[AT_ONCE];
	int g, i;

	for (g = 0; g < GENERATIONS; g++) {
		for (i = 0; i < AT_ONCE; i++) {
			jobs[i] = (struct job){ .fd = self->fd,
						.index = i % 3 };
			ASSERT_EQ(0, thread_start(&jobs[i], take));
		}
		for (i = 0; i < AT_ONCE; i++) {
			pthread_join(jobs[i].thread, NULL);
			ASSERT_EQ(0, jobs[i].ret);
		}
	}
	EXPECT_EQ(0, status(self->fd).deaths);
	EXPECT_EQ(0, status(self->fd).value);
}

TEST_F(threads, processes_come_and_go)
{
	struct peer p;
	int i;

	for (i = 0; i < 100; i++) {
		ASSERT_EQ(0, peer_fork(&p));
		ASSERT_EQ(0, ask(&p, mutex_lock(self->fd, soon())));
		ASSERT_EQ(p.pid, status(self->fd).holder_pid);
		ASSERT_EQ(0, ask(&p, mutex_unlock(self->fd)));
		peer_end(&p);
	}
	EXPECT_EQ(0, status(self->fd).deaths);
}

/*
 * Each thread dies with one lock more than there were. No later thread may be
 * taken for the holder of one of them, whatever id it has.
 */
TEST_F(threads, an_id_is_not_taken_again_too_early)
{
	struct job job;
	int i;

	for (i = 0; i < HOLDS; i++) {
		job = (struct job){ .fd = self->fd, .index = i, .keep = true };
		ASSERT_EQ(0, thread_start(&job, take));
		pthread_join(job.thread, NULL);
		ASSERT_EQ(0, job.ret);
		ASSERT_NE(0, job.id);
		ASSERT_EQ(-EPERM, me(at(i, mutex_unlock(self->fd))));
	}
	for (i = 0; i < HOLDS; i++) {
		ASSERT_EQ(-EOWNERDEAD, me(at(i, mutex_lock(self->fd, soon()))));
		ASSERT_EQ(1, status_of(self->fd, i).deaths);
		ASSERT_EQ(getpid(), status_of(self->fd, i).holder_pid);
	}
}

/* One that lives on is not disturbed by all the others. */
TEST_F(threads, a_hold_outlives_many_threads)
{
	struct job job;
	__u32 id;
	int i;

	ASSERT_EQ(0, me(at(1, mutex_lock(self->fd, NEVER))));
	id = status_of(self->fd, 1).holder_id;
	for (i = 0; i < HOLDS; i++) {
		job = (struct job){ .fd = self->fd };
		ASSERT_EQ(0, thread_start(&job, take));
		pthread_join(job.thread, NULL);
		ASSERT_EQ(0, job.ret);
		ASSERT_NE(id, job.id);
		ASSERT_EQ(id, status_of(self->fd, 1).holder_id);
	}
	EXPECT_EQ(0, me(at(1, mutex_unlock(self->fd))));
}

struct raw {
	int fd;
	int tid;	/* cleared by the kernel at the end */
	int ret;
	__u32 pid, held_tid;
	bool done;
};

/* Shares the caller's errno and nothing of a thread library. */
static int raw_task(void *arg)
{
	struct raw *r = arg;
	struct ksync_primitive_status st;

	r->ret = me(mutex_lock(r->fd, NEVER));
	st = status(r->fd);
	r->pid = st.holder_pid;
	r->held_tid = st.holder_tid;
	__atomic_store_n(&r->done, true, __ATOMIC_SEQ_CST);
	syscall(SYS_exit, 0);
	return 0;
}

#define RAW_THREAD	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | \
			 CLONE_THREAD | CLONE_SYSVSEM)
#define RAW_CLEARS	(CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

static int raw_clone(struct raw *r, char *stack, int flags)
{
	return clone(raw_task, stack + STACK, flags | RAW_CLEARS, r, &r->tid,
		     NULL, &r->tid);
}

TEST_F(threads, raw_thread)
{
	struct raw r = { .fd = self->fd };
	char *stack = malloc(STACK);
	int tid;

	ASSERT_TRUE(stack != NULL);
	tid = raw_clone(&r, stack, RAW_THREAD);
	ASSERT_LT(0, tid);
	ASSERT_TRUE(UNTIL(!__atomic_load_n(&r.tid, __ATOMIC_SEQ_CST)));
	EXPECT_TRUE(r.done);
	EXPECT_EQ(0, r.ret);
	EXPECT_EQ(getpid(), r.pid);
	EXPECT_EQ(tid, r.held_tid);
	EXPECT_EQ(-EOWNERDEAD, me(mutex_lock(self->fd, soon())));
	free(stack);
}

/* A process of its own, in the same memory. */
TEST_F(threads, raw_process_in_the_same_memory)
{
	struct raw r = { .fd = self->fd };
	char *stack = malloc(STACK);
	int pid, wstatus;

	ASSERT_TRUE(stack != NULL);
	ASSERT_EQ(0, me(at(1, mutex_lock(self->fd, NEVER))));
	pid = raw_clone(&r, stack, CLONE_VM | CLONE_FILES | SIGCHLD);
	ASSERT_LT(0, pid);
	ASSERT_EQ(pid, waitpid(pid, &wstatus, 0));
	EXPECT_EQ(0, r.ret);
	EXPECT_EQ(pid, r.pid);
	EXPECT_EQ(-EOWNERDEAD, me(mutex_lock(self->fd, soon())));
	EXPECT_EQ(0, me(at(1, mutex_unlock(self->fd))));
	free(stack);
}

TEST_F(threads, vfork)
{
	struct raw r = { .fd = self->fd };
	char *stack = malloc(STACK);
	int pid, wstatus;

	ASSERT_TRUE(stack != NULL);
	pid = raw_clone(&r, stack, CLONE_VM | CLONE_VFORK | SIGCHLD);
	ASSERT_LT(0, pid);
	/* The parent runs again: the death may be noticed a little later. */
	EXPECT_EQ(-EOWNERDEAD, me(mutex_lock(self->fd, soon())));
	EXPECT_EQ(pid, r.pid);
	ASSERT_EQ(pid, waitpid(pid, &wstatus, 0));
	free(stack);
}

UAPI_MAIN
