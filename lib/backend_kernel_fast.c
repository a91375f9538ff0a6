// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The kernel backend: what goes without a system call when nobody is in the way.
 *
 * The cells are mapped and changed as <linux/ksync.h> says; ksync_inline.h has
 * the operations on the words. A mutex that is held stands in the caller's line,
 * from before the first operation on its word until after the last one, so that
 * the kernel finds it wherever the thread dies:
 *
 *	          engage             lock               unlock
 *	   (none) ------> [engaged] -----> [held] --------------> [engaged]
 *	      ^                |                                      |
 *	      +----------------+------------ disengage ---------------+
 *
 * Who finds the mutex in its line holds it. What was locked without a line, or
 * with a line that was full, the kernel has on record.
 */
#include <errno.h>

#include "backend_kernel.h"
#include "fast.h"

#define WAITERS		((uint32_t)(KSYNC_LOCK_WAITERS >> 32))

/* Note in an entry: the last holder died, and consistent was not called. */
#define INCONSISTENT	1U

static struct ksync_lock_cell *lock_cell(struct ksync_object *obj,
					 uint32_t index)
{
	return &kk_object(obj)->cells[index].lock;
}

/* The caller's line if the object can be used with it, otherwise NULL. */
static inline struct ksync_line *line_for(struct ksync_object *obj)
{
	return kk_object(obj)->cells ? kk_line(obj) : NULL;
}

static inline uint64_t entry_object(const struct ksync_line_entry *e)
{
	return __atomic_load_n(&e->object, __ATOMIC_RELAXED);
}

/* A new entry; NULL if the line is full. */
static inline struct ksync_line_entry *engage(struct ksync_line *line,
					      uint64_t id, uint32_t index)
{
	struct ksync_line_entry *e = line->entry;

	while (entry_object(e))
		if (++e == line->entry + KSYNC_LINE_ENTRIES)
			return NULL;
	e->index = index;
	e->note = 0;
	/* The kernel may look after any instruction: the object comes last. */
	ksync_fast_barrier();
	__atomic_store_n(&e->object, id, __ATOMIC_RELAXED);
	ksync_fast_barrier();
	return e;
}

static inline void disengage(struct ksync_line_entry *e)
{
	ksync_fast_barrier();
	__atomic_store_n(&e->object, 0, __ATOMIC_RELAXED);
}

/* The entry for the primitive other than @not; NULL if there is none. */
static inline struct ksync_line_entry *
find_entry(struct ksync_line *line, uint64_t id, uint32_t index,
	   const struct ksync_line_entry *not)
{
	struct ksync_line_entry *e;

	for (e = line->entry; e < line->entry + KSYNC_LINE_ENTRIES; e++)
		if (entry_object(e) == id && e->index == index && e != not)
			return e;
	return NULL;
}

/* What the holder writes beside the word. */
static inline void note_taken(struct ksync_lock_cell *cell)
{
	__atomic_store_n(&cell->token, cell->token + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&cell->since, 0, __ATOMIC_RELAXED);
}

/* With FIFO nobody may go past those who wait: the whole word has to be 0. */
static inline bool lock_fast(struct ksync_object *obj, uint32_t index)
{
	struct ksync_lock_cell *cell = lock_cell(obj, index);
	uint64_t free = 0;

	if (__builtin_expect(!(obj->flags & KSYNC_FIFO), 1))
		return ksync_fast_lock(cell, kk_self.id);
	return __atomic_compare_exchange_n(&cell->state, &free, kk_self.id,
					   false, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED);
}

/* The caller holds it already, and it stands in its line. */
static int relock(struct ksync_object *obj, uint32_t index, int held)
{
	struct ksync_lock_cell *cell = lock_cell(obj, index);

	if (!(obj->flags & KSYNC_RECURSIVE))
		return held;
	if (cell->depth == UINT32_MAX)
		return -EOVERFLOW;
	__atomic_store_n(&cell->depth, cell->depth + 1, __ATOMIC_RELAXED);
	return 0;
}

static int lock_command(struct ksync_object *obj, uint32_t index,
			uint32_t flags, const struct ksync_limit *limit)
{
	return kk_lock_command(obj, index, flags, limit, KSYNC_IOC_MUTEX_LOCK);
}

static int index_command(struct ksync_object *obj, uint32_t index,
			 uint32_t flags, unsigned long cmd)
{
	struct ksync_index_args args = { .index = index, .flags = flags };

	return kk_command(obj, cmd, &args);
}

/* The word names the caller. */
static bool is_ours(struct ksync_object *obj, uint32_t index)
{
	uint64_t word = __atomic_load_n(&lock_cell(obj, index)->state,
					__ATOMIC_RELAXED);

	return (word & KSYNC_LOCK_ID) == kk_self.id;
}

