/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Allocations of a thread that fail on demand, by the kernel's fault injection:
 * the n-th from now on, once.
 *
 * The kernel must have failslab, told to fail what may sleep: see
 * scripts/guest/run-debug.
 */
#ifndef UAPI_FAIL_H
#define UAPI_FAIL_H

#include "uapi_peer.h"

#define FAIL_NTH	"/proc/thread-self/fail-nth"
#define FAIL_SLEEPERS	"/sys/kernel/debug/failslab/ignore-gfp-wait"

/* The descriptor of a thread's own file, to use while allocations fail. */
static inline int fail_open(void)
{
	return open(FAIL_NTH, O_RDWR | O_CLOEXEC);
}

static inline int fail_write(int fd, unsigned int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", n);

	return pwrite(fd, text, len, 0) == len ? 0 : -errno;
}

/* How many more allocations would have succeeded; 0 when one was failed. */
static inline unsigned int fail_read(int fd)
{
	char text[16] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
		return 0;
	return atoi(text);
}

/* Skips the program on a kernel that cannot do it. */
static inline void require_failslab(void)
{
	char spared = 'Y';
	int fd = fail_open();

	if (fd < 0) {
		ksft_print_header();
		ksft_exit_skip("no " FAIL_NTH ": the kernel has no fault injection\n");
	}
	close(fd);
	fd = open(FAIL_SLEEPERS, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && read(fd, &spared, 1) == 1 && spared == 'N') {
		close(fd);
		return;
	}
	ksft_print_header();
	ksft_exit_skip(FAIL_SLEEPERS " is not N: what may sleep is not failed\n");
}

#endif /* UAPI_FAIL_H */
