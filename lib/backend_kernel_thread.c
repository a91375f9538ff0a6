// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The kernel backend: threads that take the fast path.
 *
 * The kernel gives each thread an id, and a line in memory that both see, where
 * the thread notes what it is engaged in: that is how the kernel knows what to
 * pass on when the thread dies. A thread asks once, at its first use; the first
 * of a process also maps the lines. Where it gets no line (no memory, too many
 * threads), everything goes by ioctl.
 *
 * A child of fork is another process and must not touch what its parent's
 * thread remembers. A page that the kernel wipes at fork tells it so, also when
 * the child was made behind the C library's back.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backend_kernel.h"
#include "fast.h"

static_assert(sizeof(struct ksync_line) == 128, "lines");
static_assert(KSYNC_LINES * sizeof(struct ksync_line) == KSYNC_LINES_SIZE,
	      "lines");

/*
 * Nobody's generation is either of these, so nobody thinks that it has asked. 0 is
 * what the wiped page of a child says, so a new thread must not begin with that.
 */
static uint64_t no_generation = UINT64_MAX;
#define NOT_ASKED	(UINT64_MAX - 1)

uint64_t *kk_generation = &no_generation;
__thread struct kk_self kk_self KK_TLS = { .generation = NOT_ASKED };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *lines;		/* lock: this process's, or NULL */
static uint64_t generation;	/* lock: the last one given out */

/*
 * What a child does not inherit: the generation, and what threads remember, for
 * each line. So who gets a line has that of a thread that has ended, and no end
 * has to be noticed here.
 */
struct wiped {
	uint64_t generation;
	char memory[KSYNC_LINES][KSYNC_FAST_SIZE] __attribute__((aligned(64)));
};

static struct wiped *wiped;	/* lock: NULL before there is any */

/* This process's lines are mapped, of which its threads get theirs. */
static bool process_ready(void)
{
	return wiped && wiped->generation && lines;
}

static bool map_lines(int fd)
{
	void *p;

	if (!wiped)
		wiped = ksync_fast_map(sizeof(*wiped));
	if (!wiped)
		return false;
	p = mmap(NULL, KSYNC_LINES_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		 fd, 0);
	if (p != MAP_FAILED)
		lines = p;
	else
		lines = NULL;
	/* After a fork, what threads remember is another process's. */
	__atomic_store_n(&wiped->generation, ++generation, __ATOMIC_RELAXED);
	__atomic_store_n(&kk_generation, &wiped->generation, __ATOMIC_RELEASE);
	return lines;
}

static bool make_process_ready(void)
{
	int fd = ksync_kernel_device_open();
	bool done;

	if (fd < 0)
		return false;
	done = map_lines(fd);
	close(fd);
	return done;
}

static void get_line(struct ksync_object *obj)
{
	struct ksync_thread_args args = { 0 };

	if (!process_ready() && !make_process_ready())
		return;
	if (kk_command(obj, KSYNC_IOC_OBJ_THREAD, &args))
		return;
	kk_self.line = (struct ksync_line *)((char *)lines + args.offset);
	kk_self.id = args.id;
	ksync_fast_use(wiped->memory[args.offset / sizeof(struct ksync_line)]);
}

/*
 * The calling thread has no line, or had it as another process. Gives it one
 * if that is possible; kk_self.line is NULL if not, until the next fork.
 */
void kk_self_init(struct ksync_object *obj)
{
	int saved = errno;

	ksync_fast_use(NULL);
	memset(&kk_self, 0, sizeof(kk_self));
	kk_self.generation = NOT_ASKED;
	/*
	 * Others are at it, or were, in the process that this was cloned from
	 * without its handlers of fork: not this time.
	 */
	if (pthread_mutex_trylock(&lock))
		return;
	get_line(obj);
	kk_self.generation = *kk_generation;
	pthread_mutex_unlock(&lock);
	errno = saved;
}

static void before_fork(void)
{
	pthread_mutex_lock(&lock);
}

static void after_fork(void)
{
	pthread_mutex_unlock(&lock);
}

static void init_once(void)
{
	pthread_atfork(before_fork, after_fork, after_fork);
}

/* Before the first object that can be mapped. */
void kk_process_init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, init_once);
}
