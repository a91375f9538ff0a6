// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who is who: fork, execve, several descriptors of one object, reused PIDs and
 * PID namespaces. What traps locks that know their owners by PID or by file.
 */

#include "death.h"

#include <dirent.h>

/* One of each kind that has an owner. */
struct objects {
	struct ksync_mutex *m;
	struct ksync_rwlock *rw;
	struct ksync_sem *s;
};

FIXTURE(identity) {
	struct objects o;
	struct actor a, b;
	int descriptors;
};

static int count_descriptors(pid_t pid)
{
	char path[64];
	int n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	/* Without "." and "..", and the one that we look through. */
	return n - 2 - (pid == getpid());
}

FIXTURE_SETUP(identity)
{
	struct ksync_options tracked = {
		.flags = KSYNC_TRACKED, .value = 2, .max = 2,
	};

	/* Before the library opens any. */
	self->descriptors = count_descriptors(getpid());
	REQUIRE_BACKEND();
	REQUIRE(KSYNC_G_PROCESS_DEATH);
	ASSERT_EQ(0, ksync_mutex_create(&self->o.m, NULL));
	ASSERT_EQ(0, ksync_rwlock_create(&self->o.rw, NULL));
	ASSERT_EQ(0, ksync_sem_create(&self->o.s, &tracked));
	ASSERT_EQ(0, actor_begin(&self->a, ACTOR_PROCESS));
	ASSERT_EQ(0, actor_begin(&self->b, ACTOR_PROCESS));
}

FIXTURE_TEARDOWN(identity)
{
	actor_end(&self->a);
	actor_end(&self->b);
	ksync_mutex_close(self->o.m);
	ksync_rwlock_close(self->o.rw);
	ksync_sem_close(self->o.s);
}

static long hold_all(void *obj, uint64_t unused)
{
	struct objects *o = obj;
	int err;

	err = ksync_mutex_lock(o->m);
	if (!err)
		err = ksync_rwlock_wrlock(o->rw);
	if (!err)
		err = ksync_sem_acquire(o->s, 2);
	return err;
}

static long try_all(void *obj, uint64_t unused)
{
	struct objects *o = obj;

	return ksync_mutex_trylock(o->m) == -EBUSY &&
	       ksync_rwlock_tryrdlock(o->rw) == -EBUSY &&
	       ksync_sem_tryacquire(o->s, 1) == -EBUSY;
}

/* Tries to give up what somebody else holds. */
static long give_up_all(void *obj, uint64_t unused)
{
	struct objects *o = obj;

	return ksync_mutex_unlock(o->m) == -EPERM &&
	       ksync_rwlock_unlock(o->rw) == -EPERM &&
	       ksync_sem_release(o->s, 1) == -EPERM;
}

static long release_all(void *obj, uint64_t unused)
{
	struct objects *o = obj;
	int err;

	err = ksync_mutex_unlock(o->m);
	if (!err)
		err = ksync_rwlock_unlock(o->rw);
	if (!err)
		err = ksync_sem_release(o->s, 2);
	return err;
}

/* Takes over from one that died holding all. */
static long inherit_all(void *obj, uint64_t unused)
{
	struct objects *o = obj;
	int err;

	err = ksync_mutex_lock_until(o->m, PATIENTLY);
	if (err != -EOWNERDEAD)
		return err ?: -EBADMSG;
	err = ksync_rwlock_wrlock_until(o->rw, PATIENTLY);
	if (err != -EOWNERDEAD)
		return err ?: -EBADMSG;
	return ksync_sem_acquire_until(o->s, 2, PATIENTLY);
}

#define DO(actor, job) actor_do(&self->actor, job, &self->o, 0)

static bool is_alive(pid_t pid)
{
	return pid > 0 && !kill(pid, 0) && waitpid(pid, NULL, WNOHANG) == 0;
}

/* The process goes on under another program: its holds do not. */
TEST_F(identity, exec_holding)
{
	REQUIRE(KSYNC_G_EXEC);
	ASSERT_EQ(0, DO(a, hold_all));
	EXPECT_EQ(1, DO(b, try_all));
	actor_die(&self->a, BY_EXECVE);
	EXPECT_EQ(0, DO(b, inherit_all));
	EXPECT_TRUE(is_alive(self->a.pid));
}

/* The new program starts with none of ksync's descriptors. */
TEST_F(identity, exec_closes_descriptors)
{
	ASSERT_EQ(0, DO(a, hold_all));
	EXPECT_LT(self->descriptors + 1, count_descriptors(self->a.pid));
	actor_die(&self->a, BY_EXECVE);
	/* One for the actor to speak through. */
	EXPECT_EQ(self->descriptors + 1, count_descriptors(self->a.pid));
}

