// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events through the raw interface: set, reset, who is let go, and events tied
 * to events.
 */
#include "uapi_peer.h"

FIXTURE(event)
{
	int dev;
	int manual, reset;	/* with three primitives each, not set */
	struct peer a, b, c;
};

FIXTURE_VARIANT(event)
{
	__u32 flags;
};

FIXTURE_VARIANT_ADD(event, plain)
{
	.flags = 0,
};

FIXTURE_VARIANT_ADD(event, guarded)
{
	.flags = KSYNC_F_GUARDED,
};

FIXTURE_SETUP(event)
{
	self->dev = device_open();
	ASSERT_LE(0, self->dev);
	self->manual = create_event(self->dev, variant->flags, 3, 0);
	self->reset = create_event(self->dev,
				   variant->flags | KSYNC_F_AUTO_RESET, 3, 0);
	ASSERT_LE(0, self->manual);
	ASSERT_LE(0, self->reset);
	ASSERT_EQ(0, peer_fork(&self->a));
	ASSERT_EQ(0, peer_fork(&self->b));
	ASSERT_EQ(0, peer_fork(&self->c));
}

FIXTURE_TEARDOWN(event)
{
	peers_end();
	close(self->manual);
	close(self->reset);
	close(self->dev);
}

TEST_F(event, value_at_first)
{
	int fd = create_event(self->dev, variant->flags, 2, 1);

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, status(self->manual).value);
	EXPECT_EQ(1, status(fd).value);
	EXPECT_EQ(1, status_of(fd, 1).value);
	EXPECT_EQ(0, me(event_wait(fd, NEVER)));
	EXPECT_EQ(-EINVAL, create_event(self->dev, variant->flags, 1, 2));
	close(fd);
}

TEST_F(event, manual_stays_set)
{
	EXPECT_EQ(-ETIMEDOUT, me(event_wait(self->manual, LONG_AGO)));
	ASSERT_EQ(0, me(event_set(self->manual)));
	EXPECT_EQ(0, me(event_wait(self->manual, LONG_AGO)));
	EXPECT_EQ(0, ask(&self->a, event_wait(self->manual, LONG_AGO)));
	EXPECT_EQ(0, me(event_set(self->manual)));
	EXPECT_EQ(1, status(self->manual).value);
	EXPECT_EQ(1, status(self->manual).token);
	ASSERT_EQ(0, me(event_reset(self->manual)));
	EXPECT_EQ(2, status(self->manual).token);
	EXPECT_EQ(-ETIMEDOUT, me(event_wait(self->manual, LONG_AGO)));
	EXPECT_EQ(0, status_of(self->manual, 1).value);
}

TEST_F(event, auto_is_taken_once)
{
	ASSERT_EQ(0, me(event_set(self->reset)));
	ASSERT_EQ(0, me(event_set(self->reset)));
	EXPECT_EQ(0, me(event_wait(self->reset, LONG_AGO)));
	EXPECT_EQ(0, status(self->reset).value);
	EXPECT_EQ(-ETIMEDOUT, me(event_wait(self->reset, LONG_AGO)));
	ASSERT_EQ(0, me(event_set(self->reset)));
	ASSERT_EQ(0, me(event_reset(self->reset)));
	EXPECT_EQ(-ETIMEDOUT, me(event_wait(self->reset, LONG_AGO)));
}

TEST_F(event, manual_lets_all_go)
{
	start(&self->a, event_wait(self->manual, NEVER));
	start(&self->b, event_wait(self->manual, soon()));
	start(&self->c, at(1, event_wait(self->manual, NEVER)));
	ASSERT_TRUE(queued(self->manual, 0, 2));
	ASSERT_TRUE(queued_at(self->manual, 1, 0, 1));
	ASSERT_EQ(0, me(event_set(self->manual)));
	/* Whoever was there is let go, whatever comes right after. */
	ASSERT_EQ(0, me(event_reset(self->manual)));
	EXPECT_EQ(0, answer(&self->a));
	EXPECT_EQ(0, answer(&self->b));
	EXPECT_TRUE(silent(&self->c));
	EXPECT_EQ(2, status(self->manual).acquisitions);
	EXPECT_TRUE(queued_at(self->manual, 1, 0, 1));
}

