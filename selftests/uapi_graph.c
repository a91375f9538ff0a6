// SPDX-License-Identifier: GPL-2.0-only
/*
 * The graph of waits, as far as the caller may see it.
 */
#include "uapi_cycle.h"

#define NAME	"uapi-graph"
#define NOBODY	65534

FIXTURE(graph)
{
	int dev;
	int m;
	int rw;
	int sem;
	int plain;	/* not tracked */
	int wg;
	struct peer a, b, c;
};

FIXTURE_SETUP(graph)
{
	report_init();
	self->dev = device_open();
	ASSERT_LE(0, self->dev);
	self->m = open_name(self->dev, NAME, KSYNC_TYPE_MUTEX,
			    KSYNC_OPEN_CREATE, 0600);
	self->rw = create(self->dev, KSYNC_TYPE_RWLOCK, 0, 2);
	self->sem = create_sem(self->dev, KSYNC_F_TRACKED, 3, 3);
	self->plain = create_sem(self->dev, 0, 1, 3);
	self->wg = create(self->dev, KSYNC_TYPE_WAITGROUP, 0, 1);
	ASSERT_LE(0, self->m);
	ASSERT_LE(0, self->rw);
	ASSERT_LE(0, self->sem);
	ASSERT_LE(0, self->plain);
	ASSERT_LE(0, self->wg);
	ASSERT_EQ(0, peer_fork(&self->a));
	ASSERT_EQ(0, peer_fork(&self->b));
	ASSERT_EQ(0, peer_fork(&self->c));
}

FIXTURE_TEARDOWN(graph)
{
	peers_end();
	munmap(report, sizeof(*report));
}

TEST_F(graph, nobody_waits)
{
	EXPECT_EQ(0, graph(self->dev));
	EXPECT_EQ(0, report->args.flags);
	EXPECT_EQ(0, report->args.total);
}

TEST_F(graph, a_holder_that_does_not_wait)
{
	pid_t a = self->a.pid, me_ = getpid();

	ASSERT_EQ(0, me(mutex_lock(self->m, NEVER)));
	start(&self->a, mutex_lock(self->m, soon()));
	ASSERT_TRUE(queued(self->m, 1, 0));
	ASSERT_EQ(1, graph(self->dev));
	EXPECT_TRUE(edge_is(0, (struct expected){
		a, self->m, 0, WANT_X, 1, me_, HELD_X, 1 }));
	EXPECT_EQ(0, me(mutex_unlock(self->m)));
	EXPECT_EQ(0, answer(&self->a));
	EXPECT_EQ(0, graph(self->dev));
}

/* Of readers those that wait are named, of the others there is a number. */
TEST_F(graph, readers)
{
	pid_t a = self->a.pid, b = self->b.pid;
	struct ksync_graph_edge *e = report->edge;

	ASSERT_EQ(0, me(mutex_lock(self->m, NEVER)));
	ASSERT_EQ(0, me(at(1, rwlock_rdlock(self->rw, NEVER))));
	ASSERT_EQ(0, me(at(1, rwlock_rdlock(self->rw, NEVER))));
	ASSERT_EQ(0, ask(&self->a, at(1, rwlock_rdlock(self->rw, NEVER))));
	start(&self->a, mutex_lock(self->m, NEVER));
	ASSERT_TRUE(queued(self->m, 1, 0));
	start(&self->b, at(1, rwlock_wrlock(self->rw, NEVER)));
	ASSERT_TRUE(queued_at(self->rw, 1, 1, 0));
	start(&self->c, at(1, rwlock_rdlock(self->rw, NEVER)));
	ASSERT_TRUE(queued_at(self->rw, 1, 1, 1));
	ASSERT_EQ(4, graph(self->dev));
	/* Threads come in the order of their first use of ksync. */
	EXPECT_TRUE(edge_is(0, (struct expected){
		a, self->m, 0, WANT_X, 1, getpid(), HELD_X, 1 }));
	EXPECT_TRUE(edge_is(1, (struct expected){
		b, self->rw, 1, WANT_X, 1, a, HELD_S, 1 }));
	EXPECT_EQ(b, e[2].waiter_pid);
	EXPECT_EQ(0, e[2].holder_pid);
	EXPECT_STREQ("", e[2].holder_comm);
	EXPECT_EQ(HELD_S, e[2].held);
	EXPECT_EQ(2, e[2].count);
	EXPECT_TRUE(edge_is(3, (struct expected){
		self->c.pid, self->rw, 1, WANT_S, 1, b, HELD_Q, 1 }));
}

