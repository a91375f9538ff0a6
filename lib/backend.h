/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What the library asks of a backend. The functions of the public header check
 * their arguments and call the ops of the object; a backend knows nothing of
 * handles.
 *
 *	ksync_inline.h	what of these is compiled into programs
 *	        |
 *	mutex.c rwlock.c waitgroup.c semaphore.c	public functions
 *	cond.c barrier.c once.c
 *	event.c many.c
 *	queue.c group.c flight.c	of the public functions alone
 *	        |
 *	object.c	handles, create/open/import/close for all types
 *	query.c		what goes by name, or concerns the library as a whole
 *	        |
 *	backend.h	this interface; backend.c chooses one for the process
 *	    /        \
 *	backend_kernel*.c  backend_futex*.c
 *
 * Every function returns 0 or a negative errno with the meaning that ksync.h
 * gives it. Indexes are below obj->nr, specs are valid, names well-formed,
 * and pointers not NULL: the callers have checked.
 */
#ifndef KSYNC_BACKEND_H
#define KSYNC_BACKEND_H

#include <stdbool.h>
#include <stdint.h>

#include "ksync.h"

#define KSYNC_FOREVER UINT64_MAX	/* a deadline, CLOCK_MONOTONIC in ns */
#define KSYNC_NR_LIMIT (1U << 20)	/* primitives in one object */

/*
 * rwlock, in place of counted read holds, where all of them stand in lines: with
 * FENCED, the thread that reads without fences nevertheless; 0: none does. How it
 * comes to that is told in backend_futex_rwlock_quick.c. So many read holds as the
 * upper bit stands for are never counted.
 */
#define KSYNC_LOCK_FAVOURITE	KSYNC_LOCK_READERS
#define KSYNC_LOCK_FAVOURS(id)	\
	(1ULL << 60 | (uint64_t)(id) * KSYNC_LOCK_READER)

struct ksync_ops;
union ksync_cell;

/* One object that this process has open; a backend embeds it as first member. */
struct ksync_object {
	const struct ksync_ops *ops;
	int fd;			/* what _fd() returns */
	uint32_t type;		/* enum ksync_type */
	uint32_t flags;
	uint32_t nr;
	union ksync_cell *cells;	/* where they are mapped, or NULL */
	/* The rest is object.c's own; a backend leaves it zero. */
	struct ksync_handle *handles;	/* lent by _at() */
	uint64_t serial;		/* tells it from one freed earlier */
};

/* What a new object is to be; the defaults are filled in. */
struct ksync_spec {
	uint32_t type;
	uint32_t flags;
	uint32_t nr;
	uint32_t value;
	uint32_t max;
};

/* What is asked of one primitive, where there is no op for just that. */
struct ksync_ask {
	struct ksync_object *obj;
	uint32_t index;
	uint32_t take;		/* enum ksync_take */
	uint32_t count;
	int result;
	uint32_t lost;
};

/* How long; without an object nothing cancels. */
struct ksync_limit {
	uint64_t deadline;
	struct ksync_object *cancel;
	uint32_t cancel_index;
};

typedef int ksync_list_fn(const struct ksync_info *info,
			  const struct ksync_status *st, void *arg);

typedef int ksync_edge_fn(const struct ksync_edge *edge, void *arg);

struct ksync_ops {
	const char *name;
	uint64_t guarantees;

	int (*available)(void);
	const char *(*version)(void);

	int (*create)(const struct ksync_spec *spec, struct ksync_object **out);
	int (*open)(const char *name, int oflag, mode_t mode,
		    const struct ksync_spec *spec, struct ksync_object **out);
	int (*import)(int fd, uint32_t type, struct ksync_object **out);
	void (*close)(struct ksync_object *obj);
	int (*unlink)(const char *name);
	int (*query)(const char *name, uint32_t index, struct ksync_info *info,
		     struct ksync_status *st);
	int (*list)(ksync_list_fn *fn, void *arg);
	/* NULL where the backend cannot tell. */
	int (*graph)(ksync_edge_fn *fn, void *arg);
	int (*last_deadlock)(ksync_edge_fn *fn, void *arg);
	int (*status)(struct ksync_object *obj, uint32_t index,
		      struct ksync_status *st);

	int (*mutex_lock)(struct ksync_object *obj, uint32_t index,
			  uint64_t deadline);
	int (*mutex_trylock)(struct ksync_object *obj, uint32_t index);
	int (*mutex_unlock)(struct ksync_object *obj, uint32_t index);
	int (*mutex_consistent)(struct ksync_object *obj, uint32_t index);

