// SPDX-License-Identifier: GPL-2.0-only
/* Queues of messages: order, limits, ends, and deaths at any instruction. */

#include "stepper.h"
#include "all_processors.h"

#include <fcntl.h>

#define SLOTS 5

/* Long enough to be seen half written. */
struct message {
	uint64_t nr[32];
};

static struct message message(uint64_t nr)
{
	struct message m;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(m.nr); i++)
		m.nr[i] = nr + i;
	return m;
}

static bool whole(const struct message *m)
{
	struct message as_pushed = message(m->nr[0]);

	return !memcmp(m, &as_pushed, sizeof(*m));
}

FIXTURE(queue) {
	struct ksync_queue *q;
	struct actor a, b;
};

FIXTURE_SETUP(queue)
{
	REQUIRE_BACKEND();
	ASSERT_EQ(0, ksync_queue_create(&self->q, SLOTS,
					sizeof(struct message)));
	ASSERT_EQ(0, actor_begin(&self->a, ACTOR_PROCESS));
	ASSERT_EQ(0, actor_begin(&self->b, ACTOR_PROCESS));
}

FIXTURE_TEARDOWN(queue)
{
	actor_end(&self->a);
	actor_end(&self->b);
	ksync_queue_close(self->q);
}

static long push(struct ksync_queue *q, uint64_t nr, const struct ksync_wait *w)
{
	struct message m = message(nr);

	return ksync_queue_push_until(q, &m, w);
}

/* The message's number, or a negative errno. */
static long pop(struct ksync_queue *q, const struct ksync_wait *w)
{
	struct message m;
	int err = ksync_queue_pop_until(q, &m, w);

	if (err)
		return err;
	return whole(&m) ? (long)m.nr[0] : -EBADMSG;
}

static long job_push(void *q, uint64_t nr)
{
	return push(q, nr, PATIENTLY);
}

static long job_pop(void *q, uint64_t ms)
{
	return pop(q, within(ms));
}

TEST_F(queue, first_in_first_out)
{
	long i, k;

	for (k = 0; k < 20; k++) {
		for (i = 0; i < SLOTS; i++)
			ASSERT_EQ(0, push(self->q, 100 * k + i, NULL));
		EXPECT_EQ(SLOTS, ksync_queue_length(self->q));
		EXPECT_EQ(-ETIMEDOUT, push(self->q, 0, within(5)));
		for (i = 0; i < SLOTS; i++)
			ASSERT_EQ(100 * k + i, actor_do(&self->a, job_pop,
							self->q, 0));
		EXPECT_EQ(0, ksync_queue_length(self->q));
		EXPECT_EQ(-ETIMEDOUT, pop(self->q, within(5)));
	}
}

TEST_F(queue, wait_for_a_message)
{
	long i;

	for (i = 0; i < 20; i++) {
		actor_start(&self->a, job_pop, self->q, 0);
		actor_start(&self->b, job_pop, self->q, 0);
		if (!i)
			EXPECT_TRUE(actor_busy(&self->a, WATCH_MS));
		ASSERT_EQ(0, push(self->q, 7, NULL));
		ASSERT_EQ(0, push(self->q, 7, NULL));
		ASSERT_EQ(7, actor_result(&self->a));
		ASSERT_EQ(7, actor_result(&self->b));
	}
}

TEST_F(queue, wait_for_room)
{
	long i;

	for (i = 0; i < SLOTS; i++)
		ASSERT_EQ(0, push(self->q, i, NULL));
	actor_start(&self->a, job_push, self->q, SLOTS);
	EXPECT_TRUE(actor_busy(&self->a, WATCH_MS));
	EXPECT_EQ(0, pop(self->q, NULL));
	EXPECT_EQ(0, actor_result(&self->a));
	for (i = 1; i <= SLOTS; i++)
		EXPECT_EQ(i, pop(self->q, NULL));
}