/* Something was freed for which somebody waits, or may. */
void kk_wake(struct ksync_object *obj, uint32_t index)
{
	index_command(obj, index, 0, KSYNC_IOC_OBJ_WAKE);
}

/* The kernel did what the entry announced, or failed to. */
static int settle(struct ksync_line_entry *e, int err)
{
	if (err == -EOWNERDEAD)
		e->note = INCONSISTENT;
	else if (err)
		disengage(e);
	return err;
}

static __attribute__((noinline)) int
lock_slow(struct ksync_object *obj, uint32_t index,
	  const struct ksync_limit *limit, struct ksync_line *line,
	  struct ksync_line_entry *e)
{
	if (find_entry(line, kk_object(obj)->id, index, e)) {
		disengage(e);
		if (obj->flags & KSYNC_RECURSIVE)
			return relock(obj, index, -EDEADLK);
		/* The kernel refuses that, and keeps what for. */
		return lock_command(obj, index, KSYNC_LOCK_IN_LINE, limit);
	}
	/* The kernel has it on record, and counts. */
	if (is_ours(obj, index)) {
		disengage(e);
		return lock_command(obj, index, 0, limit);
	}
	return settle(e, lock_command(obj, index, KSYNC_LOCK_IN_LINE, limit));
}

int kk_mutex_lock_limit(struct ksync_object *obj, uint32_t index,
			const struct ksync_limit *limit)
{
	struct ksync_line *line = line_for(obj);
	struct ksync_line_entry *e = NULL;

	if (line)
		e = engage(line, kk_object(obj)->id, index);
	if (!e)
		return lock_command(obj, index, 0, limit);
	if (!lock_fast(obj, index))
		return lock_slow(obj, index, limit, line, e);
	note_taken(lock_cell(obj, index));
	return 0;
}

int kk_mutex_lock(struct ksync_object *obj, uint32_t index, uint64_t deadline)
{
	const struct ksync_limit limit = { .deadline = deadline };

	return kk_mutex_lock_limit(obj, index, &limit);
}

static __attribute__((noinline)) int
trylock_slow(struct ksync_object *obj, uint32_t index, struct ksync_line *line,
	     struct ksync_line_entry *e)
{
	uint64_t word;

	if (find_entry(line, kk_object(obj)->id, index, e)) {
		disengage(e);
		return relock(obj, index, -EBUSY);
	}
	if (is_ours(obj, index)) {
		disengage(e);
		return index_command(obj, index, 0, KSYNC_IOC_MUTEX_TRYLOCK);
	}
	word = __atomic_load_n(&lock_cell(obj, index)->state, __ATOMIC_RELAXED);
	if (word & KSYNC_LOCK_ID) {
		disengage(e);
		return -EBUSY;
	}
	return settle(e, index_command(obj, index, KSYNC_LOCK_IN_LINE,
				       KSYNC_IOC_MUTEX_TRYLOCK));
}

int kk_mutex_trylock(struct ksync_object *obj, uint32_t index)
{
	struct ksync_line *line = line_for(obj);
	struct ksync_line_entry *e = NULL;

	if (line)
		e = engage(line, kk_object(obj)->id, index);
	if (!e)
		return index_command(obj, index, 0, KSYNC_IOC_MUTEX_TRYLOCK);
	if (!lock_fast(obj, index))
		return trylock_slow(obj, index, line, e);
	note_taken(lock_cell(obj, index));
	return 0;
}

/* Somebody waits, or the mutex is not consistent: the kernel passes it on. */
static __attribute__((noinline)) int
unlock_slow(struct ksync_object *obj, uint32_t index,
	    struct ksync_line_entry *e)
{
	int err = index_command(obj, index, KSYNC_LOCK_IN_LINE,
				KSYNC_IOC_MUTEX_UNLOCK);

	/* Unless it was refused for its descriptor, it is ours no more. */
	if (!err || err == -EPERM)
		disengage(e);
	return err;
}

int kk_mutex_unlock(struct ksync_object *obj, uint32_t index)
{
	struct ksync_line *line = line_for(obj);
	struct ksync_line_entry *e = NULL;
	struct ksync_lock_cell *cell;

	if (line)
		e = find_entry(line, kk_object(obj)->id, index, NULL);
	if (!e)
		return index_command(obj, index, 0, KSYNC_IOC_MUTEX_UNLOCK);
	cell = lock_cell(obj, index);
	if (obj->flags & KSYNC_RECURSIVE && cell->depth) {
		__atomic_store_n(&cell->depth, cell->depth - 1,
				 __ATOMIC_RELAXED);
		return 0;
	}
	if (e->note || __atomic_load_n(&cell->ctl, __ATOMIC_RELAXED))
		return unlock_slow(obj, index, e);
	if (ksync_fast_unlock(cell) & WAITERS)
		kk_wake(obj, index);
	disengage(e);
	return 0;
}

