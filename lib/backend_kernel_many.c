// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The kernel backend: waits that an event cancels, waits for several
 * primitives, and queued requests.
 */
#include <assert.h>
#include <errno.h>

#include "backend_kernel.h"

static_assert(KSYNC_ITEMS_MAX == KSYNC_WAIT_ITEMS_MAX, "limits");

static int wait_lock(struct ksync_ask *ask, const struct ksync_limit *limit,
		     unsigned long cmd)
{
	return kk_lock_command(ask->obj, ask->index, 0, limit, cmd);
}

static int wait_read(struct ksync_ask *ask, const struct ksync_limit *limit)
{
	int err = kk_rwlock_read(ask->obj, ask->index);

	if (err != -EAGAIN)
		return err;
	return wait_lock(ask, limit, KSYNC_IOC_RWLOCK_RDLOCK);
}

static int wait_permits(struct ksync_ask *ask, const struct ksync_limit *limit)
{
	struct ksync_sem_args args = {
		.index = ask->index,
		.flags = KSYNC_WAIT_CANCEL,
		.count = ask->count,
		.deadline = limit->deadline,
		.cancel = limit->cancel->fd,
		.cancel_index = limit->cancel_index,
	};

	if (kk_sem_acquire(ask->obj, ask->index, ask->count))
		return 0;
	return kk_command(ask->obj, KSYNC_IOC_SEM_ACQUIRE, &args);
}

static int wait_round(struct ksync_ask *ask, const struct ksync_limit *limit)
{
	struct ksync_waitgroup_wait_args args = {
		.index = ask->index,
		.flags = KSYNC_WAIT_CANCEL,
		.deadline = limit->deadline,
		.cancel = limit->cancel->fd,
		.cancel_index = limit->cancel_index,
	};
	int err;

	if (kk_waitgroup_idle(ask->obj, ask->index))
		return 0;
	err = kk_command(ask->obj, KSYNC_IOC_WAITGROUP_WAIT, &args);
	ask->lost = err == -EOWNERDEAD ? args.lost : 0;
	return err;
}

int ksync_kernel_wait_cancelable(struct ksync_ask *ask,
				 const struct ksync_limit *limit)
{
	switch (ask->take) {
	case KSYNC_TAKE_MUTEX:
		return kk_mutex_lock_limit(ask->obj, ask->index, limit);
	case KSYNC_TAKE_READ:
		return wait_read(ask, limit);
	case KSYNC_TAKE_WRITE:
		return wait_lock(ask, limit, KSYNC_IOC_RWLOCK_WRLOCK);
	case KSYNC_TAKE_ROUND:
		return wait_round(ask, limit);
	case KSYNC_TAKE_PERMITS:
		return wait_permits(ask, limit);
	case KSYNC_TAKE_EVENT:
		return wait_lock(ask, limit, KSYNC_IOC_EVENT_WAIT);
	}
	return -EINVAL;
}

static uint32_t item_flags(const struct ksync_ask *ask)
{
	return ask->take == KSYNC_TAKE_READ ? KSYNC_ITEM_SHARED : 0;
}

int ksync_kernel_wait_many(struct ksync_ask *asks, uint32_t nr, bool all,
			   const struct ksync_limit *limit, uint32_t *index)
{
	struct ksync_wait_item items[KSYNC_WAIT_ITEMS_MAX];
	struct ksync_wait_args args = {
		.items = (uintptr_t)items,
		.nr = nr,
		.flags = (all ? KSYNC_WAIT_ALL : 0) |
			 (limit->cancel ? KSYNC_WAIT_CANCEL : 0),
		.deadline = limit->deadline,
		.cancel = limit->cancel ? limit->cancel->fd : 0,
		.cancel_index = limit->cancel_index,
		.index = nr,
	};
	uint32_t i;
	int err;

	for (i = 0; i < nr; i++)
		items[i] = (struct ksync_wait_item){
			.fd = asks[i].obj->fd,
			.index = asks[i].index,
			.flags = item_flags(&asks[i]),
			.count = asks[i].count,
			.result = -EBUSY,
		};
	err = ksync_kernel_device_command(KSYNC_IOC_DEV_WAIT, &args);
	for (i = 0; i < nr; i++) {
		asks[i].result = items[i].result;
		asks[i].lost = items[i].lost;
	}
	*index = args.index;
	return err;
}

int ksync_kernel_request_queue(const struct ksync_ask *ask, uint64_t keep)
{
	struct ksync_request_args args = {
		.index = ask->index,
		.flags = item_flags(ask),
		.count = ask->count,
		.keep = keep,
	};

	return kk_command(ask->obj, KSYNC_IOC_OBJ_REQUEST, &args);
}

int ksync_kernel_request_claim(const struct ksync_ask *ask, bool withdraw)
{
	struct ksync_claim_args args = {
		.index = ask->index,
		.flags = withdraw ? KSYNC_CLAIM_WITHDRAW : 0,
	};

	return kk_command(ask->obj, KSYNC_IOC_OBJ_CLAIM, &args);
}
