// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bad moments: one thread of a process stands at a system call in the midst of
 * something, stopped by ptrace, while another one forks, the process is killed,
 * or a file is cut short. Nobody is bothered by what a child has copied, and
 * nobody is killed for looking.
 *
 * Only the futex backend does system calls in such places: it locks bytes of
 * files, and maps them.
 */

#include "actor.h"

#include <sys/ptrace.h>
#include <sys/wait.h>

/* What the second thread of a process is to do, and how far it is. */
struct second {
	job_fn fn;
	void *obj;
	volatile long tid, go, result;
};

#define NOT_YET	(-200000L)

static void *second_thread(void *arg)
{
	struct second *s = arg;

	s->tid = gettid();
	while (!s->go)
		sleep_ms(1);
	s->result = s->fn(s->obj, 0);
	for (;;)
		pause();
	return NULL;
}

static long start_second(void *arg, uint64_t unused)
{
	pthread_t thread;

	return -pthread_create(&thread, NULL, second_thread, arg);
}

/* A system call at which to stop: at its entry, or its exit. */
struct stop {
	bool at_exit;
	bool (*is)(pid_t tid, const struct __ptrace_syscall_info *call,
		   const char *file);
	const char *file;
};

/* Does the descriptor of the thread lead to a file with this in its path? */
static bool is_of_file(pid_t tid, int fd, const char *file)
{
	char path[64], to[PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)tid, fd);
	n = readlink(path, to, sizeof(to) - 1);
	to[n < 0 ? 0 : n] = '\0';
	return strstr(to, file);
}

/* Somebody is kept out: the only bytes that are locked for that are gates. */
static bool is_gate_lock(pid_t tid, const struct __ptrace_syscall_info *call,
			 const char *file)
{
	int cmd = call->entry.args[1];
	long word;

	if (call->entry.nr != SYS_fcntl ||
	    (cmd != F_OFD_SETLK && cmd != F_OFD_SETLKW) ||
	    !is_of_file(tid, call->entry.args[0], file))
		return false;
	word = ptrace(PTRACE_PEEKDATA, tid, call->entry.args[2], NULL);
	return *(short *)&word == F_WRLCK;
}

/* A descriptor goes for good. */
static bool is_close(pid_t tid, const struct __ptrace_syscall_info *call,
		     const char *file)
{
	return call->entry.nr == SYS_close &&
	       is_of_file(tid, call->entry.args[0], file);
}

static bool next_syscall(pid_t tid, struct __ptrace_syscall_info *call)
{
	int status;

	return !ptrace(PTRACE_SYSCALL, tid, NULL, NULL) &&
	       waitpid(tid, &status, __WALL) == tid && WIFSTOPPED(status) &&
	       ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof(*call), call) > 0;
}

/* Lets the second thread begin, and stops it there. */
static bool stop_second(struct second *s, const struct stop *at)
{
	struct __ptrace_syscall_info call;
	pid_t tid = s->tid;
	int status;

	if (ptrace(PTRACE_SEIZE, tid, NULL, PTRACE_O_TRACESYSGOOD) ||
	    ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) ||
	    waitpid(tid, &status, __WALL) != tid)
		return false;
	s->go = 1;
	while (next_syscall(tid, &call))
		if (call.op == PTRACE_SYSCALL_INFO_ENTRY &&
		    at->is(tid, &call, at->file))
			return !at->at_exit || next_syscall(tid, &call);
		else if (s->result != NOT_YET)
			return false;
	return false;
}

static void let_go(struct second *s)
{
	ptrace(PTRACE_DETACH, s->tid, NULL, NULL);
}

/* The thread, too, has to be waited for by who traced it. */
static void kill_traced(struct actor *a, struct second *s)
{
	kill(a->pid, SIGKILL);
	waitpid(s->tid, NULL, __WALL);
	actor_kill(a);
}

FIXTURE(bad_moments) {
	struct actor parent, other;
	struct second *second;
	pid_t child;
	char name[KSYNC_NAME_LEN];
};

FIXTURE_SETUP(bad_moments)
{
	REQUIRE_BACKEND();
	if (strcmp(ksync_backend(), "futex"))
		SKIP(SKIP_ALL, "the %s backend locks no files",
		     ksync_backend());
	strcpy(self->name, test_name("window"));
	self->second = shared_memory(sizeof(*self->second));
	self->second->result = NOT_YET;
}

FIXTURE_TEARDOWN(bad_moments)
{
	actor_end(&self->parent);
	actor_end(&self->other);
	if (self->child > 0)
		kill(self->child, SIGKILL);
	ksync_unlink(self->name);
}

/* The second thread of @a is stopped at @at while it does @fn. */
static int begin(struct actor *a, struct second *s, job_fn fn, void *obj,
		 const struct stop *at)
{
	s->fn = fn;
	s->obj = obj;
	if (actor_do(a, start_second, s, 0) || !WAIT_FOR(s->tid))
		return -ECHILD;
	return stop_second(s, at) ? 0 : -ENODATA;
}

