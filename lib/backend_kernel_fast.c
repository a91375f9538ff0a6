// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The kernel backend: what goes without a system call when nobody is in the way,
 * as far as ksync_inline.h leaves it to us, and what has to be noted for that.
 *
 * The cells are mapped and changed as <linux/ksync.h> says. A mutex that is held
 * stands in the caller's line, ENGAGED from before the first operation on its
 * word until after the last one, so that the kernel finds it wherever the thread
 * dies:
 *
 *	       assign             engage             lock
 *	(none) ------> [assigned] ------> [engaged] -----> [held]
 *	   ^            |      ^                             | unlock
 *	   +------------+      +---------- disengage --------+
 *	   for another mutex
 *
 * For which mutex an entry is, the thread remembers (ksync_layout.h), and so
 * needs not look for it. Who finds the mutex engaged in its line holds it. What
 * was locked without a line, or with one that was full, the kernel has on record.
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
	return &obj->cells[index].lock;
}

/* The caller's line if the object can be used with it, otherwise NULL. */
static inline struct ksync_line *line_for(struct ksync_object *obj)
{
	return obj->cells ? kk_line(obj) : NULL;
}

#define ENGAGED		KSYNC_HOLD_IN_WORD(KSYNC_LINE_ENGAGED)

static_assert(KSYNC_LINE_ENGAGED == KSYNC_HOLD_EXCL, "lines are holds");

static inline uint64_t word_of(const struct ksync_line_entry *e)
{
	return __atomic_load_n(&e->word, __ATOMIC_RELAXED);
}

static inline void set_word(struct ksync_line_entry *e, uint64_t word)
{
	/* The kernel may look after any instruction. */
	ksync_fast_barrier();
	__atomic_store_n(&e->word, word, __ATOMIC_RELAXED);
	ksync_fast_barrier();
}

static inline void disengage(struct ksync_line_entry *e)
{
	set_word(e, e->index);
}

static inline bool is_for(const struct ksync_line_entry *e, uint64_t id,
			  uint32_t index)
{
	return __atomic_load_n(&e->object, __ATOMIC_RELAXED) == id &&
	       e->index == index;
}

/* The entry by which the caller holds the primitive; NULL if there is none. */
static struct ksync_line_entry *find_entry(struct ksync_line *line, uint64_t id,
					   uint32_t index)
{
	struct ksync_line_entry *e;

	for (e = line->entry; e < line->entry + KSYNC_LINE_ENTRIES; e++)
		if (is_for(e, id, index) && word_of(e) & ENGAGED)
			return e;
	return NULL;
}

/* One that is not engaged, if possible for this primitive, or for none. */
static struct ksync_line_entry *spare_entry(struct ksync_line *line,
					    uint64_t id, uint32_t index)
{
	struct ksync_line_entry *e, *spare = NULL;
	uint32_t n = kk_self.turn;

	for (e = line->entry; e < line->entry + KSYNC_LINE_ENTRIES; e++)
		if (is_for(e, id, index) && !(word_of(e) & ENGAGED))
			return e;
	for (e = line->entry; e < line->entry + KSYNC_LINE_ENTRIES; e++)
		if (!e->object)
			return e;
	do {
		e = &line->entry[n++ % KSYNC_LINE_ENTRIES];
		if (!(word_of(e) & ENGAGED))
			spare = e;
	} while (!spare && n - kk_self.turn < KSYNC_LINE_ENTRIES);
	kk_self.turn = n;
	return spare;
}

/*
 * An entry that says that the caller is engaged in the primitive; NULL if the
 * line is full.
 */
static struct ksync_line_entry *engage(struct ksync_line *line, uint64_t id,
				       uint32_t index)
{
	struct ksync_line_entry *e = spare_entry(line, id, index);

	if (e && !is_for(e, id, index)) {
		ksync_fast_drop(&e->word);
		set_word(e, index);
		e->object = id;
	}
	if (e)
		set_word(e, index | ENGAGED);
	return e;
}

/* From now on ksync_inline.h knows what to do, unless it takes more than that. */
static void remember(struct ksync_object *obj, uint32_t index,
		     struct ksync_line_entry *e)
{
	if (!(obj->flags & (KSYNC_FIFO | KSYNC_RECURSIVE)))
		ksync_fast_lock_is(ksync_fast_tag(obj->serial, index),
				   &e->word, index,
				   kk_self.id);
}

/* What the holder writes beside the word. */
static inline void note_taken(struct ksync_lock_cell *cell)
{
	__atomic_store_n(&cell->token, cell->token + 1, __ATOMIC_RELAXED);
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
		set_word(e, e->index | ENGAGED |
			 KSYNC_HOLD_IN_WORD(INCONSISTENT));
	else if (err)
		disengage(e);
	return err;
}

static int lock_slow(struct ksync_object *obj, uint32_t index,
		     const struct ksync_limit *limit,
		     struct ksync_line_entry *e)
{
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
	struct ksync_line_entry *e;

	if (line && find_entry(line, kk_object(obj)->id, index)) {
		if (obj->flags & KSYNC_RECURSIVE)
			return relock(obj, index, -EDEADLK);
		/* The kernel refuses that, and keeps what for. */
		return lock_command(obj, index, KSYNC_LOCK_IN_LINE, limit);
	}
	e = line ? engage(line, kk_object(obj)->id, index) : NULL;
	if (!e)
		return lock_command(obj, index, 0, limit);
	remember(obj, index, e);
	if (!lock_fast(obj, index))
		return lock_slow(obj, index, limit, e);
	note_taken(lock_cell(obj, index));
	return 0;
}

