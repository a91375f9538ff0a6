/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a fuzzer lives in: descriptors of every kind, which its threads close,
 * replace and map under one another, and signals that interrupt them.
 */
#ifndef UAPI_FUZZ_WORLD_H
#define UAPI_FUZZ_WORLD_H

#include "uapi_scribble.h"

#include <setjmp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>

#define VARIANTS	3	/* shared objects of each type; the first guarded */
#define SHARED		(VARIANTS * ARRAY_SIZE(kinds))
#define OWN		12	/* that each process may make for itself */
#define STRANGE		8	/* descriptors of other drivers */
#define SLOTS		(1 + SHARED + OWN + STRANGE)
#define FIRST_OWN	(1 + SHARED)
#define FIRST_STRANGE	(FIRST_OWN + OWN)
#define MOST_FDS	200	/* of one process */
#define MAPPINGS	4

/* The first is the device, then come shared objects, own ones, strange ones. */
static int originals[FIRST_OWN];

/* Of one process, and used by all its threads without any care. */
static struct world {
	int fds[SLOTS];
	int pidfds[2];
	void *mappings[MAPPINGS];
} world;

/* Of one thread. */
struct fuzzer {
	struct random random;
	char *page;		/* writable; one without access comes after it */
	char *constant;		/* likewise, read-only */
};

static inline bool is_guarded(int variant)
{
	return variant == 0;
}

static inline int *shared_slot(int *fds, int kind, int variant)
{
	return &fds[1 + kind * VARIANTS + variant];
}

/* One guarded, one plain, one with all that the type can have. */
static inline int make_originals(int dev)
{
	int i, fd;

	originals[0] = dev;
	for (i = 0; i < (int)SHARED; i++) {
		struct kind few = kinds[i / VARIANTS];
		const struct kind *k = &few;
		const __u32 flags[VARIANTS] = {
			k->flags & (KSYNC_F_GUARDED | KSYNC_F_TRACKED),
			k->flags & KSYNC_F_TRACKED,
			k->flags & ~KSYNC_F_GUARDED,
		};

		/* So few that they are used up, and all be there, at times. */
		few.value = k->value ? 4 : 0;
		few.max = k->value ? 4 : k->max ? 2 : 0;
		fd = create_kind(dev, k, flags[i % VARIANTS], NR);
		if (fd < 0)
			return fd;
		originals[1 + i] = fd;
	}
	return 0;
}

static inline void make_strangers(int *fds)
{
	int pipes[2] = { -1, -1 };

	if (pipe(pipes))
		pipes[0] = -1;
	fds[0] = pipes[0];
	fds[1] = pipes[1];
	fds[2] = open("/dev/null", O_RDWR);
	fds[3] = open(DEVICE, O_PATH);
	fds[4] = epoll_create1(0);
	fds[5] = eventfd(0, EFD_NONBLOCK);
	fds[6] = socket(AF_UNIX, SOCK_DGRAM, 0);
	fds[7] = open("/proc/self/status", O_RDONLY);
}

static inline void make_world(void)
{
	struct rlimit limit = { MOST_FDS, MOST_FDS };
	int i;

	setrlimit(RLIMIT_NOFILE, &limit);
	for (i = 0; i < (int)SLOTS; i++)
		world.fds[i] = i < (int)FIRST_OWN ? dup(originals[i]) : -1;
	make_strangers(world.fds + FIRST_STRANGE);
	world.pidfds[0] = syscall(SYS_pidfd_open, getpid(), 0);
	world.pidfds[1] = syscall(SYS_pidfd_open, getppid(), 0);
}

/* A new descriptor takes the place of another one, which may be in use. */
static inline void adopt(struct random *r, int fd)
{
	int *slot = &world.fds[FIRST_OWN + rnd(r, OWN)];

	if (fd < 0)
		return;
	if (*slot >= 0)
		close(*slot);
	*slot = fd;
}

/* The kind of descriptor that a command is for, most of the time. */
static inline int some_fd(struct random *r, const struct command *k)
{
	size_t i;

	if (one_in(r, 20))
		return world.fds[rnd(r, SLOTS)];
	if (k->on == DEVICE_FD)
		return world.fds[0];
	if (k->on < 0 || one_in(r, 8))
		return world.fds[1 + rnd(r, SHARED + OWN)];
	for (i = 0; i < ARRAY_SIZE(kinds) - 1; i++)
		if (kinds[i].type == (__u32)k->on)
			break;
	return *shared_slot(world.fds, i, rnd(r, VARIANTS));
}

/* A shared object's, -1 if there are none of that type. */
static inline int fd_of_type(struct random *r, __u32 type)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kinds[i].type == type)
			return *shared_slot(world.fds, i, rnd(r, VARIANTS));
	return -1;
}

