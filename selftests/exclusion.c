// SPDX-License-Identifier: GPL-2.0-only
/*
 * Readers that meet no writer for long, and then one. A lock whose readers have
 * no fence on their fast path must not let the two pass each other; what was
 * written before must be seen, all or nothing.
 */

#include "actor.h"
#include "sandbox.h"

#define READERS	2
/* Between two writes: enough to forget the last one. */
#define READS	3000
#define WRITES	200
/*
 * Writes in a row that make a favourite, who reads without fences from then on;
 * reads before that, so few that it would not do so anyway; and others' writes.
 */
#define OWN	300
#define MANY	10000
#define FEW	20
/* In one read. */
#define LOOKS	50

/* Where every read is a system call there is less to see, and it takes longer. */
static int writes(int most)
{
	return strcmp(ksync_backend(), "futex") ? 40 : most;
}

/* Otherwise stores are seen at once, and it takes longer, too. */
static bool is_parallel(void)
{
	cpu_set_t set;

	return !machine_is_slow() &&
	       !sched_getaffinity(0, sizeof(set), &set) && CPU_COUNT(&set) > 1;
}

/* Two that are the same whenever nobody writes, each in its own cache line. */
struct field {
	struct ksync_rwlock *rw;
	volatile bool stop;
	volatile uint64_t reads[READERS];
	volatile uint64_t own;
	char apart[64];
	volatile uint64_t left;
	char apart_too[64];
	volatile uint64_t right;
};

FIXTURE(exclusion) {
	struct field *f;
	struct actor readers[READERS];
	struct actor writer;
};

FIXTURE_SETUP(exclusion)
{
	int i;

	REQUIRE_BACKEND();
	self->f = shared_memory(sizeof(*self->f));
	ASSERT_EQ(0, ksync_rwlock_create(&self->f->rw, NULL));
	for (i = 0; i < READERS; i++)
		ASSERT_EQ(0, actor_begin(&self->readers[i], ACTOR_PROCESS));
	ASSERT_EQ(0, actor_begin(&self->writer, ACTOR_PROCESS));
}

FIXTURE_TEARDOWN(exclusion)
{
	int i;

	if (self->f)
		self->f->stop = true;
	for (i = 0; i < READERS; i++)
		actor_end(&self->readers[i]);
	actor_end(&self->writer);
	if (self->f)
		ksync_rwlock_close(self->f->rw);
}

/* How often what was read was written at the same time; or an error. */
static long read_and_compare(void *obj, uint64_t me)
{
	struct field *f = obj;
	long torn = 0;
	int err;

	while (!f->stop) {
		err = ksync_rwlock_rdlock(f->rw);
		if (err)
			return err;
		torn += f->left != f->right;
		err = ksync_rwlock_unlock(f->rw);
		if (err)
			return err;
		f->reads[me]++;
	}
	return torn;
}

static long write_now_and_then(void *obj, uint64_t n)
{
	/* Few writes are one part of many. */
	uint64_t until, i, reads = n == FEW ? 4 * OWN : READS;
	struct field *f = obj;
	int err;

	for (i = 0; i < n; i++) {
		until = f->reads[0] + reads;
		while (f->reads[0] < until)
			sched_yield();
		err = ksync_rwlock_wrlock(f->rw);
		if (err)
			return err;
		f->left++;
		f->right++;
		err = ksync_rwlock_unlock(f->rw);
		if (err)
			return err;
	}
	return 0;
}

/* Both; what is written is seen by its writer as by others. */
static long read_and_write_alone(void *obj, uint64_t me)
{
	struct field *f = obj;
	long torn = 0;
	uint64_t i;
	int err, look;

	for (i = 0; !f->stop; i++) {
		if (i / OWN % 2 == 0) {
			err = ksync_rwlock_wrlock(f->rw);
			if (err)
				return err;
			f->own++;
			f->left++;
			f->right++;
		} else {
			/* A store that takes long, for the hold to wait for. */
			f->reads[me]++;
			err = ksync_rwlock_rdlock(f->rw);
			if (err)
				return err;
			for (look = 0; look < LOOKS; look++)
				torn += f->left != f->right;
		}
		err = ksync_rwlock_unlock(f->rw);
		if (err)
			return err;
	}
	return torn;
}

/* How often a reader saw a write half done; or an error. */
static long read_and_write(struct field *f, struct actor *readers,
			   struct actor *writer)
{
	long err, torn = 0;
	int i;

	for (i = 0; i < READERS; i++)
		actor_start(&readers[i], read_and_compare, f, i);
	err = actor_do(writer, write_now_and_then, f, writes(WRITES));
	f->stop = true;
	for (i = 0; i < READERS; i++)
		torn += actor_result(&readers[i]);
	return err ? err : torn;
}

TEST_F(exclusion, rare_writer)
{
	EXPECT_EQ(0, read_and_write(self->f, self->readers, &self->writer));
	EXPECT_EQ(writes(WRITES), self->f->left);
}

/* No other reader, who would find that fences can be left out by all. */
TEST_F(exclusion, writer_and_favourite)
{
	int n = writes(is_parallel() ? MANY : WRITES), done = 0;
	uint64_t end = now_ns() + 4 * rounds_ns();

	actor_start(&self->readers[0], read_and_write_alone, self->f, 0);
	for (; !done || (done < n && now_ns() < end); done += FEW)
		EXPECT_EQ(0, actor_do(&self->writer, write_now_and_then,
				      self->f, FEW));
	self->f->stop = true;
	EXPECT_EQ(0, actor_result(&self->readers[0]));
	EXPECT_EQ(done + self->f->own, self->f->left);
}

TEST_F(exclusion, writer_in_sandbox)
{
	long err = actor_do(&self->writer, deny_syscall, NULL,
			    SYS_membarrier);

	if (err)
		SKIP(return, "no filter of system calls: %ld", err);
	EXPECT_EQ(0, read_and_write(self->f, self->readers, &self->writer));
	EXPECT_EQ(writes(WRITES), self->f->left);
}

TEST_HARNESS_MAIN
