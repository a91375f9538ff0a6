// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guarded mutex costs: instructions for one lock and unlock, in user
 * space and kernel together, and the same for a mutex of /dev/ntsync where
 * that is present.
 *
 * Only for a guest that counts instructions (QEMU's -icount shift=0), where
 * 1 ns of the guest's clock is one instruction. There KSYNC_COST_CEILING says
 * how many there may be; without it nothing is judged.
 */
#include "uapi.h"

#define BATCHES	10
#define PAIRS	2000

/* From <linux/ntsync.h>, which most systems do not have yet. */
struct ntsync_mutex_args {
	__u32 owner;
	__u32 count;
};

struct ntsync_wait_args {
	__u64 timeout;
	__u64 objs;
	__u32 count;
	__u32 index;
	__u32 flags;
	__u32 owner;
	__u32 alert;
	__u32 pad;
};

#define NTSYNC_IOC_WAIT_ANY	_IOWR('N', 0x82, struct ntsync_wait_args)
#define NTSYNC_IOC_CREATE_MUTEX	_IOW('N', 0x84, struct ntsync_mutex_args)
#define NTSYNC_IOC_MUTEX_UNLOCK	_IOWR('N', 0x85, struct ntsync_mutex_args)

static int ksync_pair(int dev, int fd)
{
	struct ksync_lock_args lock = { .deadline = NEVER };
	struct ksync_index_args unlock = { 0 };

	return ioctl(fd, KSYNC_IOC_MUTEX_LOCK, &lock) ?:
	       ioctl(fd, KSYNC_IOC_MUTEX_UNLOCK, &unlock);
}

static int ntsync_pair(int dev, int fd)
{
	struct ntsync_mutex_args unlock = { .owner = 1 };
	struct ntsync_wait_args wait = {
		.timeout = UINT64_MAX,
		.objs = (unsigned long)&fd,
		.count = 1,
		.owner = 1,
	};

	return ioctl(dev, NTSYNC_IOC_WAIT_ANY, &wait) ?:
	       ioctl(fd, NTSYNC_IOC_MUTEX_UNLOCK, &unlock);
}

/* The guest may have other things to do: only what this thread takes counts. */
static __u64 own_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

/* ns for one pair, in the best of some batches; negative when it failed. */
static long cost(int (*pair)(int dev, int fd), int dev, int fd)
{
	long best = -EIO, ns;
	int batch, i;
	__u64 begin;

	for (batch = 0; batch < BATCHES; batch++) {
		begin = own_ns();
		for (i = 0; i < PAIRS; i++)
			if (pair(dev, fd))
				return -errno;
		ns = (own_ns() - begin) / PAIRS;
		if (best < 0 || ns < best)
			best = ns;
	}
	return best;
}

/* Of another driver; not every kernel has it. */
static long ntsync_cost(void)
{
	struct ntsync_mutex_args args = { 0 };
	int dev = open("/dev/ntsync", O_RDWR | O_CLOEXEC);
	long ret;
	int fd;

	if (dev < 0)
		return -errno;
	fd = ioctl(dev, NTSYNC_IOC_CREATE_MUTEX, &args);
	ret = fd < 0 ? -errno : cost(ntsync_pair, dev, fd);
	close(fd);
	close(dev);
	return ret;
}

TEST(guarded_mutex)
{
	const char *ceiling = getenv("KSYNC_COST_CEILING");
	long ours, theirs;
	int dev, fd;

	dev = device_open();
	ASSERT_LE(0, dev);
	fd = create(dev, KSYNC_TYPE_MUTEX, KSYNC_F_GUARDED, 1);
	ASSERT_LE(0, fd);
	ours = cost(ksync_pair, dev, fd);
	theirs = ntsync_cost();
	TH_LOG("guarded mutex, lock + unlock: %ld ns", ours);
	if (theirs < 0)
		TH_LOG("ntsync mutex: %s", strerror(-theirs));
	else
		TH_LOG("ntsync mutex, lock + unlock: %ld ns", theirs);
	close(fd);
	close(dev);
	ASSERT_LT(0, ours);
	if (!ceiling)
		SKIP(return, "needs an instruction-counting guest");
	EXPECT_GE(atol(ceiling), ours);
}

UAPI_MAIN
