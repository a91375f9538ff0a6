// SPDX-License-Identifier: GPL-2.0-only
/* Ten thousand waiters on one object, and as many objects as one can have. */

#include "gates.h"

/* Threads: a process each would measure something else. */
struct crowd {
	const struct gate *ops;
	void *g;
	pthread_t *threads;
	unsigned int size;
	unsigned int done;	/* atomically */
	long error;
};

static void *member(void *arg)
{
	struct crowd *c = arg;
	long err = c->ops->wait(c->g, 0);

	if (!err)
		err = c->ops->leave(c->g, 0);
	if (err)
		__atomic_store_n(&c->error, err, __ATOMIC_RELAXED);
	__atomic_add_fetch(&c->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* What this machine can have: 10,000 of them, or fewer where memory is short. */
static unsigned int crowd_size(void)
{
	unsigned long kb = 0, threads = 0;
	unsigned int size = machine_is_slow() ? 100 : 10000;
	char line[256];
	FILE *f = fopen("/proc/meminfo", "re");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %lu", &kb) == 1)
			break;
	if (f)
		fclose(f);
	f = fopen("/proc/sys/kernel/pid_max", "re");
	if (f && fscanf(f, "%lu", &threads) == 1 && size > threads / 3)
		size = threads / 3;
	if (f)
		fclose(f);
	/* Stack, kernel stack, task: about 48 KiB each; not all the memory. */
	if (size > kb / 96)
		size = kb / 96;
	return size;
}

static int gather(struct crowd *c)
{
	pthread_attr_t attr;
	unsigned int i;
	int err = 0;

	c->threads = calloc(c->size, sizeof(*c->threads));
	c->done = 0;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN + 16384);
	pthread_attr_setguardsize(&attr, 0);
	for (i = 0; i < c->size && !err; i++)
		err = pthread_create(&c->threads[i], &attr, member, c);
	if (err)
		c->size = i - 1;
	return err;
}

static void dismiss(struct crowd *c)
{
	unsigned int i;

	for (i = 0; i < c->size; i++)
		pthread_join(c->threads[i], NULL);
	free(c->threads);
}

FIXTURE(crowd) {
	struct crowd c;
};

FIXTURE_VARIANT(crowd) {
	const struct gate *ops;
};

GATE_VARIANT(crowd, mutex, mutex_gate);
GATE_VARIANT(crowd, fifo_mutex, fifo_gate);
GATE_VARIANT(crowd, readers, writer_and_readers);
GATE_VARIANT(crowd, sem, permit);
GATE_VARIANT(crowd, waitgroup, group);

FIXTURE_SETUP(crowd)
{
	REQUIRE_BACKEND();
	REQUIRE(variant->ops->needs);
	self->c.ops = variant->ops;
	self->c.g = variant->ops->create();
	ASSERT_NE(NULL, self->c.g);
}

FIXTURE_TEARDOWN(crowd)
{
	if (self->c.g)
		variant->ops->close(self->c.g);
}

/* How long it takes for @size waiters to get through; 0 if they do not. */
static uint64_t pass_through(struct crowd *c, unsigned int size)
{
	uint64_t began;

	c->size = size;
	if (c->ops->shut(c->g, 0) || gather(c) ||
	    !WAIT_FOR(c->ops->waiters(c->g) == size))
		return 0;
	began = now_ns();
	if (c->ops->open(c->g, 0) ||
	    !WAIT_FOR(__atomic_load_n(&c->done, __ATOMIC_ACQUIRE) == size))
		return 0;
	began = now_ns() - began;
	dismiss(c);
	return began ?: 1;
}

/*
 * Ten times as many take ten times as long. A cost that grows with the square
 * is a hundred times; between the two there is room for a loaded machine. What
 * such a machine does to one of the two measurements, it does not do each time.
 */
TEST_F_TIMEOUT(crowd, many_waiters, 100)
{
	uint64_t room = (machine_is_slow() ? 10 : 2) * NSEC_PER_SEC;
	unsigned int size = crowd_size(), tries = 3;
	uint64_t few, many;

	do {
		few = pass_through(&self->c, size / 10);
		ASSERT_NE(0, few);
		many = pass_through(&self->c, size);
		ASSERT_NE(0, many);
		printf("# %u waiters: %llu us; %u: %llu us\n", size / 10,
		       (unsigned long long)few / 1000, size,
		       (unsigned long long)many / 1000);
	} while (--tries && many >= 40 * few + room);
	EXPECT_GT(40 * few + room, many);
	EXPECT_EQ(0, self->c.error);
	EXPECT_EQ(0, variant->ops->waiters(self->c.g));
}

/* Each with a deadline of its own, and they all come at about the same time. */
static void *impatient_member(void *arg)
{
	struct crowd *c = arg;
	long err = c->ops->wait(c->g, 300);

	if (err != -ETIMEDOUT)
		__atomic_store_n(&c->error, err ?: 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&c->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

TEST_F_TIMEOUT(crowd, many_deadlines, 60)
{
	struct crowd *c = &self->c;
	unsigned int i, size = machine_is_slow() ? 100 : 500;
	pthread_t threads[500];

	ASSERT_EQ(0, c->ops->shut(c->g, 0));
	for (i = 0; i < size; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, impatient_member,
					    c));
	for (i = 0; i < size; i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(0, c->error);
	EXPECT_EQ(0, c->ops->waiters(c->g));
	EXPECT_EQ(0, c->ops->open(c->g, 0));
}

TEST_HARNESS_MAIN
