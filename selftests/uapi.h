/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of the raw kernel interface share: the calls (uapi_calls.h),
 * objects made by them, and ways to look at the state of an object.
 *
 * Results are 0 (or a descriptor) or a negative errno.
 */
#ifndef UAPI_H
#define UAPI_H

#include <linux/ksync.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "uapi_calls.h"

#define DEVICE		"/dev/ksync"
#define PARAMETERS	"/sys/module/ksync/parameters/"
#define NEVER		KSYNC_DEADLINE_NONE
#define LONG_AGO	1ULL		/* a deadline that has passed */
#define NS_PER_MS	1000000ULL
#define NS_PER_S	1000000000ULL
#ifndef PATIENCE
#define PATIENCE	(10 * NS_PER_S)	/* for what happens at once */
#endif
#define LINGER		"--linger"	/* an image for execve: stays until killed */

/* The descriptor of a new object, or a negative errno. */
static inline int create(int dev, __u32 type, __u32 flags, __u32 nr)
{
	union uapi_args out;
	int ret = me_out(create_call(dev, type, flags, nr), &out);

	return ret ?: out.create.fd;
}

static inline int create_sem(int dev, __u32 flags, __u32 value, __u32 max)
{
	struct call c = create_call(dev, KSYNC_TYPE_SEM, flags, 1);
	int ret;

	c.arg.create.value = value;
	c.arg.create.max = max;
	ret = call_run(&c);
	return ret ?: c.arg.create.fd;
}

static inline int create_event(int dev, __u32 flags, __u32 nr, __u32 value)
{
	struct call c = create_call(dev, KSYNC_TYPE_EVENT, flags, nr);
	int ret;

	c.arg.create.value = value;
	ret = call_run(&c);
	return ret ?: c.arg.create.fd;
}

static inline int open_name(int dev, const char *name, __u32 type, __u32 how,
			    __u32 mode)
{
	union uapi_args out;
	int ret = me_out(open_call(dev, name, type, how, mode), &out);

	return ret ?: out.open.fd;
}

/* What cannot be read comes back as all ones, which no test expects. */
static inline struct ksync_primitive_status status_of(int fd, __u32 index)
{
	union uapi_args out;

	if (me_out(at(index, status_call(fd)), &out))
		memset(&out, 0xff, sizeof(out));
	return out.status;
}

static inline struct ksync_primitive_status status(int fd)
{
	return status_of(fd, 0);
}

static inline struct ksync_object_info info(int fd)
{
	union uapi_args out;

	if (me_out(info_call(fd), &out))
		memset(&out, 0xff, sizeof(out));
	return out.info;
}

static inline struct ksync_device_info device_info(int dev)
{
	union uapi_args out;

	if (me_out(basic_call(dev, KSYNC_IOC_DEV_INFO), &out))
		memset(&out, 0xff, sizeof(out));
	return out.device;
}

static inline __u64 now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static inline __u64 in_ms(unsigned int ms)
{
	return now_ns() + ms * NS_PER_MS;
}

/* Long enough for anything that must come, short enough to tell a hang. */
static inline __u64 soon(void)
{
	return now_ns() + PATIENCE;
}

/* Wait for a state. Gives the state's truth, false after PATIENCE. */
#define UNTIL(cond) ({						\
	__u64 end_ = soon();					\
	unsigned int us_ = 200;					\
	bool ok_;						\
	while (!(ok_ = (cond)) && now_ns() < end_) {		\
		usleep(us_);					\
		us_ += us_ < 20000 ? us_ / 2 : 0;		\
	}							\
	ok_;							\
})

static inline bool is_queued(int fd, __u32 index, __u32 exclusive, __u32 shared)
{
	struct ksync_primitive_status st = status_of(fd, index);

	return st.waiters_exclusive == exclusive &&
	       st.waiters_shared == shared;
}

/* So many sleep there for exclusive and for shared use. */
static inline bool queued_at(int fd, __u32 index, __u32 exclusive, __u32 shared)
{
	return UNTIL(is_queued(fd, index, exclusive, shared));
}

static inline bool queued(int fd, __u32 exclusive, __u32 shared)
{
	return queued_at(fd, 0, exclusive, shared);
}

static inline bool held_by(int fd, pid_t pid)
{
	return UNTIL(status(fd).holder_pid == (__u32)pid);
}

static inline pid_t gettid_raw(void)
{
	return syscall(SYS_gettid);
}

/* -1 when it is not there or not a number. */
static inline long read_long(const char *path)
{
	FILE *f = fopen(path, "re");
	long value;

	if (!f)
		return -1;
	if (fscanf(f, "%ld", &value) != 1)
		value = -1;
	fclose(f);
	return value;
}

static inline int write_long(const char *path, long value)
{
	FILE *f = fopen(path, "we");
	int ret;

	if (!f)
		return -errno;
	ret = fprintf(f, "%ld\n", value) < 0 ? -EIO : 0;
	if (fclose(f) && !ret)
		ret = -errno;
	return ret;
}

static inline int device_open(void)
{
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static inline void require_device(void)
{
	int fd = device_open();

	if (fd >= 0) {
		close(fd);
		return;
	}
	ksft_print_header();
	if (fd == -ENOENT || fd == -ENXIO || fd == -ENODEV)
		ksft_exit_skip("no " DEVICE ": load the ksync module\n");
	ksft_exit_fail_msg("cannot open " DEVICE ": %s\n", strerror(-fd));
}

__attribute__((noreturn)) static inline void linger(void)
{
	for (;;)
		pause();
}

/* Instead of TEST_HARNESS_MAIN: without the device the program is skipped. */
#define UAPI_MAIN						\
int main(int argc, char **argv)					\
{								\
	if (argc > 1 && !strcmp(argv[1], LINGER))		\
		linger();					\
	require_device();					\
	return test_harness_run(argc, argv);			\
}

#endif /* UAPI_H */
