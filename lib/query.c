// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * What goes by name without opening it, and what concerns the library as a
 * whole.
 */
#include "handle.h"

int ksync_query(const char *name, uint32_t index, struct ksync_info *info,
		struct ksync_status *st)
{
	int err, saved = errno;
	struct ksync_status some_status;
	struct ksync_info some_info;

	err = ksync_check_name(name);
	if (err)
		return err;
	err = ksync_ops()->query(name, index, info ? info : &some_info,
				 st ? st : &some_status);
	errno = saved;
	return err;
}

int ksync_list(ksync_list_fn *fn, void *arg)
{
	int err, saved = errno;

	if (!fn)
		return -EINVAL;
	err = ksync_ops()->list(fn, arg);
	errno = saved;
	return err;
}

static int edges(int (*tell)(ksync_edge_fn *fn, void *arg), ksync_edge_fn *fn,
		 void *arg)
{
	int err, saved = errno;

	if (!fn)
		return -EINVAL;
	if (!tell)
		return -EOPNOTSUPP;
	err = tell(fn, arg);
	errno = saved;
	return err;
}

int ksync_graph(ksync_edge_fn *fn, void *arg)
{
	return edges(ksync_ops()->graph, fn, arg);
}

int ksync_last_deadlock(ksync_edge_fn *fn, void *arg)
{
	return edges(ksync_ops()->last_deadlock, fn, arg);
}

int ksync_unlink(const char *name)
{
	int err, saved = errno;

	err = ksync_check_name(name);
	if (err)
		return err;
	err = ksync_ops()->unlink(name);
	errno = saved;
	return err;
}

const char *ksync_backend(void)
{
	return ksync_ops()->name;
}

uint64_t ksync_guarantees(void)
{
	return ksync_ops()->guarantees;
}

int ksync_available(void)
{
	int err, saved = errno;

	err = ksync_ops()->available();
	errno = saved;
	return err;
}

const char *ksync_module_version(void)
{
	const char *version;
	int saved = errno;

	version = ksync_ops()->version();
	errno = saved;
	return version;
}

const char *ksync_version(void)
{
	return KSYNC_VERSION;
}