/* A failed execve is no death. */
static long exec_nothing(void *obj, uint64_t unused)
{
	execl("/nonexistent/program", "program", NULL);
	return -errno;
}

TEST_F(identity, failed_exec_holding)
{
	ASSERT_EQ(0, DO(a, hold_all));
	EXPECT_EQ(-ENOENT, DO(a, exec_nothing));
	EXPECT_EQ(1, DO(b, try_all));
	EXPECT_EQ(0, DO(a, release_all));
	EXPECT_EQ(0, DO(b, hold_all));
}

/* The parent keeps it, the child has nothing, and may die as it likes. */
TEST_F(identity, fork_holding)
{
	enum road roads[] = { BY_EXIT, BY__EXIT, BY_SIGKILL, BY_EXECVE };
	struct actor child;
	int i;

	ASSERT_EQ(0, hold_all(&self->o, 0));
	for (i = 0; i < ARRAY_SIZE(roads); i++) {
		ASSERT_EQ(0, actor_begin(&child, ACTOR_PROCESS));
		EXPECT_EQ(1, actor_do(&child, try_all, &self->o, 0));
		EXPECT_EQ(1, actor_do(&child, give_up_all, &self->o, 0));
		actor_die(&child, roads[i]);
		EXPECT_EQ(1, DO(b, try_all));
		actor_end(&child);
	}
	/* Past the time by which a death would have been noticed. */
	EXPECT_EQ(-ETIMEDOUT,
		  actor_do(&self->b, job_mutex_lock, self->o.m,
			   no_death_ms()));
	EXPECT_EQ(getpid(), mutex_status(self->o.m).holder_pid);
	EXPECT_EQ(0, release_all(&self->o, 0));
	EXPECT_EQ(0, DO(b, hold_all));
	EXPECT_EQ(0, mutex_status(self->o.m).deaths);
	EXPECT_EQ(0, rwlock_status(self->o.rw).deaths);
	EXPECT_EQ(0, sem_status(self->o.s).deaths);
}

static long fork_idler(void *obj, uint64_t program)
{
	pid_t test = getppid(), pid = fork();

	if (pid)
		return pid;
	if (program)
		execl("/proc/self/exe", "selftest", "--after-exec", "-1", NULL);
	/* Not with its parent, but with the test at the latest. */
	while (!kill(test, 0))
		sleep_ms(50);
	_exit(0);
}

/*
 * The holder dies, and its child, which has a copy of everything the holder
 * had, lives on: files and locks on them are shared by it, holds are not.
 */
TEST_F(identity, fork_outlives_holder)
{
	long idler;

	ASSERT_EQ(0, DO(a, hold_all));
	idler = DO(a, fork_idler);
	ASSERT_LT(0, idler);
	actor_kill(&self->a);
	EXPECT_EQ(0, DO(b, inherit_all));
	EXPECT_EQ(0, kill(idler, SIGKILL));
}

/* The same, forked before the parent used anything. */
TEST_F(identity, fork_before_holding)
{
	long idler = DO(a, fork_idler);

	ASSERT_LT(0, idler);
	ASSERT_EQ(0, DO(a, hold_all));
	actor_kill(&self->a);
	EXPECT_EQ(0, DO(b, inherit_all));
	EXPECT_EQ(0, kill(idler, SIGKILL));
}

struct family {
	struct objects o;
	volatile long alone, first, result;
};

/* Makes the objects, too: the child has them from nobody else. */
static long found_family(void *obj, uint64_t unused)
{
	struct ksync_options tracked = {
		.flags = KSYNC_TRACKED, .value = 2, .max = 2,
	};
	struct family *f = obj;
	pid_t test = getppid(), pid;
	int err;

	err = ksync_mutex_create(&f->o.m, NULL) ?:
	      ksync_rwlock_create(&f->o.rw, NULL) ?:
	      ksync_sem_create(&f->o.s, &tracked) ?: hold_all(&f->o, 0);
	if (err)
		return err;
	pid = fork();
	if (pid)
		return pid;
	while (!f->alone && !kill(test, 0))
		sleep_ms(1);
	f->result = inherit_all(&f->o, 0) ?: 1;
	_exit(0);
}