/* What they do, and what became of the child. */
struct orders {
	char name[KSYNC_NAME_LEN];
	struct ksync_mutex *m;
	volatile long locked;
};

static long open_mutex(void *arg, uint64_t oflag)
{
	struct orders *o = arg;

	return ksync_mutex_open(&o->m, o->name, oflag, 0600, NULL);
}

static long open_exclusively(void *arg, uint64_t unused)
{
	return open_mutex(arg, O_CREAT | O_EXCL);
}

/* S of one that sleeps in the kernel, or t, R... */
static char state_of(pid_t tid)
{
	char path[32], text[256] = "", *p;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)tid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	p = fgets(text, sizeof(text), f) ? strrchr(text, ')') : NULL;
	fclose(f);
	return p ? p[2] : 0;
}

static long fork_locker(void *arg, uint64_t unused)
{
	struct orders *o = arg;
	pid_t test = getppid(), pid = fork();

	if (pid)
		return pid;
	o->locked = ksync_mutex_lock_until(o->m, PATIENTLY) ?: 1;
	/* Not with its parent, but with the test at the latest. */
	while (!kill(test, 0))
		sleep_ms(20);
	_exit(0);
}

static long nothing(void *obj, uint64_t unused)
{
	return 0;
}

/*
 * A thread recovers what somebody dead left, behind the gate. Another one forks,
 * and the process is killed: the child must not take its copy of the gate for
 * somebody else's.
 */
TEST_F(bad_moments, parent_dies_at_the_gate)
{
	const struct stop gate = { true, is_gate_lock, "memfd:ksync" };
	struct orders *o = shared_memory(sizeof(*o));
	struct actor holder;

	ASSERT_EQ(0, ksync_mutex_create(&o->m, NULL));
	ASSERT_EQ(0, actor_begin(&holder, ACTOR_PROCESS));
	ASSERT_EQ(0, actor_begin(&self->parent, ACTOR_PROCESS));
	/* Through with its fork, in which it would look for the dead, too. */
	ASSERT_EQ(0, actor_do(&self->parent, nothing, NULL, 0));
	ASSERT_EQ(0, actor_do(&holder, job_mutex_lock, o->m, 0));
	actor_end(&holder);

	ASSERT_EQ(0, begin(&self->parent, self->second, job_mutex_trylock, o->m,
			   &gate));
	self->child = actor_do(&self->parent, fork_locker, o, 0);
	ASSERT_LT(0, self->child);
	kill_traced(&self->parent, self->second);
	EXPECT_TRUE(WAIT_FOR(o->locked));
	EXPECT_EQ(-EOWNERDEAD, o->locked);
	ksync_mutex_close(o->m);
}

/*
 * The child has no slot yet, and its parent is dead: it is alone with the name,
 * and others are at the gate who look whether anybody has it.
 */
TEST_F(bad_moments, child_waits_at_the_gate)
{
	const struct stop gate = { true, is_gate_lock, self->name };
	struct orders *o = shared_memory(sizeof(*o));
	struct orders *theirs = shared_memory(sizeof(*o));

	strcpy(o->name, self->name);
	strcpy(theirs->name, self->name);
	ASSERT_EQ(0, actor_begin(&self->parent, ACTOR_PROCESS));
	ASSERT_EQ(0, actor_begin(&self->other, ACTOR_PROCESS));
	ASSERT_EQ(0, actor_do(&self->parent, open_mutex, o, O_CREAT));

	ASSERT_EQ(0, begin(&self->other, self->second, open_mutex, theirs,
			   &gate));
	self->child = actor_do(&self->parent, fork_locker, o, 0);
	ASSERT_LT(0, self->child);
	EXPECT_TRUE(WAIT_FOR(state_of(self->child) == 'S'));
	actor_kill(&self->parent);
	EXPECT_EQ(0, ksync_query(self->name, 0, NULL, NULL));
	let_go(self->second);
	EXPECT_TRUE(WAIT_FOR(self->second->result != NOT_YET));
	EXPECT_EQ(0, self->second->result);
	EXPECT_TRUE(WAIT_FOR(o->locked));
	EXPECT_EQ(1, o->locked);
	ASSERT_EQ(0, open_mutex(theirs, 0));
	EXPECT_EQ(-EBUSY, ksync_mutex_trylock(theirs->m));
	ksync_mutex_close(theirs->m);
}

/* A child that does nothing, to the end of the test. */
static long fork_idler(void *arg, uint64_t raw)
{
	pid_t test = getppid(), pid;

	*(volatile long *)arg = gettid();
	/* Behind the C library's back, where the handlers do not run. */
	pid = raw ? syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) : fork();
	if (pid)
		return pid;
	while (!kill(test, 0))
		sleep_ms(20);
	_exit(0);
}

/*
 * A thread that was refused an object is about to let go of its descriptor, by
 * which it had the gate. Another one forks.
 */
static pid_t fork_at_close(struct __test_metadata *_metadata,
			   struct actor *parent, struct actor *other,
			   struct second *second, const char *name, bool raw)
{
	const struct stop close_it = { false, is_close, name };
	struct orders *o = shared_memory(sizeof(*o));
	struct orders *mine = shared_memory(sizeof(*o));
	volatile long *forking = shared_memory(sizeof(*forking));
	pid_t child;