/* What a wait for several is given: descriptor, index, flags, count, results. */
static inline void fill_items(struct random *r, __u32 *word)
{
	int i, kind;

	for (i = 0; i < 4; i++, word += 6) {
		kind = rnd(r, ARRAY_SIZE(kinds));
		word[0] = *shared_slot(world.fds, kind, rnd(r, VARIANTS));
		word[1] = rnd(r, NR);
		word[2] = kinds[kind].type == KSYNC_TYPE_RWLOCK ? rnd(r, 2) : 0;
		word[3] = kinds[kind].type == KSYNC_TYPE_SEM ? 1 + rnd(r, 3) :
							       0;
		if (one_in(r, 16))
			word[rnd(r, 4)] = boundary(r);
	}
}

/*
 * A signal handler that comes back lets the wait go on; one in eight does not
 * come back.
 */
static __thread volatile bool interruptible;
static __thread sigjmp_buf way_out;
static __thread unsigned int alarms;

static inline void on_alarm(int sig)
{
	if (interruptible && ++alarms % 8 == 0)
		siglongjmp(way_out, 1);
}

static inline void set_alarms(struct random *r)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerval every = { 0 };

	action.sa_flags = SA_NODEFER | (one_in(r, 2) ? SA_RESTART : 0);
	sigaction(SIGALRM, &action, NULL);
	if (one_in(r, 2))
		every.it_interval.tv_usec = 1000 + rnd(r, 20000);
	every.it_value = every.it_interval;
	setitimer(ITIMER_REAL, &every, NULL);
}

/* What is mapped of objects that can be mapped is written all over. */
static inline void scribble_and_keep(struct random *r, const struct fuzzer *f)
{
	void **mapping = &world.mappings[rnd(r, MAPPINGS)];
	int prot = PROT_READ | (one_in(r, 3) ? 0 : PROT_WRITE);
	void *p;

	if (*mapping && one_in(r, 2)) {
		munmap(*mapping, PAGE);
		*mapping = NULL;
		return;
	}
	p = mmap(NULL, PAGE, prot, one_in(r, 8) ? MAP_PRIVATE : MAP_SHARED,
		 world.fds[FIRST_OWN + rnd(r, OWN)],
		 one_in(r, 4) ? (off_t)rnd(r, 8) * PAGE : 0);
	if (p == MAP_FAILED)
		return;
	/* Never unmapped while a thread writes: it is one of its own. */
	if (prot & PROT_WRITE)
		scribble_words(r, p);
	if (__sync_bool_compare_and_swap(mapping, NULL, p))
		return;
	munmap(p, PAGE);
}

/* Where others use it, too, and beside what they use. */
static inline void scribble(struct random *r, const struct fuzzer *f, int fd)
{
	switch (rnd(r, 4)) {
	case 0:
		scribble_slots(r, fd_of_type(r, KSYNC_TYPE_RWLOCK));
		break;
	case 1:
		scribble_lines(r, info(fd).id, 1 + rnd(r, 2));
		break;
	default:
		scribble_and_keep(r, f);
	}
}

static inline void look_around(struct random *r, struct fuzzer *f, int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = rnd(r, 256) };
	struct stat st;
	char text[512];
	int other;

	switch (rnd(r, 8)) {
	case 0:
		poll(&pollfd, 1, 0);
		break;
	case 1:
		fcntl(fd, F_SETFL, one_in(r, 2) ? O_NONBLOCK : 0);
		break;
	case 2:
		if (read(fd, f->page, 0) < 0 && lseek(fd, 8, SEEK_CUR) < 0)
			fstat(fd, &st);
		break;
	case 3:
		snprintf(text, sizeof(text), "/proc/self/fd/%d", fd);
		other = open(text, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		if (other >= 0)
			close(other);
		break;
	case 4: {
		struct epoll_event event = { .events = rnd(r, 256) };

		epoll_ctl(world.fds[FIRST_STRANGE + 4], EPOLL_CTL_ADD, fd,
			  &event);
		epoll_wait(world.fds[FIRST_STRANGE + 4], &event, 1, 0);
		break;
	}
	default:
		snprintf(text, sizeof(text), "/proc/self/fdinfo/%d", fd);
		other = open(text, O_RDONLY | O_CLOEXEC);
		if (other < 0)
			break;
		if (read(other, text, sizeof(text)) < 0)
			lseek(other, 0, SEEK_SET);
		close(other);
	}
}

/* Whatever a process does with descriptors, while other threads use them. */
static inline void rearrange(struct fuzzer *f)
{
	struct random *r = &f->random;
	unsigned int i = rnd(r, FIRST_STRANGE), j = rnd(r, FIRST_STRANGE);
	int fd = world.fds[i];

	switch (rnd(r, 8)) {
	case 0:		/* closed under whoever is in it, and back again */
		close(fd);
		world.fds[i] = i < FIRST_OWN ? dup(originals[i]) : -1;
		break;
	case 1:
		adopt(r, dup(fd));
		break;
	case 2:		/* another object by the same number */
		if (i >= FIRST_OWN && fd >= 0 && world.fds[j] >= 0)
			dup2(world.fds[j], fd);
		break;
	case 3:
		set_alarms(r);
		break;
	case 4:
	case 5:
		scribble(r, f, fd);
		break;
	default:
		look_around(r, f, fd);
	}
}

#endif /* UAPI_FUZZ_WORLD_H */