/* It was the first to have them, and the child has what it had mapped. */
TEST_F(identity, fork_outlives_maker)
{
	struct family *f = shared_memory(sizeof(*f));

	long child = actor_do(&self->a, found_family, f, 0);

	ASSERT_LT(0, child);
	actor_kill(&self->a);
	f->alone = 1;
	EXPECT_TRUE(WAIT_FOR(f->result));
	EXPECT_EQ(1, f->result);
	kill(child, SIGKILL);
}

/* The same, and the child never does more than to look. */
static long raw_clone_looker(void *arg, uint64_t unused)
{
	pid_t test = getppid(), pid;
	struct family *f = arg;

	pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (pid)
		return pid;
	f->first = ksync_sem_value(f->o.s) + 1;
	while (!f->alone && !kill(test, 0))
		sleep_ms(1);
	while (!f->result && !kill(test, 0))
		if (ksync_sem_value(f->o.s) == 2)
			f->result = 1;
	_exit(0);
}

TEST_F(identity, raw_clone_looks_after_holder)
{
	struct family *f = shared_memory(sizeof(*f));
	long child;

	f->o = self->o;
	ASSERT_EQ(0, DO(a, hold_all));
	child = actor_do(&self->a, raw_clone_looker, f, 0);
	ASSERT_LT(0, child);
	EXPECT_TRUE(WAIT_FOR(f->first));
	EXPECT_EQ(1, f->first);
	actor_kill(&self->a);
	f->alone = 1;
	EXPECT_TRUE(WAIT_FOR(f->result));
	kill(child, SIGKILL);
}

TEST_F(identity, fork_and_exec_outlives_holder)
{
	long idler;

	ASSERT_EQ(0, DO(a, hold_all));
	idler = actor_do(&self->a, fork_idler, NULL, true);
	ASSERT_LT(0, idler);
	actor_kill(&self->a);
	EXPECT_EQ(0, DO(b, inherit_all));
	EXPECT_EQ(0, kill(idler, SIGKILL));
}

/* Descriptors that are not the one it was locked through come and go. */
static long close_others(void *obj, uint64_t unused)
{
	struct objects *o = obj;
	struct ksync_mutex *m;
	struct ksync_rwlock *rw;
	struct ksync_sem *s;
	int err;

	err = ksync_mutex_import(&m, ksync_mutex_fd(o->m));
	if (!err)
		err = ksync_rwlock_import(&rw, ksync_rwlock_fd(o->rw));
	if (!err)
		err = ksync_sem_import(&s, ksync_sem_fd(o->s));
	if (err)
		return err;
	ksync_mutex_close(m);
	ksync_rwlock_close(rw);
	ksync_sem_close(s);
	close(dup(ksync_mutex_fd(o->m)));
	close(dup(ksync_rwlock_fd(o->rw)));
	close(dup(ksync_sem_fd(o->s)));
	return 0;
}

TEST_F(identity, close_other_fd)
{
	ASSERT_EQ(0, DO(a, hold_all));
	EXPECT_EQ(0, DO(a, close_others));
	EXPECT_EQ(0, DO(b, close_others));
	EXPECT_EQ(1, DO(b, try_all));
	EXPECT_EQ(-ETIMEDOUT,
		  actor_do(&self->b, job_mutex_lock, self->o.m,
			   no_death_ms()));
	EXPECT_EQ(0, DO(a, release_all));
	EXPECT_EQ(0, DO(b, hold_all));
	EXPECT_EQ(0, mutex_status(self->o.m).deaths);
}

/* Even when it is the very handle, as long as there is another. */
TEST_F(identity, close_locking_handle)
{
	struct ksync_mutex *m;

	ASSERT_EQ(0, ksync_mutex_import(&m, ksync_mutex_fd(self->o.m)));
	ASSERT_EQ(0, ksync_mutex_lock(m));
	ksync_mutex_close(m);
	EXPECT_EQ(-EBUSY, actor_do(&self->b, job_mutex_trylock, self->o.m, 0));
	EXPECT_EQ(-ETIMEDOUT,
		  actor_do(&self->b, job_mutex_lock, self->o.m,
			   no_death_ms()));
	EXPECT_EQ(-EDEADLK, ksync_mutex_lock(self->o.m));
	EXPECT_EQ(0, ksync_mutex_unlock(self->o.m));
}

/* Asks the kernel for @pid as the next one; others may be quicker. */
static bool begin_with_pid(struct actor *a, pid_t pid)
{
	int tries, fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY);
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", (int)pid - 1);

	for (tries = 0; fd >= 0 && tries < 200; tries++) {
		if (pwrite(fd, text, len, 0) != len ||
		    actor_begin(a, ACTOR_PROCESS))
			break;
		if (a->pid == pid) {
			close(fd);
			return true;
		}
		actor_end(a);
	}
	close(fd);
	return false;
}