TEST_F(event, auto_lets_one_go_in_order)
{
	start(&self->a, event_wait(self->reset, NEVER));
	ASSERT_TRUE(queued(self->reset, 1, 0));
	start(&self->b, event_wait(self->reset, NEVER));
	ASSERT_TRUE(queued(self->reset, 2, 0));
	ASSERT_EQ(0, me(event_set(self->reset)));
	EXPECT_EQ(0, answer(&self->a));
	EXPECT_TRUE(silent(&self->b));
	EXPECT_EQ(0, status(self->reset).value);
	EXPECT_EQ(-ETIMEDOUT, ask(&self->c, event_wait(self->reset, LONG_AGO)));
	ASSERT_EQ(0, me(event_set(self->reset)));
	EXPECT_EQ(0, answer(&self->b));
	EXPECT_EQ(0, status(self->reset).value);
}

TEST_F(event, deadline)
{
	__u64 deadline = in_ms(20);

	EXPECT_EQ(-ETIMEDOUT, ask(&self->a, event_wait(self->reset, deadline)));
	EXPECT_LE(deadline, now_ns());
	EXPECT_TRUE(queued(self->reset, 0, 0));
	/* What nobody took is there for the next one. */
	ASSERT_EQ(0, me(event_set(self->reset)));
	EXPECT_EQ(0, ask(&self->b, event_wait(self->reset, NEVER)));
}

TEST_F(event, timeout_race)
{
	int i, ret;

	for (i = 0; i < 60; i++) {
		start(&self->a, event_wait(self->reset, now_ns() + i * 6000));
		ASSERT_EQ(0, me(event_set(self->reset)));
		ret = answer(&self->a);
		ASSERT_TRUE(!ret || ret == -ETIMEDOUT);
		/* It was taken, or it is still there. */
		ASSERT_EQ(ret ? 0 : -ETIMEDOUT,
			  me(event_wait(self->reset, LONG_AGO)));
	}
}

TEST_F(event, die_waiting)
{
	start(&self->a, event_wait(self->reset, NEVER));
	ASSERT_TRUE(queued(self->reset, 1, 0));
	start(&self->b, event_wait(self->reset, NEVER));
	ASSERT_TRUE(queued(self->reset, 2, 0));
	peer_kill(&self->a);
	EXPECT_TRUE(queued(self->reset, 1, 0));
	ASSERT_EQ(0, me(event_set(self->reset)));
	EXPECT_EQ(0, answer(&self->b));
}

static int ignored;

static void ignore(int sig)
{
	ignored++;
}

static int wait_with_a_handler(struct call *c)
{
	struct sigaction sa = { .sa_handler = ignore };

	sigaction(SIGUSR1, &sa, NULL);
	return call_run(c);
}

TEST_F(event, signal_wait)
{
	start_fn(&self->a, wait_with_a_handler, event_wait(self->reset, NEVER));
	ASSERT_TRUE(queued(self->reset, 1, 0));
	start(&self->b, event_wait(self->reset, NEVER));
	ASSERT_TRUE(queued(self->reset, 2, 0));
	kill(self->a.pid, SIGUSR1);
	usleep(2000);
	EXPECT_TRUE(queued(self->reset, 2, 0));
	ASSERT_EQ(0, me(event_set(self->reset)));
	EXPECT_EQ(0, answer(&self->a));
	EXPECT_TRUE(silent(&self->b));
}

/* Ties the event @child of the auto-reset object to @parent of the other. */
static int tie(int reset, __u32 child, int manual, __u32 parent)
{
	return me(at(child, event_set_parent(reset, manual, parent)));
}

TEST_F(event, parent_sets_child)
{
	ASSERT_EQ(0, tie(self->reset, 0, self->manual, 2));
	ASSERT_EQ(0, tie(self->reset, 1, self->manual, 2));
	start(&self->a, event_wait(self->reset, NEVER));
	ASSERT_TRUE(queued(self->reset, 1, 0));
	EXPECT_EQ(0, status_of(self->reset, 1).value);
	ASSERT_EQ(0, me(at(2, event_set(self->manual))));
	EXPECT_EQ(0, answer(&self->a));
	EXPECT_EQ(1, status_of(self->reset, 1).value);
	EXPECT_EQ(0, status_of(self->reset, 2).value);
	/* Nothing else passes, and setting what is set is nothing new. */
	ASSERT_EQ(0, me(at(1, event_reset(self->reset))));
	ASSERT_EQ(0, me(at(2, event_set(self->manual))));
	EXPECT_EQ(0, status_of(self->reset, 1).value);
	ASSERT_EQ(0, me(at(2, event_reset(self->manual))));
	EXPECT_EQ(0, status_of(self->reset, 1).value);
	/* It is tied still. */
	ASSERT_EQ(0, me(at(2, event_set(self->manual))));
	EXPECT_EQ(1, status_of(self->reset, 1).value);
}

TEST_F(event, parent_that_is_set_already)
{
	ASSERT_EQ(0, me(at(1, event_set(self->manual))));
	ASSERT_EQ(0, tie(self->reset, 0, self->manual, 1));
	EXPECT_EQ(1, status(self->reset).value);
}

