// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Handles of all types, and the checks that every new object goes through.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "handle.h"

/* Flags that mean something for the type; all others are refused. */
static const uint32_t flags_of[] = {
	[KSYNC_MUTEX]		= KSYNC_GUARDED | KSYNC_RECURSIVE | KSYNC_FIFO,
	[KSYNC_RWLOCK]		= KSYNC_GUARDED,
	[KSYNC_WAITGROUP]	= KSYNC_GUARDED,
	[KSYNC_SEM]		= KSYNC_GUARDED | KSYNC_TRACKED,
	[KSYNC_EVENT]		= KSYNC_GUARDED | KSYNC_AUTO_RESET,
	[KSYNC_COND]		= KSYNC_GUARDED,
	[KSYNC_BARRIER]		= KSYNC_GUARDED,
	[KSYNC_ONCE]		= KSYNC_GUARDED,
};

static int make_spec(struct ksync_spec *spec, uint32_t type,
		     const struct ksync_options *o)
{
	static const struct ksync_options defaults;

	if (!o)
		o = &defaults;
	*spec = (struct ksync_spec){
		.type = type,
		.flags = o->flags,
		.nr = o->nr ? o->nr : 1,
		.value = o->value,
		.max = o->max,
	};
	if (spec->flags & ~flags_of[type] || spec->nr > KSYNC_NR_LIMIT)
		return -EINVAL;
	if (type == KSYNC_BARRIER) {
		if (!spec->max)
			spec->max = 2;
		return spec->value || spec->max > INT32_MAX ? -EINVAL : 0;
	}
	if (type == KSYNC_EVENT)
		return spec->value > 1 || spec->max ? -EINVAL : 0;
	if (type != KSYNC_SEM)
		return spec->value || spec->max ? -EINVAL : 0;
	if (!spec->max)
		spec->max = INT32_MAX;
	return spec->max > INT32_MAX || spec->value > spec->max ? -EINVAL : 0;
}

int ksync_check_name(const char *name)
{
	size_t len;

	if (!name)
		return -EINVAL;
	for (len = 0; name[len]; len++) {
		unsigned char c = name[len];

		if (len == KSYNC_NAME_LEN - 1)
			return -ENAMETOOLONG;
		if (c < ' ' || c == 0x7f || c == '/')
			return -EINVAL;
	}
	return len ? 0 : -EINVAL;
}

static int check_open_flags(int oflag, mode_t mode)
{
	if (oflag & ~(O_CREAT | O_EXCL) || mode & ~0777U)
		return -EINVAL;
	return oflag == O_EXCL ? -EINVAL : 0;
}

/*
 * Every new handle is made before its object: without memory for it nothing
 * has happened yet.
 */
static struct ksync_handle *new_handle(void)
{
	return calloc(1, sizeof(struct ksync_handle));
}

static int finish(struct ksync_handle **out, struct ksync_handle *h, int err)
{
	static uint64_t serials;

	if (err) {
		free(h);
		return err;
	}
	h->obj->handles = NULL;
	h->obj->serial = __atomic_add_fetch(&serials, 1, __ATOMIC_RELAXED);
	h->fast.tag = ksync_fast_tag(h->obj->serial, 0);
	h->fast.cell = ksync_fast_cell(h->obj->cells);
	*out = h;
	return 0;
}

int ksync_handle_create(struct ksync_handle **out, uint32_t type,
			const struct ksync_options *o)
{
	int err, saved = errno;
	struct ksync_spec spec;
	struct ksync_handle *h;

	*out = NULL;
	err = make_spec(&spec, type, o);
	if (err)
		return err;
	h = new_handle();
	if (h)
		err = finish(out, h, ksync_ops()->create(&spec, &h->obj));
	else
		err = -ENOMEM;
	errno = saved;
	return err;
}

