// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The public functions that wait for several primitives, for one that is asked
 * for and claimed later, and waits that an event cancels.
 */
#include "handle.h"

static const uint32_t type_of_take[] = {
	[KSYNC_TAKE_MUTEX]	= KSYNC_MUTEX,
	[KSYNC_TAKE_READ]	= KSYNC_RWLOCK,
	[KSYNC_TAKE_WRITE]	= KSYNC_RWLOCK,
	[KSYNC_TAKE_ROUND]	= KSYNC_WAITGROUP,
	[KSYNC_TAKE_PERMITS]	= KSYNC_SEM,
	[KSYNC_TAKE_EVENT]	= KSYNC_EVENT,
};

#define TAKES (sizeof(type_of_take) / sizeof(type_of_take[0]))

int ksync_wait_cancelable(const struct ksync_handle *h, uint32_t take,
			  uint32_t count, const struct ksync_wait *w,
			  uint64_t deadline, uint32_t *lost)
{
	struct ksync_ask ask = {
		.obj = h->obj,
		.index = h->index,
		.take = take,
		.count = count,
	};
	struct ksync_limit limit;
	int err;

	err = ksync_wait_limit(w, &limit);
	if (err)
		return err;
	limit.deadline = deadline;
	err = h->obj->ops->wait_cancelable(&ask, &limit);
	if (lost)
		*lost = ask.lost;
	return err;
}

/* All members of the union are handles and begin alike. */
static int make_ask(struct ksync_ask *ask, const struct ksync_item *item)
{
	const struct ksync_handle *h = (const struct ksync_handle *)item->mutex;
	bool permits = item->take == KSYNC_TAKE_PERMITS;

	if (!h || !item->take || item->take >= TAKES ||
	    h->obj->type != type_of_take[item->take])
		return -EINVAL;
	if (permits ? !item->count || item->count > INT32_MAX : item->count)
		return -EINVAL;
	*ask = (struct ksync_ask){
		.obj = h->obj,
		.index = h->index,
		.take = item->take,
		.count = item->count,
		.result = -EBUSY,
	};
	return 0;
}

static int make_asks(struct ksync_ask *asks, struct ksync_item *items,
		     uint32_t nr, uint32_t *index)
{
	uint32_t i;

	*index = nr;
	if (!items || !nr || nr > KSYNC_ITEMS_MAX)
		return -EINVAL;
	for (i = 0; i < nr; i++) {
		items[i].result = -EBUSY;
		items[i].lost = 0;
	}
	for (i = 0; i < nr; i++) {
		if (make_ask(&asks[i], &items[i])) {
			items[i].result = -EINVAL;
			*index = i;
			return -EINVAL;
		}
	}
	return 0;
}

static int wait_many(struct ksync_item *items, uint32_t nr, bool all,
		     const struct ksync_wait *w, uint32_t *index)
{
	struct ksync_ask asks[KSYNC_ITEMS_MAX];
	struct ksync_limit limit;
	uint32_t i;
	int err;

	err = make_asks(asks, items, nr, index);
	if (!err)
		err = ksync_wait_limit(w, &limit);
	if (err)
		return err;
	err = asks[0].obj->ops->wait_many(asks, nr, all, &limit, index);
	for (i = 0; i < nr; i++) {
		items[i].result = asks[i].result;
		items[i].lost = asks[i].lost;
	}
	return err;
}

int ksync_wait_any(struct ksync_item *items, uint32_t nr,
		   const struct ksync_wait *w, uint32_t *index)
{
	uint32_t unused;

	return wait_many(items, nr, false, w, index ? index : &unused);
}

int ksync_wait_all(struct ksync_item *items, uint32_t nr,
		   const struct ksync_wait *w)
{
	uint32_t unused;

	return wait_many(items, nr, true, w, &unused);
}

int ksync_request_queue(const struct ksync_item *item, uint64_t keep_ns)
{
	struct ksync_ask ask;

	if (!item || make_ask(&ask, item))
		return -EINVAL;
	if (!ask.obj->ops->request_queue)
		return -EOPNOTSUPP;
	return ask.obj->ops->request_queue(&ask, keep_ns);
}

static int end_request(const struct ksync_item *item, bool withdraw)
{
	struct ksync_ask ask;

	if (!item || make_ask(&ask, item))
		return -EINVAL;
	if (!ask.obj->ops->request_claim)
		return -EOPNOTSUPP;
	return ask.obj->ops->request_claim(&ask, withdraw);
}

int ksync_request_claim(const struct ksync_item *item)
{
	return end_request(item, false);
}

int ksync_request_withdraw(const struct ksync_item *item)
{
	return end_request(item, true);
}