TEST_F(event, untied)
{
	ASSERT_EQ(0, me(event_set_parent(self->reset, KSYNC_NO_FD, 0)));
	ASSERT_EQ(0, tie(self->reset, 0, self->manual, 1));
	ASSERT_EQ(0, tie(self->reset, 0, self->manual, 2));
	ASSERT_EQ(0, me(at(1, event_set(self->manual))));
	EXPECT_EQ(0, status(self->reset).value);
	ASSERT_EQ(0, me(event_set_parent(self->reset, KSYNC_NO_FD, 0)));
	ASSERT_EQ(0, me(at(2, event_set(self->manual))));
	EXPECT_EQ(0, status(self->reset).value);
}

TEST_F(event, parent_lives_with_its_child)
{
	__u32 objects = device_info(self->dev).objects;
	int parent = create_event(self->dev, 0, 1, 0);
	int child = create_event(self->dev, 0, 1, 0);

	ASSERT_EQ(0, me(event_set_parent(parent, self->manual, 0)));
	ASSERT_EQ(0, me(event_set_parent(child, parent, 0)));
	close(parent);
	EXPECT_EQ(objects + 2, device_info(self->dev).objects);
	ASSERT_EQ(0, me(event_set(self->manual)));
	EXPECT_EQ(1, status(child).value);
	close(child);
	EXPECT_EQ(objects, device_info(self->dev).objects);
	/* And nothing of them is in the way of what comes. */
	ASSERT_EQ(0, me(event_reset(self->manual)));
	EXPECT_EQ(0, me(event_set(self->manual)));
}

/* Each object keeps the one before it, whose end is only then. */
TEST_F(event, long_line_of_objects)
{
	__u32 objects = device_info(self->dev).objects;
	int i, next, last = create_event(self->dev, 0, 2, 0);

	ASSERT_LE(0, last);
	for (i = 1; i < 2000; i++) {
		next = create_event(self->dev, 0, 2, 0);
		ASSERT_LE(0, next);
		ASSERT_EQ(0, me(at(1, event_set_parent(next, last, 0))));
		close(last);
		last = next;
	}
	EXPECT_EQ(objects + 2000, device_info(self->dev).objects);
	close(last);
	EXPECT_EQ(objects, device_info(self->dev).objects);
}

