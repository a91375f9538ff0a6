/* SPDX-License-Identifier: GPL-2.0-only */
/* Life without some system call. */
#ifndef KSYNC_SELFTEST_SANDBOX_H
#define KSYNC_SELFTEST_SANDBOX_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "ksync_selftest.h"

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

/* A job: as in a sandbox that knows nothing of the system call @nr. */
static inline long deny_syscall(void *unused, uint64_t nr)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { ARRAY_SIZE(filter), filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		return -errno;
	return 0;
}

#endif /* KSYNC_SELFTEST_SANDBOX_H */