	int (*rwlock_rdlock)(struct ksync_object *obj, uint32_t index,
			     uint64_t deadline);
	int (*rwlock_tryrdlock)(struct ksync_object *obj, uint32_t index);
	int (*rwlock_wrlock)(struct ksync_object *obj, uint32_t index,
			     uint64_t deadline);
	int (*rwlock_trywrlock)(struct ksync_object *obj, uint32_t index);
	int (*rwlock_unlock)(struct ksync_object *obj, uint32_t index);
	int (*rwlock_downgrade)(struct ksync_object *obj, uint32_t index);
	int (*rwlock_upgrade)(struct ksync_object *obj, uint32_t index);
	int (*rwlock_consistent)(struct ksync_object *obj, uint32_t index);

	/* The token of the last exclusive acquisition, mutex and rwlock. */
	uint64_t (*token)(struct ksync_object *obj, uint32_t index);

	int (*waitgroup_add)(struct ksync_object *obj, uint32_t index,
			     int32_t delta);
	/* *lost is set with 0 and -EOWNERDEAD. */
	int (*waitgroup_wait)(struct ksync_object *obj, uint32_t index,
			      uint64_t deadline, uint32_t *lost);
	int (*waitgroup_bind)(struct ksync_object *obj, uint32_t index,
			      int pidfd);

	int (*sem_acquire)(struct ksync_object *obj, uint32_t index, uint32_t n,
			   uint64_t deadline);
	int (*sem_tryacquire)(struct ksync_object *obj, uint32_t index,
			      uint32_t n);
	int (*sem_release)(struct ksync_object *obj, uint32_t index, uint32_t n);
	int (*sem_value)(struct ksync_object *obj, uint32_t index);
	int (*sem_resize)(struct ksync_object *obj, uint32_t index,
			  uint32_t max);

	int (*event_set)(struct ksync_object *obj, uint32_t index);
	int (*event_reset)(struct ksync_object *obj, uint32_t index);
	int (*event_wait)(struct ksync_object *obj, uint32_t index,
			  uint64_t deadline);

	/* What the op of its own would do, and -ECANCELED. */
	int (*wait_cancelable)(struct ksync_ask *ask,
			       const struct ksync_limit *limit);

	/* From here on NULL where the backend cannot do it. */
	int (*event_set_parent)(struct ksync_object *obj, uint32_t index,
				struct ksync_object *parent,
				uint32_t parent_index);
	/* *index is set in any case; so are all results and what is lost. */
	int (*wait_many)(struct ksync_ask *asks, uint32_t nr, bool all,
			 const struct ksync_limit *limit, uint32_t *index);
	int (*request_queue)(const struct ksync_ask *ask, uint64_t keep);
	int (*request_claim)(const struct ksync_ask *ask, bool withdraw);

	/* These are there again. @mutex is of the same backend. */
	int (*cond_wait)(struct ksync_object *obj, uint32_t index,
			 struct ksync_object *mutex, uint32_t mutex_index,
			 const struct ksync_limit *limit);
	int (*cond_signal)(struct ksync_object *obj, uint32_t index);
	int (*cond_broadcast)(struct ksync_object *obj, uint32_t index);

	/* *serial is set with 0. */
	int (*barrier_wait)(struct ksync_object *obj, uint32_t index,
			    const struct ksync_limit *limit, bool *serial);
	int (*barrier_join)(struct ksync_object *obj, uint32_t index);
	int (*barrier_leave)(struct ksync_object *obj, uint32_t index);
	int (*barrier_reset)(struct ksync_object *obj, uint32_t index);

	/* *result is set with -EALREADY. */
	int (*once_begin)(struct ksync_object *obj, uint32_t index,
			  const struct ksync_limit *limit, uint64_t *result);
	int (*once_complete)(struct ksync_object *obj, uint32_t index,
			     uint64_t result);
	int (*once_abandon)(struct ksync_object *obj, uint32_t index);
	int (*once_reset)(struct ksync_object *obj, uint32_t index);
};

extern const struct ksync_ops ksync_kernel_ops;
extern const struct ksync_ops ksync_futex_ops;

/* The process's backend; decided once, in backend.c. */
const struct ksync_ops *ksync_ops(void);

/* Whether the module is there, be it usable or not. */
bool ksync_kernel_present(void);

/*
 * Split brain: a name must never live on both backends. Each side makes its own
 * object first and then asks about the other, so that of two that race at least
 * one sees the other (both may fail).
 *
 * ksync_kernel_has_name: 0 no; 1 yes; -EXDEV when the module is loaded but
 * cannot be asked; -ENOMEM, -EMFILE, -ENFILE. ksync_futex_has_name: 0 no; 1 yes,
 * and somebody alive has it open; a negative errno when that cannot be told.
 */
int ksync_kernel_has_name(const char *name);
int ksync_futex_has_name(const char *name);

#endif /* KSYNC_BACKEND_H */
