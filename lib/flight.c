// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Single flight, on a once.
 *
 * What is left of the last flight is cleared by the next, not by the one that
 * made it, who may die before. While somebody runs it that is refused, and the
 * caller shares the result.
 */
#include <errno.h>

#include "ksync.h"

static int take_off(struct ksync_once *key, int died,
		    int (*fn)(void *arg, int died, uint64_t *result),
		    void *arg, uint64_t *result)
{
	uint64_t value = 0;
	int err = fn(arg, died, &value);

	if (err) {
		ksync_once_abandon(key);
		return err;
	}
	err = ksync_once_complete(key, value);
	if (!err && result)
		*result = value;
	return err;
}

int ksync_flight_run(struct ksync_once *key,
		     int (*fn)(void *arg, int died, uint64_t *result),
		     void *arg, uint64_t *result, const struct ksync_wait *w)
{
	int err;

	if (!key || !fn)
		return -EINVAL;
	err = ksync_once_reset(key);
	if (err && err != -EBUSY)
		return err;
	err = ksync_once_begin_until(key, result, w);
	if (err == -EALREADY)
		return 0;
	if (err && err != -EOWNERDEAD)
		return err;
	return take_off(key, err == -EOWNERDEAD, fn, arg, result);
}