/* The dead holder's PID belongs to another process now. */
TEST_F(identity, pid_reuse)
{
	pid_t pid = self->a.pid;
	struct actor heir;

	if (access("/proc/sys/kernel/ns_last_pid", W_OK))
		SKIP(return, "not permitted to choose PIDs");
	ASSERT_EQ(0, DO(a, hold_all));
	actor_kill(&self->a);
	if (!begin_with_pid(&heir, pid))
		SKIP(return, "could not get PID %d again", (int)pid);
	EXPECT_EQ(1, actor_do(&heir, give_up_all, &self->o, 0));
	EXPECT_EQ(0, DO(b, inherit_all));
	EXPECT_EQ(1, actor_do(&heir, try_all, &self->o, 0));
	actor_end(&heir);
}

/* And the other way round: the heir gets the lock, not a self-deadlock. */
TEST_F(identity, pid_reuse_by_next_holder)
{
	pid_t pid = self->a.pid;
	struct actor heir;

	if (access("/proc/sys/kernel/ns_last_pid", W_OK))
		SKIP(return, "not permitted to choose PIDs");
	ASSERT_EQ(0, DO(a, hold_all));
	actor_kill(&self->a);
	if (!begin_with_pid(&heir, pid))
		SKIP(return, "could not get PID %d again", (int)pid);
	EXPECT_EQ(0, actor_do(&heir, inherit_all, &self->o, 0));
	EXPECT_EQ(1, DO(b, try_all));
	actor_end(&heir);
}

/* A process of its own in front, which the kernel takes along when it dies. */
static int begin_in_namespace(struct actor *a)
{
	int ends[2];
	pid_t init;

	*a = (struct actor){ .kind = ACTOR_PROCESS, .sock = -1, .theirs = -1 };
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -errno;
	a->sock = ends[0];
	a->pid = fork_child();
	if (!a->pid) {
		close(ends[0]);
		if (unshare(CLONE_NEWPID))
			_exit(1);
		init = fork_child();
		if (!init)
			actor_child(ACTOR_PROCESS, ends[1]);
		close(ends[1]);
		waitpid(init, NULL, 0);
		_exit(0);
	}
	close(ends[1]);
	return 0;
}

static long own_pid(void *obj, uint64_t unused)
{
	return getpid();
}

static long holder_seen(void *obj, uint64_t unused)
{
	struct objects *o = obj;
	struct ksync_status st = mutex_status(o->m);

	return st.held == 1 ? st.holder_pid : -ENOENT;
}

/* Both are PID 1, each in its own namespace, and not to be confused. */
TEST_F(identity, pid_namespace)
{
	struct actor one, two;
	long seen;

	REQUIRE(KSYNC_G_PID_NAMESPACES);
	ASSERT_EQ(0, begin_in_namespace(&one));
	ASSERT_EQ(0, begin_in_namespace(&two));
	if (actor_do(&one, own_pid, NULL, 0) != 1 ||
	    actor_do(&two, own_pid, NULL, 0) != 1)
		SKIP(goto out, "not permitted to make PID namespaces");

	ASSERT_EQ(0, actor_do(&one, hold_all, &self->o, 0));
	EXPECT_EQ(1, actor_do(&one, holder_seen, &self->o, 0));
	/* Visible from out here, but not every backend can say so. */
	seen = holder_seen(&self->o, 0);
	EXPECT_EQ(seen > 1 || (!seen && strcmp(ksync_backend(), "kernel")),
		  true)
		TH_LOG("holder %ld", seen);
	EXPECT_EQ(0, actor_do(&two, holder_seen, &self->o, 0));
	EXPECT_EQ(1, actor_do(&two, try_all, &self->o, 0));
	EXPECT_EQ(1, actor_do(&two, give_up_all, &self->o, 0));
	EXPECT_EQ(-ETIMEDOUT,
		  actor_do(&two, job_mutex_lock, self->o.m,
			   no_death_ms()));
	actor_end(&one);
	EXPECT_EQ(0, actor_do(&two, inherit_all, &self->o, 0));
	/* And out of a namespace into the one around it. */
	EXPECT_EQ(1, DO(b, try_all));
	actor_end(&two);
	EXPECT_EQ(0, DO(b, inherit_all));
	return;
out:
	actor_end(&one);
	actor_end(&two);
}

DEATH_HARNESS_MAIN