	strcpy(o->name, name);
	strcpy(mine->name, name);
	ASSERT_EQ(0, open_mutex(mine, O_CREAT));
	ASSERT_EQ(0, actor_begin(parent, ACTOR_PROCESS));
	ASSERT_EQ(0, actor_begin(other, ACTOR_PROCESS));
	ASSERT_EQ(0, begin(parent, second, open_exclusively, o,
			   &close_it));
	actor_start(parent, fork_idler, (void *)forking, raw);
	/* It has forked, or waits until it may. */
	EXPECT_TRUE(WAIT_FOR(!actor_busy(parent, 0) ||
			     (*forking && state_of(*forking) == 'S')));
	let_go(second);
	EXPECT_TRUE(WAIT_FOR(second->result != NOT_YET));
	EXPECT_EQ(-EEXIST, second->result);
	child = actor_result(parent);
	EXPECT_LT(0, child);
	EXPECT_EQ(0, actor_do(other, open_mutex, o, 0));
	ksync_mutex_close(mine->m);
	return child;
}

TEST_F(bad_moments, fork_at_close)
{
	self->child = fork_at_close(_metadata, &self->parent, &self->other,
				    self->second, self->name, false);
}

TEST_F(bad_moments, raw_clone_at_close)
{
	self->child = fork_at_close(_metadata, &self->parent, &self->other,
				    self->second, self->name, true);
}

/* A file is opened, by any path. */
static bool is_reopen(pid_t tid, const struct __ptrace_syscall_info *call,
		      const char *file)
{
	return call->entry.nr == SYS_openat &&
	       (call->entry.args[2] & O_ACCMODE) == O_RDWR;
}

static long import_mutex(void *m, uint64_t unused)
{
	struct ksync_mutex *again;

	return ksync_mutex_import(&again, ksync_mutex_fd(m));
}

static int count_it(const struct ksync_info *info,
		    const struct ksync_status *st, void *n)
{
	++*(volatile long *)n;
	return 0;
}

static long raw_clone_lister(void *n, uint64_t unused)
{
	pid_t pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (pid)
		return pid;
	ksync_list(count_it, n);
	_exit(0);
}

/*
 * A thread is about to open a descriptor, and keeps forks away for so long. But
 * not a raw clone, whose child lists before it does anything else.
 */
TEST_F(bad_moments, raw_clone_lists)
{
	const struct stop reopen = { false, is_reopen, NULL };
	volatile long *seen = shared_memory(sizeof(*seen));
	struct orders *mine = shared_memory(sizeof(*mine));
	struct ksync_mutex *m;

	strcpy(mine->name, self->name);
	ASSERT_EQ(0, ksync_mutex_create(&m, NULL));
	ASSERT_EQ(0, actor_begin(&self->parent, ACTOR_PROCESS));
	ASSERT_EQ(0, open_mutex(mine, O_CREAT));
	ASSERT_EQ(0, begin(&self->parent, self->second, import_mutex, m,
			   &reopen));
	self->child = actor_do(&self->parent, raw_clone_lister, (void *)seen, 0);
	ASSERT_LT(0, self->child);
	EXPECT_TRUE(WAIT_FOR(*seen));
	kill_traced(&self->parent, self->second);
	ksync_mutex_close(mine->m);
	ksync_mutex_close(m);
}

/* Memory for all of an object, as large as the file that it stands in. */
static bool is_mmap(pid_t tid, const struct __ptrace_syscall_info *call,
		    const char *file)
{
	struct stat st;

	return call->entry.nr == SYS_mmap && !stat(file, &st) &&
	       call->entry.args[1] == (uint64_t)st.st_size;
}

static long query_name(void *arg, uint64_t unused)
{
	struct orders *o = arg;
	struct ksync_info info;
	struct ksync_status st;

	ksync_query(o->name, 0, &info, &st);
	return 0;
}

/* It shares nothing with an object whose owner may do as he likes. */
TEST_F(bad_moments, cut_short_while_listed)
{
	char path[PATH_MAX];
	const struct stop mapped = { true, is_mmap, path };
	struct orders *o = shared_memory(sizeof(*o));

	snprintf(path, sizeof(path), "/dev/shm/ksync.%s", self->name);
	strcpy(o->name, self->name);
	ASSERT_EQ(0, actor_begin(&self->parent, ACTOR_PROCESS));
	ASSERT_EQ(0, actor_begin(&self->other, ACTOR_PROCESS));
	ASSERT_EQ(0, actor_do(&self->other, open_mutex, o, O_CREAT));
	ASSERT_EQ(0, begin(&self->parent, self->second, query_name, o,
			   &mapped));
	EXPECT_EQ(0, truncate(path, 0));
	let_go(self->second);
	EXPECT_TRUE(WAIT_FOR(self->second->result != NOT_YET));
	EXPECT_EQ(0, self->second->result);
}

TEST_HARNESS_MAIN