TEST_F(queue, end)
{
	actor_start(&self->a, job_pop, self->q, 0);
	ASSERT_EQ(0, push(self->q, 1, NULL));
	ASSERT_EQ(1, actor_result(&self->a));
	actor_start(&self->a, job_pop, self->q, 0);
	actor_start(&self->b, job_pop, self->q, 0);
	EXPECT_TRUE(actor_busy(&self->a, WATCH_MS));
	ASSERT_EQ(0, ksync_queue_end(self->q));
	EXPECT_EQ(-EPIPE, actor_result(&self->a));
	EXPECT_EQ(-EPIPE, actor_result(&self->b));
	EXPECT_EQ(-EPIPE, push(self->q, 2, NULL));
}

TEST_F(queue, what_was_pushed_before_the_end)
{
	long i;

	for (i = 0; i < SLOTS; i++)
		ASSERT_EQ(0, push(self->q, i, NULL));
	actor_start(&self->a, job_push, self->q, SLOTS);
	EXPECT_TRUE(actor_busy(&self->a, WATCH_MS));
	ASSERT_EQ(0, ksync_queue_end(self->q));
	EXPECT_EQ(-EPIPE, actor_result(&self->a));
	for (i = 0; i < SLOTS; i++)
		ASSERT_EQ(i, pop(self->q, NULL));
	EXPECT_EQ(-EPIPE, pop(self->q, NULL));
}

TEST_F(queue, cancel_wait)
{
	struct ksync_event *token;
	struct ksync_wait w;

	REQUIRE(KSYNC_G_CANCEL);
	ASSERT_EQ(0, ksync_event_create(&token, NULL));
	w = (struct ksync_wait){ .cancel = token };
	ASSERT_EQ(0, ksync_event_set(token));
	EXPECT_EQ(-ECANCELED, pop(self->q, &w));
	EXPECT_EQ(0, push(self->q, 3, &w));
	EXPECT_EQ(3, pop(self->q, &w));
	ksync_event_close(token);
}

TEST_F(queue, import)
{
	struct ksync_queue *other;
	int fds[KSYNC_QUEUE_FDS], wrong[KSYNC_QUEUE_FDS];

	ksync_queue_fds(self->q, fds);
	ASSERT_EQ(0, ksync_queue_import(&other, fds));
	ASSERT_EQ(0, push(other, 9, NULL));
	EXPECT_EQ(9, pop(self->q, NULL));
	ASSERT_EQ(0, push(self->q, 10, NULL));
	ksync_queue_close(self->q);
	EXPECT_EQ(10, pop(other, NULL));
	self->q = other;

	ksync_queue_fds(self->q, fds);
	memcpy(wrong, fds, sizeof(fds));
	wrong[2] = open("/dev/null", O_RDWR | O_CLOEXEC);
	EXPECT_EQ(-EINVAL, ksync_queue_import(&other, wrong));
	EXPECT_EQ(NULL, other);
	close(wrong[2]);
	/* One that a peer could cut off. */
	wrong[2] = memfd_create("queue", MFD_CLOEXEC);
	ASSERT_EQ(0, ftruncate(wrong[2], 4096));
	EXPECT_EQ(-EINVAL, ksync_queue_import(&other, wrong));
	close(wrong[2]);
	wrong[2] = fds[2];
	wrong[0] = fds[1];
	EXPECT_NE(0, ksync_queue_import(&other, wrong));
}