int kk_mutex_lock(struct ksync_object *obj, uint32_t index, uint64_t deadline)
{
	const struct ksync_limit limit = { .deadline = deadline };

	return kk_mutex_lock_limit(obj, index, &limit);
}

static int trylock_slow(struct ksync_object *obj, uint32_t index,
			struct ksync_line_entry *e)
{
	uint64_t word;

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
	struct ksync_line_entry *e;

	if (line && find_entry(line, kk_object(obj)->id, index))
		return relock(obj, index, -EBUSY);
	e = line ? engage(line, kk_object(obj)->id, index) : NULL;
	if (!e)
		return index_command(obj, index, 0, KSYNC_IOC_MUTEX_TRYLOCK);
	remember(obj, index, e);
	if (!lock_fast(obj, index))
		return trylock_slow(obj, index, e);
	note_taken(lock_cell(obj, index));
	return 0;
}

/* Somebody waits, or the mutex is not consistent: the kernel passes it on. */
static int unlock_slow(struct ksync_object *obj, uint32_t index,
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
		e = find_entry(line, kk_object(obj)->id, index);
	if (!e)
		return index_command(obj, index, 0, KSYNC_IOC_MUTEX_UNLOCK);
	cell = lock_cell(obj, index);
	if (obj->flags & KSYNC_RECURSIVE && cell->depth) {
		__atomic_store_n(&cell->depth, cell->depth - 1,
				 __ATOMIC_RELAXED);
		return 0;
	}
	if (is_ours(obj, index)) {
		if (word_of(e) != (index | ENGAGED) ||
		    __atomic_load_n(&cell->ctl, __ATOMIC_RELAXED))
			return unlock_slow(obj, index, e);
		if (ksync_fast_unlock(cell) & WAITERS)
			kk_wake(obj, index);
	} else {
		/* ksync_inline_unlock() let go, and then saw WAITERS. */
		kk_wake(obj, index);
	}
	disengage(e);
	return 0;
}

/* The kernel gave the mutex up and took it again, or did not: @err says. */
void kk_mutex_waited(struct ksync_object *obj, uint32_t index, int err)
{
	struct ksync_line *line = line_for(obj);
	struct ksync_line_entry *e = NULL;

	if (line)
		e = find_entry(line, kk_object(obj)->id, index);
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
		e = find_entry(line, kk_object(obj)->id, index);
	if (e && !err)
		set_word(e, index | ENGAGED);
	return err;
}

/* Tracked permits are the process's, which the kernel counts. */
static struct ksync_sem_cell *sem_cell(struct ksync_object *obj,
				       uint32_t index)
{
	if (!obj->cells || (obj->flags & KSYNC_TRACKED))
		return NULL;
	return &obj->cells[index].sem;
}

/* @n permits, if that needs nobody's help. */
bool kk_sem_acquire(struct ksync_object *obj, uint32_t index, uint32_t n)
{
	struct ksync_sem_cell *cell = sem_cell(obj, index);
	uint64_t word;

	if (!cell || !n)
		return false;
	kk_line(obj);
	word = __atomic_load_n(&cell->state, __ATOMIC_RELAXED);
	if (!ksync_fast_acquire(cell, &word, n))
		return false;
	ksync_fast_word_is(ksync_fast_tag(obj->serial, index), word);
	/* Two at once may count as one: an atomic operation would cost more. */
	__atomic_store_n(&cell->acquired, cell->acquired + 1, __ATOMIC_RELAXED);
	return true;
}

bool kk_sem_release(struct ksync_object *obj, uint32_t index, uint32_t n)
{
	struct ksync_sem_cell *cell = sem_cell(obj, index);
	uint64_t word;

	if (!cell || !n)
		return false;
	kk_line(obj);
	word = __atomic_load_n(&cell->state, __ATOMIC_RELAXED);
	if (!ksync_fast_release(cell, &word, n))
		return false;
	ksync_fast_word_is(ksync_fast_tag(obj->serial, index), word);
	return true;
}

/*
 * Nobody waits, died, or is bound. What else is in the cell the kernel changes
 * only together with the word, but for @bound, which by the rules of bind does
 * not change while its member may be done.
 */
static bool plain(const struct ksync_waitgroup_cell *cell, uint64_t word)
{
	return !(word & (KSYNC_WG_WAITERS | KSYNC_WG_LOSS)) &&
	       !__atomic_load_n(&cell->bound, __ATOMIC_RELAXED);
}

/* Adds @delta if that needs nobody's help. */
bool kk_waitgroup_add(struct ksync_object *obj, uint32_t index, int32_t delta)
{
	struct ksync_waitgroup_cell *cell;
	uint64_t word, next;
	int64_t count;

	if (!obj->cells)
		return false;
	kk_line(obj);
	cell = &obj->cells[index].waitgroup;
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
	ksync_fast_word_is(ksync_fast_tag(obj->serial, index), next);
	return true;
}

/* The count is zero, and the last round lost nobody. */
bool kk_waitgroup_idle(struct ksync_object *obj, uint32_t index)
{
	uint64_t word;

	if (!obj->cells)
		return false;
	/* Acquire: what the members did. */
	word = __atomic_load_n(&obj->cells[index].waitgroup.state,
			       __ATOMIC_ACQUIRE);
	return !(word & (KSYNC_WG_COUNT | KSYNC_WG_LOSS));
}