/* The kernel gave the mutex up and took it again, or did not: @err says. */
void kk_mutex_waited(struct ksync_object *obj, uint32_t index, int err)
{
	struct ksync_line *line = line_for(obj);
	struct ksync_line_entry *e = NULL;

	if (line)
		e = find_entry(line, kk_object(obj)->id, index, NULL);
	if (e && (err == -EOWNERDEAD || err == -ENOTRECOVERABLE))
		settle(e, err);
}

int kk_mutex_consistent(struct ksync_object *obj, uint32_t index)
{
	struct ksync_line *line = line_for(obj);
	struct ksync_line_entry *e = NULL;
	int err;

	err = index_command(obj, index, 0, KSYNC_IOC_MUTEX_CONSISTENT);
	if (line)
		e = find_entry(line, kk_object(obj)->id, index, NULL);
	if (e && !err)
		e->note = 0;
	return err;
}

/* Tracked permits are the process's, which the kernel counts. */
static struct ksync_sem_cell *sem_cell(struct ksync_object *obj,
				       uint32_t index)
{
	if (!kk_object(obj)->cells || (obj->flags & KSYNC_TRACKED))
		return NULL;
	return &kk_object(obj)->cells[index].sem;
}

/* What this thread saw last may have been another semaphore: looks again. */
static bool look(struct ksync_sem_cell *cell)
{
	uint64_t word = __atomic_load_n(&cell->state, __ATOMIC_RELAXED);
	bool other = word != kk_self.seen;

	kk_self.seen = word;
	return other;
}

/* @n permits, if that needs nobody's help. */
bool kk_sem_acquire(struct ksync_object *obj, uint32_t index, uint32_t n)
{
	struct ksync_sem_cell *cell = sem_cell(obj, index);

	if (!cell || !n)
		return false;
	while (!ksync_fast_acquire(cell, &kk_self.seen, n))
		if (!look(cell))
			return false;
	/* Two at once may count as one: an atomic operation would cost more. */
	__atomic_store_n(&cell->acquired, cell->acquired + 1, __ATOMIC_RELAXED);
	return true;
}

bool kk_sem_release(struct ksync_object *obj, uint32_t index, uint32_t n)
{
	struct ksync_sem_cell *cell = sem_cell(obj, index);

	if (!cell || !n)
		return false;
	while (!ksync_fast_release(cell, &kk_self.seen, n))
		if (!look(cell))
			return false;
	return true;
}

/* Nobody waits, died, or is bound: what the kernel keeps beside the word is 0. */
static bool plain(const struct ksync_waitgroup_cell *cell, uint64_t word)
{
	return !(word & (KSYNC_WG_WAITERS | KSYNC_WG_LOSS)) &&
	       !(__atomic_load_n(&cell->bound, __ATOMIC_RELAXED) |
		 __atomic_load_n(&cell->lost, __ATOMIC_RELAXED) |
		 __atomic_load_n(&cell->lost_before, __ATOMIC_RELAXED));
}

/*
 * Adds @delta if that needs nobody's help. What else is in the cell changes only
 * together with the word, but for @bound, which by the rules of bind does not
 * change while its member may be done.
 */
bool kk_waitgroup_add(struct ksync_object *obj, uint32_t index, int32_t delta)
{
	struct ksync_waitgroup_cell *cell;
	uint64_t word, next;
	int64_t count;

	if (!kk_object(obj)->cells)
		return false;
	cell = &kk_object(obj)->cells[index].waitgroup;
	word = __atomic_load_n(&cell->state, __ATOMIC_RELAXED);
	do {
		count = (int64_t)(word & KSYNC_WG_COUNT) + delta;
		if (!plain(cell, word) || !delta || count < 0 ||
		    count > (int64_t)KSYNC_COUNT_MAX)
			return false;
		if (count)
			next = (word & KSYNC_WG_ROUND) | (uint64_t)count;
		else
			next = (word + KSYNC_WG_ROUND_ONE) & KSYNC_WG_ROUND;
		/* Release: what members did, for the acquire of who waits. */
	} while (!__atomic_compare_exchange_n(&cell->state, &word, next, false,
					      __ATOMIC_ACQ_REL,
					      __ATOMIC_RELAXED));
	return true;
}

/* The count is zero, and the last round lost nobody. */
bool kk_waitgroup_idle(struct ksync_object *obj, uint32_t index)
{
	uint64_t word;

	if (!kk_object(obj)->cells)
		return false;
	/* Acquire: what the members did. */
	word = __atomic_load_n(&kk_object(obj)->cells[index].waitgroup.state,
			       __ATOMIC_ACQUIRE);
	return !(word & (KSYNC_WG_COUNT | KSYNC_WG_LOSS));
}