TEST_F(queue, bad_input)
{
	int fds[KSYNC_QUEUE_FDS], i, mutexes;
	struct ksync_queue *q;

	ksync_queue_fds(NULL, fds);
	for (i = 0; i < KSYNC_QUEUE_FDS; i++)
		EXPECT_EQ(-EINVAL, fds[i]);
	ksync_queue_fds(self->q, fds);
	mutexes = fds[0];
	fds[0] = fds[2];
	errno = 4711;
	EXPECT_EQ(-EINVAL, ksync_queue_import(&q, fds));
	fds[0] = mutexes;
	fds[2] = mutexes;
	EXPECT_EQ(-EINVAL, ksync_queue_import(&q, fds));
	fds[2] = -1;
	EXPECT_EQ(-EINVAL, ksync_queue_import(&q, fds));
	EXPECT_EQ(4711, errno);
	EXPECT_EQ(-EINVAL, ksync_queue_create(&q, 0, 8));
	EXPECT_EQ(-EINVAL, ksync_queue_create(&q, 1, 0));
	EXPECT_EQ(-EINVAL, ksync_queue_create(&q, KSYNC_QUEUE_SLOTS_MAX + 1, 1));
	EXPECT_EQ(-EINVAL, ksync_queue_create(&q, 1, KSYNC_QUEUE_SIZE_MAX + 1));
	EXPECT_EQ(NULL, q);
	EXPECT_EQ(-EINVAL, ksync_queue_create(NULL, 1, 1));
	EXPECT_EQ(-EINVAL, ksync_queue_import(&q, NULL));
	EXPECT_EQ(-EINVAL, ksync_queue_push(self->q, NULL));
	EXPECT_EQ(-EINVAL, ksync_queue_pop(self->q, NULL));
	EXPECT_EQ(-EINVAL, ksync_queue_pop(NULL, &q));
	EXPECT_EQ(-EINVAL, ksync_queue_end(NULL));
	EXPECT_EQ(0, ksync_queue_length(NULL));
	ksync_queue_close(NULL);
}

/* Numbers that grow, from each of those who push. */
#define SENDERS 2
#define SENDER(nr) ((nr) >> 32)

static void send_for_ever(struct ksync_queue *q, uint64_t sender)
{
	uint64_t nr = sender << 32;

	while (!push(q, nr++, NULL))
		;
	_exit(2);
}

static void receive_for_ever(struct ksync_queue *q)
{
	long last[SENDERS] = { -1, -1 }, nr;

	while ((nr = pop(q, NULL)) >= 0) {
		if (SENDER(nr) >= SENDERS || nr <= last[SENDER(nr)])
			_exit(3);
		last[SENDER(nr)] = nr;
	}
	_exit(nr == -EBADMSG ? 4 : 5);
}

static int killed(pid_t pid)
{
	int wstatus = 0;

	kill(pid, SIGKILL);
	waitpid(pid, &wstatus, 0);
	return WIFSIGNALED(wstatus) ? 0 : WEXITSTATUS(wstatus);
}

/*
 * Those who push and one who pops are killed at random instants. The one that
 * is left takes what is there, though nobody comes and wakes it; all messages are
 * whole, and no room is lost.
 */
TEST_F(queue, die_in_window)
{
	uint64_t seed = test_seed();
	pid_t pids[SENDERS + 2];
	int i, k;

	for_each_round(i, 40) {
		for (k = 0; k < SENDERS + 2; k++) {
			pids[k] = fork_child();
			if (!pids[k] && k < SENDERS)
				send_for_ever(self->q, k);
			if (!pids[k])
				receive_for_ever(self->q);
		}
		for (k = 0; k < SENDERS + 1; k++) {
			sleep_ns(next_random(&seed) % (3 * NSEC_PER_MSEC));
			ASSERT_EQ(0, killed(pids[k]));
		}
		ASSERT_TRUE(WAIT_FOR(!ksync_queue_length(self->q)));
		ASSERT_EQ(0, killed(pids[k]));
		for (k = 0; k < SLOTS; k++)
			ASSERT_EQ(0, push(self->q, k, PATIENTLY));
		ASSERT_EQ(-ETIMEDOUT, push(self->q, k, within(1)));
		for (k = 0; k < SLOTS; k++)
			ASSERT_EQ(k, pop(self->q, PATIENTLY));
	}
}

/* Likewise those who wait for room. */
TEST_F(queue, die_waiting_for_room)
{
	uint64_t seed = test_seed();
	pid_t pids[3];
	int i, k;

	for_each_round(i, 40) {
		for (k = 0; k < 3; k++) {
			pids[k] = fork_child();
			if (!pids[k] && k < 2)
				send_for_ever(self->q, k);
			if (!pids[k])
				receive_for_ever(self->q);
		}
		/* First the one that pops. */
		for (k = 2; k > 0; k--) {
			sleep_ns(next_random(&seed) % (3 * NSEC_PER_MSEC));
			ASSERT_EQ(0, killed(pids[k]));
		}
		ASSERT_TRUE(WAIT_FOR(ksync_queue_length(self->q) == SLOTS));
		ASSERT_EQ(0, killed(pids[0]));
		for (k = 0; k < SLOTS; k++)
			ASSERT_LE(0, pop(self->q, PATIENTLY));
		ASSERT_EQ(-ETIMEDOUT, pop(self->q, within(1)));
	}
}