TEST_F(graph, permits_and_what_has_no_owner)
{
	pid_t a = self->a.pid, b = self->b.pid;
	struct ksync_graph_edge *e = report->edge;

	ASSERT_EQ(0, me(sem_acquire(self->sem, 1, NEVER)));
	ASSERT_EQ(0, me(waitgroup_add(self->wg, 1)));
	ASSERT_EQ(0, ask(&self->a, sem_acquire(self->sem, 2, NEVER)));
	start(&self->a, waitgroup_wait(self->wg, NEVER));
	ASSERT_TRUE(queued(self->wg, 0, 1));
	start(&self->b, sem_acquire(self->sem, 3, NEVER));
	ASSERT_TRUE(queued(self->sem, 1, 0));
	ASSERT_EQ(3, graph(self->dev));
	EXPECT_EQ(a, e[0].waiter_pid);
	EXPECT_EQ(info(self->wg).id, e[0].object);
	EXPECT_EQ(KSYNC_EDGE_WANT_END, e[0].want);
	EXPECT_EQ(KSYNC_EDGE_HELD_NOBODY, e[0].held);
	EXPECT_EQ(0, e[0].holder_pid);
	EXPECT_TRUE(edge_is(1, (struct expected){
		b, self->sem, 0, WANT_P, 3, a, HELD_P, 2 }));
	EXPECT_EQ(b, e[2].waiter_pid);
	EXPECT_EQ(0, e[2].holder_pid);
	EXPECT_EQ(HELD_P, e[2].held);
	EXPECT_EQ(1, e[2].count);
}

TEST_F(graph, permits_that_nobody_owns)
{
	start(&self->a, sem_acquire(self->plain, 2, NEVER));
	ASSERT_TRUE(queued(self->plain, 1, 0));
	ASSERT_EQ(1, graph(self->dev));
	EXPECT_EQ(self->a.pid, (pid_t)report->edge[0].waiter_pid);
	EXPECT_EQ(2, report->edge[0].wanted);
	EXPECT_EQ(KSYNC_EDGE_HELD_NOBODY, report->edge[0].held);
	EXPECT_EQ(0, report->edge[0].holder_pid);
	EXPECT_EQ(0, me(sem_release(self->plain, 1)));
	EXPECT_EQ(0, answer(&self->a));
}

static int edges_seen_by_nobody(void *arg)
{
	CHECK(!setresgid(NOBODY, NOBODY, NOBODY));
	CHECK(!setresuid(NOBODY, NOBODY, NOBODY));
	return graph(*(int *)arg);
}

/* Of other users' objects only those that may be read by their name. */
TEST_F(graph, of_another_user)
{
	int readable;

	if (geteuid())
		SKIP(return, "needs root, to become another user");
	readable = open_name(self->dev, NAME "-readable", KSYNC_TYPE_MUTEX,
			     KSYNC_OPEN_CREATE, 0644);
	ASSERT_LE(0, readable);
	/* This one was there before the object was. */
	peer_kill(&self->c);
	ASSERT_EQ(0, peer_fork(&self->c));
	ASSERT_EQ(0, me(mutex_lock(self->m, NEVER)));
	ASSERT_EQ(0, me(mutex_lock(readable, NEVER)));
	ASSERT_EQ(0, me(rwlock_wrlock(self->rw, NEVER)));
	start(&self->a, mutex_lock(self->m, NEVER));
	ASSERT_TRUE(queued(self->m, 1, 0));
	start(&self->b, rwlock_rdlock(self->rw, NEVER));
	ASSERT_TRUE(queued(self->rw, 0, 1));
	EXPECT_EQ(2, graph(self->dev));
	EXPECT_EQ(0, in_child(edges_seen_by_nobody, &self->dev));
	start(&self->c, mutex_lock(readable, NEVER));
	ASSERT_TRUE(UNTIL(graph(self->dev) == 3));
	EXPECT_EQ(1, in_child(edges_seen_by_nobody, &self->dev));
	EXPECT_STREQ(NAME "-readable", report->edge[0].name);
}