TEST_F(event, no_cycles)
{
	int fds[KSYNC_EVENT_DEPTH_MAX + 2], i;

	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = create_event(self->dev, 0, 1, 0);
		ASSERT_LE(0, fds[i]);
	}
	EXPECT_EQ(-ELOOP, me(event_set_parent(fds[0], fds[0], 0)));
	for (i = 1; i <= KSYNC_EVENT_DEPTH_MAX; i++)
		ASSERT_EQ(0, me(event_set_parent(fds[i], fds[i - 1], 0)));
	EXPECT_EQ(-ELOOP, me(event_set_parent(fds[i], fds[i - 1], 0)));
	EXPECT_EQ(-ELOOP, me(event_set_parent(fds[0], fds[i - 1], 0)));
	EXPECT_EQ(-ELOOP, me(event_set_parent(fds[0], fds[1], 0)));
	EXPECT_EQ(-EBUSY, me(event_set_parent(fds[0], self->manual, 0)));
	/* What was refused has changed nothing. */
	ASSERT_EQ(0, me(event_set(fds[0])));
	for (i = 1; i <= KSYNC_EVENT_DEPTH_MAX; i++)
		EXPECT_EQ(1, status(fds[i]).value);
	EXPECT_EQ(0, status(fds[i]).value);
	for (i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

/* Whatever is tied to what, nothing stays when all is closed. */
TEST_F(event, leftovers)
{
	__u32 objects = device_info(self->dev).objects;
	int a = create_event(self->dev, variant->flags, 3, 0);
	int b = create_event(self->dev, variant->flags, 3, 0);

	/* In one object. */
	ASSERT_EQ(0, tie(a, 0, a, 1));
	ASSERT_EQ(0, tie(b, 0, b, 1));
	ASSERT_EQ(0, tie(b, 2, b, 0));
	EXPECT_EQ(-ELOOP, tie(b, 1, b, 2));
	ASSERT_EQ(0, me(at(1, event_set(b))));
	EXPECT_EQ(1, status_of(b, 2).value);
	/* In two that would keep each other alive. */
	EXPECT_EQ(-EBUSY, tie(b, 1, a, 2));
	ASSERT_EQ(0, tie(b, 2, a, 2));
	EXPECT_EQ(-ELOOP, tie(a, 2, b, 2));
	EXPECT_EQ(-ELOOP, tie(a, 0, b, 0));
	close(a);
	EXPECT_EQ(objects + 2, device_info(self->dev).objects);
	close(b);
	EXPECT_EQ(objects, device_info(self->dev).objects);
}

TEST_F_TIMEOUT(event, too_many_children, 120)
{
	int fd = create_event(self->dev, 0, KSYNC_EVENT_CHILDREN_MAX + 1, 0);
	__u32 i;

	ASSERT_LE(0, fd);
	for (i = 0; i < KSYNC_EVENT_CHILDREN_MAX; i++)
		ASSERT_EQ(0, me(at(i, event_set_parent(fd, self->manual, 0))));
	EXPECT_EQ(-EMLINK, me(at(i, event_set_parent(fd, self->manual, 0))));
	/* The same parent once more needs no place more. */
	EXPECT_EQ(0, me(at(5, event_set_parent(fd, self->manual, 0))));
	ASSERT_EQ(0, me(event_set(self->manual)));
	for (i = 0; i < KSYNC_EVENT_CHILDREN_MAX; i++)
		ASSERT_EQ(1, status_of(fd, i).value);
	EXPECT_EQ(0, status_of(fd, i).value);
	close(fd);
}

TEST_F(event, bad_parents)
{
	int mutex = create(self->dev, KSYNC_TYPE_MUTEX, 0, 1);

	EXPECT_EQ(-EINVAL, tie(self->manual, 0, self->reset, 0));
	EXPECT_EQ(-EINVAL, tie(self->reset, 0, mutex, 0));
	EXPECT_EQ(-EINVAL, tie(self->reset, 0, self->dev, 0));
	EXPECT_EQ(-EINVAL, tie(self->reset, 0, self->manual, 3));
	EXPECT_EQ(-EINVAL, tie(self->reset, 3, self->manual, 0));
	EXPECT_EQ(-EBADF, tie(self->reset, 0, -2, 0));
	EXPECT_EQ(-EBADF, tie(self->reset, 0, 1 << 20, 0));
	EXPECT_EQ(-EINVAL, tie(self->reset, 0, KSYNC_NO_FD, 1));
	close(mutex);
}

static int fds_of_the_storm[3];

/* Sets, resets and ties at random, for as long as the test lives. */
static int tie_at_random(struct call *c)
{
	unsigned int dice = getpid(), i;

	for (i = 0; i < 1500; i++) {
		int *fds = fds_of_the_storm;
		struct call next;

		dice = dice * 1664525 + 1013904223;
		switch (dice >> 29) {
		case 0:
		case 1:
			next = event_set(fds[(dice >> 8) % 3]);
			break;
		case 2:
		case 3:
			next = event_reset(fds[(dice >> 8) % 3]);
			break;
		case 4:
			next = event_set_parent(fds[1], KSYNC_NO_FD, 0);
			break;
		case 5:
			next = event_wait(fds[(dice >> 8) % 3],
					  now_ns() + 20000);
			break;
		default:
			next = event_set_parent(fds[1 + (dice >> 12) % 2],
						fds[(dice >> 8) % 2], 0);
		}
		call_run(&next);
	}
	return 0;
}

/* Nothing is left of it, and what is tied then works. */
TEST_F(event, tied_and_untied_all_the_time)
{
	__u32 objects = device_info(self->dev).objects;
	int i, *fds = fds_of_the_storm;
	struct peer p[3];

	for (i = 0; i < 3; i++)
		fds[i] = create_event(self->dev, i == 2 ? KSYNC_F_AUTO_RESET :
				      0, 1, 0);
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, peer_fork(&p[i]));
	for (i = 0; i < 3; i++)
		start_fn(&p[i], tie_at_random, (struct call){ 0 });
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, answer(&p[i]));
	for (i = 0; i < 3; i++)
		me(event_set_parent(fds[i], KSYNC_NO_FD, 0));
	ASSERT_EQ(0, me(event_set_parent(fds[1], fds[0], 0)));
	ASSERT_EQ(0, me(event_set_parent(fds[2], fds[1], 0)));
	for (i = 2; i >= 0; i--)
		ASSERT_EQ(0, me(event_reset(fds[i])));
	EXPECT_EQ(0, status(fds[2]).value);
	ASSERT_EQ(0, me(event_set(fds[0])));
	EXPECT_EQ(1, status(fds[2]).value);
	for (i = 0; i < 3; i++)
		peer_end(&p[i]);
	for (i = 0; i < 3; i++)
		close(fds[i]);
	EXPECT_EQ(objects, device_info(self->dev).objects);
}

UAPI_MAIN