/* However long it takes to move the other one there by single steps. */
static long job_push_at_last(void *q, uint64_t nr)
{
	return push(q, nr, NULL);
}

static long job_pop_at_last(void *q, uint64_t unused)
{
	return pop(q, NULL);
}

/* A push into an empty queue or a pop from a full one; the other waits. */
struct crossing {
	struct ksync_queue *q;
	struct victim_calls calls;
	struct victim_notes *notes;
	uint32_t before;		/* messages */
	uint64_t steps;			/* to the change, the last time */
};

/* Step by step: to the first one after which others see it. */
static bool changes(struct crossing *x, struct victim *v)
{
	do {
		if (!victim_go(v, v->steps + 1, NULL, NULL) || v->over)
			return false;
	} while (ksync_queue_length(x->q) == x->before);
	x->steps = v->steps;
	return true;
}

/* Before the change, or some instructions after it; then it is killed. */
static bool killed_near_change(struct crossing *x, uint64_t *seed)
{
	uint64_t near = next_random(seed) % 160;
	struct victim v;
	bool there = victim_begin(&v, &x->calls, x->q, x->notes);

	if (there && x->steps > near && next_random(seed) % 3 == 0)
		there = victim_go(&v, x->steps - near, NULL, NULL);
	else if (there)
		/* Calls are alike: single steps only at the end. */
		there = victim_go(&v, x->steps * 3 / 4, NULL, NULL) &&
			changes(x, &v) &&
			victim_go(&v, v.steps + near, NULL, NULL);
	victim_kill(&v);
	return there;
}

static void crossing_make(struct crossing *x, struct ksync_queue *q, bool pushes)
{
	x->q = q;
	x->notes = shared_memory(sizeof(*x->notes));
	x->calls.call = pushes ? job_push : job_pop;
	x->before = pushes ? 0 : SLOTS;
}

/* The message is there, whole, and who waits for it knows; or it is not. */
TEST_F_TIMEOUT(queue, die_pushing, 150)
{
	uint64_t seed = test_seed();
	struct crossing x = {};
	long nr;
	int i;

	crossing_make(&x, self->q, true);
	for_each_round(i, 60) {
		x.calls.arg = 1000 + i;
		actor_start(&self->b, job_pop_at_last, self->q, 0);
		ASSERT_TRUE(actor_busy(&self->b, 2));
		ASSERT_TRUE(killed_near_change(&x, &seed));
		ASSERT_TRUE(WAIT_FOR(!ksync_queue_length(self->q)));
		/* Whether or not the other had that one. */
		ASSERT_EQ(0, push(self->q, 2000 + i, PATIENTLY));
		nr = actor_result(&self->b);
		if (nr == 1000 + i)
			nr = pop(self->q, PATIENTLY);
		ASSERT_EQ(2000 + i, nr);
	}
}

TEST_F_TIMEOUT(queue, die_popping, 150)
{
	uint64_t seed = test_seed();
	struct crossing x = {};
	int i, k;

	crossing_make(&x, self->q, false);
	for (k = 0; k < SLOTS; k++)
		ASSERT_EQ(0, push(self->q, k, PATIENTLY));
	for_each_round(i, 60) {
		actor_start(&self->b, job_push_at_last, self->q, k + i);
		ASSERT_TRUE(actor_busy(&self->b, 2));
		ASSERT_TRUE(killed_near_change(&x, &seed));
		ASSERT_TRUE(WAIT_FOR(ksync_queue_length(self->q) == SLOTS));
		ASSERT_LE(0, pop(self->q, PATIENTLY));
		ASSERT_EQ(0, actor_result(&self->b));
		if (ksync_queue_length(self->q) < SLOTS)
			ASSERT_EQ(0, push(self->q, k + i, PATIENTLY));
		ASSERT_EQ(SLOTS, ksync_queue_length(self->q));
	}
}

TEST_HARNESS_MAIN
