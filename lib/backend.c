// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The choice of the backend, once for the life of a process.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"

/*
 * No backend at all, for a KSYNC_BACKEND that names none: every road to an
 * object is closed. A guess instead could land on another backend than the
 * process's peers. Whoever asks for a name is told that of the fallback.
 */
static int no_available(void)
{
	return -EINVAL;
}

static const char *no_version(void)
{
	return "";
}

static int no_create(const struct ksync_spec *spec, struct ksync_object **out)
{
	return -EINVAL;
}

static int no_open(const char *name, int oflag, mode_t mode,
		   const struct ksync_spec *spec, struct ksync_object **out)
{
	return -EINVAL;
}

static int no_import(int fd, uint32_t type, struct ksync_object **out)
{
	return -EINVAL;
}

static int no_unlink(const char *name)
{
	return -EINVAL;
}

static int no_query(const char *name, uint32_t index, struct ksync_info *info,
		    struct ksync_status *st)
{
	return -EINVAL;
}

static int no_list(ksync_list_fn *fn, void *arg)
{
	return -EINVAL;
}

static int no_edges(ksync_edge_fn *fn, void *arg)
{
	return -EINVAL;
}

/* The other ops need an object, and there is none. */
static const struct ksync_ops no_ops = {
	.name = "futex",
	.available = no_available,
	.version = no_version,
	.create = no_create,
	.open = no_open,
	.import = no_import,
	.unlink = no_unlink,
	.query = no_query,
	.list = no_list,
	.graph = no_edges,
	.last_deadlock = no_edges,
};

/*
 * A module that is there is chosen even if this process cannot use it: falling
 * back quietly would split it from the peers that can.
 */
static const struct ksync_ops *choose(void)
{
	const char *wish = secure_getenv("KSYNC_BACKEND");

	if (!wish || !*wish)
		return ksync_kernel_present() ? &ksync_kernel_ops :
						&ksync_futex_ops;
	if (!strcmp(wish, ksync_kernel_ops.name))
		return &ksync_kernel_ops;
	if (!strcmp(wish, ksync_futex_ops.name))
		return &ksync_futex_ops;
	return &no_ops;
}

const struct ksync_ops *ksync_ops(void)
{
	static const struct ksync_ops *chosen;
	const struct ksync_ops *ops, *first = NULL;
	int saved;

	/* Relaxed, here and below: what it points to was always there. */
	ops = __atomic_load_n(&chosen, __ATOMIC_RELAXED);
	if (ops)
		return ops;

	saved = errno;
	ops = choose();
	errno = saved;
	/* The module may come or go between two threads here: one decides. */
	if (__atomic_compare_exchange_n(&chosen, &first, ops, false,
					__ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return ops;
	return first;
}