/* Run by a peer that gave up its rights: refused, and what it then sees. */
static int refused_as_nobody(struct call *c)
{
	if (setresgid(NOBODY, NOBODY, NOBODY) ||
	    setresuid(NOBODY, NOBODY, NOBODY))
		return -errno;
	return call_run(c);
}

/* Objects of a cycle that are not the caller's business have no name. */
TEST_F(graph, a_cycle_through_what_is_not_visible)
{
	struct ksync_graph_edge *e = report->edge;
	pid_t a = self->a.pid, b = self->b.pid, c = self->c.pid;

	if (geteuid())
		SKIP(return, "needs root, to become another user");
	ASSERT_EQ(0, ask(&self->a, at(0, rwlock_wrlock(self->rw, NEVER))));
	ASSERT_EQ(0, ask(&self->b, mutex_lock(self->m, NEVER)));
	ASSERT_EQ(0, ask(&self->c, at(1, rwlock_wrlock(self->rw, NEVER))));
	start(&self->b, at(1, rwlock_rdlock(self->rw, NEVER)));
	ASSERT_TRUE(queued_at(self->rw, 1, 0, 1));
	start(&self->a, mutex_lock(self->m, NEVER));
	ASSERT_TRUE(queued(self->m, 1, 0));
	start_fn(&self->c, refused_as_nobody,
		 at(0, rwlock_rdlock(self->rw, NEVER)));
	EXPECT_EQ(-EDEADLK, answer(&self->c));
	ASSERT_EQ(3, cycle_of(&self->c, self->dev));
	EXPECT_TRUE(edge_is(0, (struct expected){
		c, self->rw, 0, WANT_S, 1, a, HELD_X, 1 }));
	EXPECT_EQ(a, e[1].waiter_pid);
	EXPECT_EQ(b, e[1].holder_pid);
	EXPECT_EQ(KSYNC_TYPE_MUTEX, e[1].type);
	EXPECT_EQ(0, e[1].object);
	EXPECT_STREQ("", e[1].name);
	EXPECT_TRUE(edge_is(2, (struct expected){
		b, self->rw, 1, WANT_S, 1, c, HELD_X, 1 }));
}

TEST_F(graph, bad_arguments)
{
	struct ksync_graph_args good = {
		.edges = (uintptr_t)report->edge, .room = 4,
		.size = sizeof(report->edge[0]),
	}, args;
	static const unsigned int cmds[] = { KSYNC_IOC_DEV_GRAPH,
					     KSYNC_IOC_DEV_CYCLE };
	int i;

	/* One edge for each. */
	ASSERT_EQ(0, me(mutex_lock(self->m, NEVER)));
	ASSERT_EQ(-EDEADLK, me(mutex_lock(self->m, NEVER)));
	start(&self->a, mutex_lock(self->m, soon()));
	ASSERT_TRUE(queued(self->m, 1, 0));
#define TRY(change) (args = good, change, \
		     ioctl(self->dev, cmds[i], &args) ? -errno : (int)args.nr)
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(1, TRY((void)0));
		EXPECT_EQ(-EINVAL, TRY(args.size--));
		EXPECT_EQ(-EINVAL, TRY(args.size = 0));
		EXPECT_EQ(-EINVAL, TRY(args.size = 4097));
		EXPECT_EQ(-EINVAL, TRY(args.room = KSYNC_GRAPH_ROOM_MAX + 1));
		EXPECT_EQ(-EINVAL, TRY(args.room = ~0U));
		EXPECT_EQ(-EFAULT, TRY(args.edges = 0));
		EXPECT_EQ(-EFAULT, TRY(args.edges = ~0ULL));
		EXPECT_EQ(-EFAULT, TRY(args.edges = ~0ULL - 4096));
		EXPECT_EQ(0, TRY(args.room = 0));
		EXPECT_EQ(KSYNC_GRAPH_PARTIAL, args.flags);
		/* A later version's element is filled with zeros. */
		memset(report->edge, 0xff, 4096);
		EXPECT_EQ(1, TRY(args.size = 512));
		EXPECT_EQ(0, ((char *)report->edge)[sizeof(report->edge[0])]);
		EXPECT_EQ(0, ((char *)report->edge)[511]);
		EXPECT_EQ(-1, ((char *)report->edge)[512]);
	}
	EXPECT_EQ(0, me(mutex_unlock(self->m)));
	EXPECT_EQ(0, answer(&self->a));
}

UAPI_MAIN
