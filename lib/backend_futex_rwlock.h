/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The futex backend: what the files of the reader-writer lock share. Part of
 * backend_futex.h.
 */
#ifndef KSYNC_BACKEND_FUTEX_RWLOCK_H
#define KSYNC_BACKEND_FUTEX_RWLOCK_H

/* backend_futex_rwlock.c */
void kfx_rwlock_fence_readers(struct kfx_q *q);
bool kfx_rwlock_read(struct kfx_q *q);
bool kfx_rwlock_read_by_others(struct kfx_q *q);
void kfx_rwlock_advance(struct kfx_q *q);
void kfx_rwlock_reader_left(struct kfx_q *q);

/* backend_futex_rwlock_ops.c */
int kfx_rwlock_write_lock(struct ksync_object *base, uint32_t index,
			  struct kfx_limit *limit, int quick);
int kfx_rwlock_unlock_slowly(struct ksync_object *base, uint32_t index);

/* backend_futex_rwlock_quick.c */
uint64_t kfx_rwlock_next(struct kfx_object *obj, uint32_t index, uint32_t id,
			 uint64_t word);
bool kfx_rwlock_needs_barrier(uint64_t word, uint32_t id);
int kfx_rwlock_taken(union ksync_cell *cell, uint32_t id, uint64_t word,
		     bool waited);
void kfx_rwlock_seen(union ksync_cell *cell);

/* Of writers, in place of the depth of a recursive mutex. */
static inline uint32_t *kfx_rwlock_run(struct ksync_lock_cell *lock)
{
	return &lock->depth;
}

/*
 * Until we know that nobody reads, we are no writer: says so in our line, in
 * case that we die.
 */
static inline void kfx_try_begin(struct kfx_line *line, uint32_t index)
{
	kfx_store(&line->index, index);
	kfx_store(&line->want, KFX_WANT_EXCL);
	kfx_wait_set(line, KFX_TRY);
}

/*
 * The first line from @id on with a read hold of the primitive, but for @self;
 * 0 for none. Holds appear and vanish meanwhile, but for those there before and
 * after.
 */
static inline uint32_t kfx_rwlock_reader(struct kfx_object *obj, uint32_t index,
					 uint32_t id, uint32_t self)
{
	uint32_t key = (index + 1) | KFX_HELD_READ, hi, n;
	struct kfx_line *line;

	/* Between the flag in the word, whoever set it, and the lines. */
	kfx_fence_after_rmw();
	hi = kfx_load(&obj->header->readers_hi);
	for (line = &obj->lines[id]; id < hi && id < KFX_LINES; id++, line++) {
		if (id == self || !kfx_load(&line->top))
			continue;
		for (n = kfx_line_holds(line); n-- > 0; )
			/* Pairs with the release in kfx_hold_end(). */
			if (kfx_load_acquire(&kfx_line_hold(line, n)->key) ==
			    key)
				return id;
	}
	return 0;
}

#endif /* KSYNC_BACKEND_FUTEX_RWLOCK_H */