int ksync_handle_open(struct ksync_handle **out, uint32_t type,
		      const char *name, int oflag, mode_t mode,
		      const struct ksync_options *o)
{
	int err, saved = errno;
	struct ksync_spec spec;
	struct ksync_handle *h;

	*out = NULL;
	err = ksync_check_name(name);
	if (!err)
		err = check_open_flags(oflag, mode);
	if (!err)
		err = make_spec(&spec, type, o);
	if (err)
		return err;
	h = new_handle();
	if (h)
		err = finish(out, h, ksync_ops()->open(name, oflag, mode, &spec,
						       &h->obj));
	else
		err = -ENOMEM;
	errno = saved;
	return err;
}

int ksync_handle_import(struct ksync_handle **out, uint32_t type, int fd)
{
	int err, saved = errno;
	struct ksync_handle *h;

	*out = NULL;
	if (fd < 0)
		return -EBADF;
	h = new_handle();
	if (h)
		err = finish(out, h, ksync_ops()->import(fd, type, &h->obj));
	else
		err = -ENOMEM;
	errno = saved;
	return err;
}

int ksync_handle_fd(const struct ksync_handle *h)
{
	return h ? h->obj->fd : -EINVAL;
}

/* By _at(), hence not the caller's to close. */
static bool is_lent(const struct ksync_handle *h)
{
	/* Acquire: as in ksync_handle_at(). */
	const struct ksync_handle *handles =
		__atomic_load_n(&h->obj->handles, __ATOMIC_ACQUIRE);

	return handles && h >= handles && h < handles + h->obj->nr;
}

void ksync_handle_close(struct ksync_handle *h)
{
	int saved = errno;

	if (!h || is_lent(h))
		return;
	free(h->obj->handles);
	h->obj->handles = NULL;
	h->obj->ops->close(h->obj);
	free(h);
	errno = saved;
}

/* Room for the handles of all primitives, of which only used ones take memory. */
static struct ksync_handle *make_lent(struct ksync_object *obj)
{
	struct ksync_handle *handles, *first = NULL;
	int saved = errno;

	handles = calloc(obj->nr, sizeof(*handles));
	errno = saved;
	if (!handles)
		return NULL;
	/*
	 * Of threads that race one wins, and all use its array. Release: it is
	 * empty when it is seen, pairs with the acquire in ksync_handle_at();
	 * acquire, for who lost: pairs with this release.
	 */
	if (__atomic_compare_exchange_n(&obj->handles, &first, handles, false,
					__ATOMIC_RELEASE, __ATOMIC_ACQUIRE))
		return handles;
	free(handles);
	return first;
}

/* At its first use. Threads that race here write the same. */
static void lend(struct ksync_handle *h, struct ksync_object *obj,
		 uint32_t index)
{
	union ksync_cell *cell = obj->cells ? &obj->cells[index] : NULL;

	__atomic_store_n(&h->index, index, __ATOMIC_RELAXED);
	__atomic_store_n(&h->fast.tag, ksync_fast_tag(obj->serial, index),
			 __ATOMIC_RELAXED);
	__atomic_store_n(&h->fast.cell, ksync_fast_cell(cell),
			 __ATOMIC_RELAXED);
	/* Release: the rest. Pairs with the acquire in ksync_handle_at(). */
	__atomic_store_n(&h->obj, obj, __ATOMIC_RELEASE);
}

struct ksync_handle *ksync_handle_at(struct ksync_handle *h, uint32_t index)
{
	struct ksync_handle *handles;

	if (!h || index >= h->obj->nr)
		return NULL;
	/* Pairs with the release in make_lent(). */
	handles = __atomic_load_n(&h->obj->handles, __ATOMIC_ACQUIRE);
	if (!handles)
		handles = make_lent(h->obj);
	if (!handles)
		return NULL;
	/* Pairs with the release in lend(). */
	if (!__atomic_load_n(&handles[index].obj, __ATOMIC_ACQUIRE))
		lend(&handles[index], h->obj, index);
	return &handles[index];
}

int ksync_handle_status(const struct ksync_handle *h, struct ksync_status *st)
{
	if (!h || !st)
		return -EINVAL;
	return h->obj->ops->status(h->obj, h->index, st);
}
