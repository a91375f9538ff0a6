/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Handles: what the opaque types of the public header are. All are the
 * same thing, an object and the index of a primitive in it, and only the type
 * checks of the compiler tell them apart.
 */
#ifndef KSYNC_HANDLE_H
#define KSYNC_HANDLE_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend.h"
#include "fast.h"

/* fast	what programs have compiled into them: first, and as it is */
struct ksync_handle {
	struct ksync_inline fast;
	struct ksync_object *obj;
	uint32_t index;
};

static_assert(offsetof(struct ksync_handle, fast) == 0, "layout 1");

/* What the thread may remember of the primitive; never NULL. */
#define ksync_handle_fast(h)	ksync_inline_fast(&(h)->fast)
#define ksync_handle_known(h)	\
	ksync_inline_known(&(h)->fast, ksync_handle_fast(h))
#define ksync_handle_cell(h)	((union ksync_cell *)(h)->fast.cell)

struct ksync_mutex {
	struct ksync_handle h;
};

struct ksync_rwlock {
	struct ksync_handle h;
};

struct ksync_waitgroup {
	struct ksync_handle h;
};

struct ksync_sem {
	struct ksync_handle h;
};

struct ksync_cond {
	struct ksync_handle h;
};

struct ksync_barrier {
	struct ksync_handle h;
};

struct ksync_once {
	struct ksync_handle h;
};

struct ksync_event {
	struct ksync_handle h;
};

/*
 * In object.c. The out pointer is set to NULL on failure, so that the close
 * functions may follow whatever happened; h may be NULL as the public header
 * has it. None of them touches errno.
 */
int ksync_handle_create(struct ksync_handle **out, uint32_t type,
			const struct ksync_options *o);
int ksync_handle_open(struct ksync_handle **out, uint32_t type,
		      const char *name, int oflag, mode_t mode,
		      const struct ksync_options *o);
int ksync_handle_import(struct ksync_handle **out, uint32_t type, int fd);
int ksync_handle_fd(const struct ksync_handle *h);
void ksync_handle_close(struct ksync_handle *h);
struct ksync_handle *ksync_handle_at(struct ksync_handle *h, uint32_t index);
int ksync_handle_status(const struct ksync_handle *h, struct ksync_status *st);

/* 0, or why this cannot be the name of an object. */
int ksync_check_name(const char *name);

/*
 * Converts what the _until functions take; NULL is for ever. @w->cancel is the
 * caller's to look at.
 */
int ksync_deadline(const struct ksync_wait *w, uint64_t *deadline);

/* Both; nobody else needs to look. */
int ksync_wait_limit(const struct ksync_wait *w, struct ksync_limit *limit);

/*
 * In many.c: the same with what cancels, for a wait of @take for @count; @lost
 * may be NULL.
 */
int ksync_wait_cancelable(const struct ksync_handle *h, uint32_t take,
			  uint32_t count, const struct ksync_wait *w,
			  uint64_t deadline, uint32_t *lost);

/* Defines the functions that every type has: ksync_<kind>_create and so on. */
#define KSYNC_DEFINE_HANDLE(kind, type)					\
int ksync_##kind##_create(struct ksync_##kind **out,			\
			  const struct ksync_options *o)		\
{									\
	struct ksync_handle *h;						\
	int err;							\
									\
	if (!out)							\
		return -EINVAL;						\
	err = ksync_handle_create(&h, type, o);				\
	*out = (struct ksync_##kind *)h;				\
	return err;							\
}									\
									\
int ksync_##kind##_open(struct ksync_##kind **out, const char *name,	\
			int oflag, mode_t mode,				\
			const struct ksync_options *o)			\
{									\
	struct ksync_handle *h;						\
	int err;							\
									\
	if (!out)							\
		return -EINVAL;						\
	err = ksync_handle_open(&h, type, name, oflag, mode, o);	\
	*out = (struct ksync_##kind *)h;				\
	return err;							\
}									\
									\
int ksync_##kind##_import(struct ksync_##kind **out, int fd)		\
{									\
	struct ksync_handle *h;						\
	int err;							\
									\
	if (!out)							\
		return -EINVAL;						\
	err = ksync_handle_import(&h, type, fd);			\
	*out = (struct ksync_##kind *)h;				\
	return err;							\
}									\
									\
int ksync_##kind##_fd(const struct ksync_##kind *p)			\
{									\
	return ksync_handle_fd((const struct ksync_handle *)p);		\
}									\
									\
void ksync_##kind##_close(struct ksync_##kind *p)			\
{									\
	ksync_handle_close((struct ksync_handle *)p);			\
}									\
									\
struct ksync_##kind *ksync_##kind##_at(struct ksync_##kind *p,		\
				       uint32_t index)			\
{									\
	return (struct ksync_##kind *)					\
		ksync_handle_at((struct ksync_handle *)p, index);	\
}									\
									\
int ksync_##kind##_status(const struct ksync_##kind *p,			\
			  struct ksync_status *st)			\
{									\
	return ksync_handle_status((const struct ksync_handle *)p, st);	\
}

#endif /* KSYNC_HANDLE_H */
