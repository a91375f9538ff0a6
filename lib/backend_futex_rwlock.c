// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The futex backend: reader-writer lock.
 *
 * A read hold stands in the reader's own line, and nowhere else. The word has
 * the writer, and whether anybody waits. The two sides find each other like
 * this, each with a full barrier in the middle:
 *
 *	reader				writer
 *	hold READ in my line		my id, or WRITER_WAITS, in the word
 *	(fence)				(the CAS)
 *	look at the word:		look at all lines:
 *	  a writer there? withdraw	  a reader there? wait for it
 *
 * so at least one sees the other. Who withdraws or leaves looks at the word
 * once more, after another fence, and lets in the writer that may have seen it.
 *
 * A writer that waits keeps new readers out, so it waits only for those that
 * read already. A writer that finishes lets in all readers that wait. All that
 * wait are let in by others, with the queue locked, and never see the lock free.
 */
#include "backend_futex.h"

/* Rounds of a pause before a thread queues. */
#define SPINS	100

/* The word is such that a newcomer may not read. */
#define NO_READERS (KSYNC_LOCK_ID | KSYNC_LOCK_LOST | KSYNC_LOCK_WRITER_WAITS)

/*
 * Goes through all that read the primitive, until @fn says stop: then true.
 * Holds appear and vanish meanwhile, but for those there before and after.
 */
static bool any_reader(struct kfx_q *q,
		       bool (*fn)(struct kfx_q *q, uint32_t id))
{
	uint32_t hi = kfx_load(&q->obj->header->readers_hi), id, n;
	uint32_t key = (q->index + 1) | KFX_HELD_READ;
	struct kfx_line *line;

	for (id = 1; id < hi && id < KFX_LINES; id++) {
		line = &q->obj->lines[id];
		if (!kfx_load(&line->top))
			continue;
		for (n = kfx_line_holds(line); n-- > 0; )
			/* Pairs with the release in kfx_hold_end(). */
			if (kfx_load_acquire(&kfx_line_hold(line, n)->key) ==
			    key && fn(q, id))
				return true;
	}
	return false;
}

static bool is_not_me(struct kfx_q *q, uint32_t id)
{
	struct kfx_line *line = &q->obj->lines[id];

	if (kfx_load(&line->kind) == KFX_LINE_MORE)
		id = kfx_load(&line->parent);
	return id != q->owner;
}

static bool is_reader(struct kfx_q *q, uint32_t id)
{
	return true;
}

static void set_flags(struct kfx_q *q)
{
	uint64_t flags = kfx_lock_flags(q), word = kfx_load(&q->cell->state);
	const uint64_t all = KSYNC_LOCK_WAITERS | KSYNC_LOCK_WRITER_WAITS;

	while ((word & all) != flags &&
	       !kfx_cas(&q->cell->state, &word, (word & ~all) | flags))
		;
}

/* The hold that a reader waits to get, NULL if that makes no sense. */
static struct kfx_hold *hold_of(struct kfx_q *q, struct kfx_line *line)
{
	uint32_t at = kfx_load(&line->hold_at);

	if (!at || at % 4 || at > q->obj->size - sizeof(struct kfx_hold))
		return NULL;
	return (struct kfx_hold *)((char *)q->obj->base + at);
}

/* Queue locked, the lock not held for writing. */
static void admit_reader(struct kfx_q *q, uint32_t id)
{
	struct kfx_hold *hold = hold_of(q, kfx_line(q->obj, id));

	/* The hold first: whoever is granted it has it. */
	if (hold) {
		kfx_store(&hold->count, 1);
		kfx_store(&hold->key, (q->index + 1) | KFX_HELD_READ);
		kfx_fence();
	}
	kfx_q_admit(q, id, KFX_GRANTED);
}

/* Does the waiter have its hold already? */
static bool is_granted(struct kfx_q *q, uint32_t id)
{
	struct kfx_hold *hold = hold_of(q, kfx_line(q->obj, id));

	return hold && (kfx_load(&hold->key) & KFX_HELD_READ);
}

/* All of them, or only those of a grant that was begun by who died. */
static void admit_readers(struct kfx_q *q, bool all)
{
	uint32_t id, next, n;

	for (id = kfx_q_first(q), n = 0; id && n < KFX_LINES; id = next, n++) {
		next = kfx_q_next(q, id);
		if (kfx_load(&kfx_line(q->obj, id)->want) == KFX_WANT_READ &&
		    (all || is_granted(q, id)))
			admit_reader(q, id);
	}
}

/* Readers when it is their turn or before the first writer, then a writer. */
static void admit(struct kfx_q *q)
{
	uint32_t id;

	if (q->writer_left)
		admit_readers(q, true);
	q->writer_left = false;
	while ((id = kfx_q_first(q))) {
		if (kfx_load(&kfx_line(q->obj, id)->want) == KFX_WANT_READ) {
			admit_reader(q, id);
			continue;
		}
		/* The flag keeps others out, so that none can hide from us. */
		set_flags(q);
		if (any_reader(q, is_reader))
			break;
		kfx_lock_grant(q, id);
		break;
	}
}

static void rwlock_advance(struct kfx_q *q)
{
	uint64_t word;

	kfx_lock_grant_done(q);
	if (q->gated)
		admit_readers(q, false);
	kfx_q_drop_dead(q);
	/* Before the last look at the word: pairs with who lets go. */
	set_flags(q);
	word = kfx_load(&q->cell->state);
	if (word & KSYNC_LOCK_LOST)
		kfx_lock_fail_all(q);
	else if (!kfx_lock_id(word))
		admit(q);
	set_flags(q);
}

static void rwlock_drop_wait(struct kfx_q *q, uint32_t id,
			     struct kfx_line *line)
{
	struct kfx_hold *hold = hold_of(q, line);

	if (kfx_lock_pass_on(q, id) || !hold ||
	    kfx_load(&line->want) != KFX_WANT_READ)
		return;
	/* Granted, but not a reader yet. */
	if (kfx_load(&hold->key) == ((q->index + 1) | KFX_HELD_READ))
		kfx_store_release(&hold->key, q->index + 1);
}

static void rwlock_drop_hold(struct kfx_q *q, uint32_t id,
			     struct kfx_hold *hold)
{
	struct kfx_redo redo = { .nr = 3 };

	if (kfx_lock_die(q, id) || !(kfx_load(&hold->key) & KFX_HELD_READ))
		return;
	redo.store[0].at = kfx_offset(q->obj, &hold->key);
	redo.store[0].value = q->index + 1;
	redo.store[1].at = kfx_offset(q->obj, &q->cell->lock.deaths);
	redo.store[1].value = kfx_load(&q->cell->lock.deaths) + 1;
	kfx_q_commit(q, &redo);
}

/* Stops the scan when somebody was found dead: lines have changed. */
static bool check_reader(struct kfx_q *q, uint32_t id)
{
	return kfx_line_check(q->obj, id);
}

static void rwlock_check(struct kfx_q *q)
{
	uint64_t word = kfx_load(&q->cell->state);

	if (kfx_lock_id(word))
		kfx_line_check(q->obj, kfx_lock_id(word));
	else
		any_reader(q, check_reader);
}

const struct kfx_type kfx_rwlock_type = {
	.advance = rwlock_advance,
	.drop_wait = rwlock_drop_wait,
	.drop_hold = rwlock_drop_hold,
	.check = rwlock_check,
};

/* Lets in whoever can go now. */
static void let_in(struct kfx_q *q, bool writer_left)
{
	kfx_q_lock(q);
	q->writer_left = writer_left;
	rwlock_advance(q);
	kfx_q_unlock(q);
}

/*
 * The read hold is gone from the line: a writer may be waiting for that. As
 * long as there are others, one of them is the last to come here, since each
 * looks after its own hold is gone.
 */
static void reader_left(struct kfx_q *q)
{
	kfx_fence();
	if ((kfx_load(&q->cell->state) & KSYNC_LOCK_WRITER_WAITS) &&
	    !any_reader(q, is_reader))
		let_in(q, false);
}

static int reader_result(struct kfx_q *q, struct kfx_hold *hold)
{
	kfx_store(&hold->reads, kfx_load(&hold->reads) + 1);
	return kfx_load(&q->cell->state) & KSYNC_LOCK_DEAD ? -EOWNERDEAD : 0;
}

/* -EBUSY, -ENOTRECOVERABLE, or with the hold. */
static int try_read(struct kfx_q *q, struct kfx_hold *hold)
{
	uint64_t word;

	kfx_store(&hold->count, 1);
	kfx_store(&hold->key, (q->index + 1) | KFX_HELD_READ);
	/* The reader's side of the diagram. */
	kfx_fence();
	word = kfx_load(&q->cell->state);
	if (!(word & NO_READERS))
		return reader_result(q, hold);
	kfx_store_release(&hold->key, q->index + 1);
	reader_left(q);
	return word & KSYNC_LOCK_LOST ? -ENOTRECOVERABLE : -EBUSY;
}

/* Waits in the queue for either kind of hold. */
static int queue_up(struct kfx_q *q, enum kfx_want want, struct kfx_hold *hold,
		    uint64_t deadline)
{
	struct kfx_line *line = kfx_line(q->obj, q->owner);
	enum kfx_wait_state state;
	int ret;

	kfx_q_lock(q);
	/* Of a try that found readers. Now they let us in. */
	kfx_lock_pass_on(q, q->owner);
	kfx_wait_begin(q, want, 0, hold);
	rwlock_advance(q);
	kfx_q_unlock(q);

	ret = kfx_wait(q, deadline, NULL);
	state = kfx_wait_state(line);
	if (state == KFX_WAITING) {
		kfx_q_lock(q);
		state = kfx_wait_state(line);
		if (state == KFX_WAITING) {
			kfx_q_leave(q);
			rwlock_advance(q);
		}
		kfx_q_unlock(q);
	}
	if (state == KFX_GRANTED)
		ret = 0;
	else if (state == KFX_FAILED)
		ret = -ENOTRECOVERABLE;
	kfx_wait_set(line, KFX_IDLE);
	return ret;
}

static int read_again(struct kfx_q *q, struct kfx_hold *hold, bool try)
{
	uint32_t count = kfx_load(&hold->count);

	if (kfx_load(&hold->key) & KFX_HELD_EXCL)
		return try ? -EBUSY : -EDEADLK;
	if (count >= KSYNC_COUNT_MAX)
		return -EOVERFLOW;
	kfx_store(&hold->count, count + 1);
	return reader_result(q, hold);
}

static int read_slowly(struct kfx_q *q, struct kfx_thread *t,
		       struct kfx_hold *hold, uint64_t deadline, bool try)
{
	int ret = -EBUSY, i;

	if (try) {
		kfx_look(q, t);
		return try_read(q, hold);
	}
	for (i = 0; i < SPINS && kfx_cpus() > 1 && ret == -EBUSY; i++) {
		kfx_relax();
		if (!(kfx_load(&q->cell->state) & NO_READERS))
			ret = try_read(q, hold);
	}
	if (ret != -EBUSY)
		return ret;
	ret = queue_up(q, KFX_WANT_READ, hold, deadline);
	if (ret)
		return ret;
	kfx_count(&q->cell->lock.contended);
	return reader_result(q, hold);
}

static int read_lock(struct ksync_object *base, uint32_t index,
		     uint64_t deadline, bool try)
{
	struct kfx_object *obj = kfx_obj(base);
	struct kfx_thread *t;
	struct kfx_hold *hold;
	struct kfx_q q;
	int ret;

	ret = kfx_thread_get(obj, &t);
	if (!ret)
		ret = kfx_hold_get(t, index, &hold);
	if (ret)
		return ret;
	if (!t->reads)
		kfx_hold_reads(t);
	kfx_q_init(&q, obj, index, t->id);
	if (kfx_load(&hold->key) & (KFX_HELD_READ | KFX_HELD_EXCL))
		return read_again(&q, hold, try);
	ret = try_read(&q, hold);
	if (ret == -EBUSY)
		ret = read_slowly(&q, t, hold, deadline, try);
	return ret;
}

int kfx_rwlock_rdlock(struct ksync_object *base, uint32_t index,
		      uint64_t deadline)
{
	return read_lock(base, index, deadline, false);
}

int kfx_rwlock_tryrdlock(struct ksync_object *base, uint32_t index)
{
	return read_lock(base, index, 0, true);
}

/*
 * Until we know that nobody reads, we are no writer: says so in our line, in
 * case that we die.
 */
static void begin_try(struct kfx_q *q)
{
	struct kfx_line *line = kfx_line(q->obj, q->owner);

	kfx_store(&line->index, q->index);
	kfx_store(&line->want, KFX_WANT_EXCL);
	kfx_wait_set(line, KFX_TRY);
}

static void end_try(struct kfx_q *q)
{
	kfx_wait_set(kfx_line(q->obj, q->owner), KFX_IDLE);
}

/* -EBUSY, -ENOTRECOVERABLE, or with the lock. Leaves the word if it cannot. */
static int try_write(struct kfx_q *q)
{
	uint64_t word = 0;

	while (!kfx_cas(&q->cell->state, &word, word | q->owner)) {
		if (word & KSYNC_LOCK_LOST)
			return -ENOTRECOVERABLE;
		if (kfx_lock_id(word) || (word & KSYNC_LOCK_WAITERS))
			return -EBUSY;
	}
	/* The CAS is the writer's side of the diagram. */
	if (!any_reader(q, is_reader))
		return kfx_lock_taken(q->cell, word, false);
	return -EBUSY;
}

/* A try that failed may have let nobody in meanwhile. */
static void undo_try(struct kfx_q *q)
{
	uint64_t word = q->owner;

	if (kfx_lock_id(kfx_load(&q->cell->state)) != q->owner ||
	    kfx_cas(&q->cell->state, &word, 0))
		return;
	kfx_q_lock(q);
	kfx_lock_pass_on(q, q->owner);
	rwlock_advance(q);
	kfx_q_unlock(q);
}

static int write_slowly(struct kfx_q *q, struct kfx_thread *t,
			uint64_t deadline, bool try)
{
	int ret;

	if (try) {
		undo_try(q);
		kfx_look(q, t);
		ret = any_reader(q, is_reader) ? -EBUSY : try_write(q);
		if (ret == -EBUSY)
			undo_try(q);
		return ret;
	}
	ret = queue_up(q, KFX_WANT_EXCL, NULL, deadline);
	if (ret)
		return ret;
	return kfx_lock_taken(q->cell, kfx_load(&q->cell->state), true);
}

static int write_lock(struct ksync_object *base, uint32_t index,
		      uint64_t deadline, bool try)
{
	struct kfx_object *obj = kfx_obj(base);
	struct kfx_thread *t;
	struct kfx_hold *hold;
	struct kfx_q q;
	int ret;

	ret = kfx_thread_get(obj, &t);
	if (!ret)
		ret = kfx_hold_get(t, index, &hold);
	if (ret)
		return ret;
	if (kfx_load(&hold->key) & (KFX_HELD_READ | KFX_HELD_EXCL))
		return try ? -EBUSY : -EDEADLK;
	kfx_q_init(&q, obj, index, t->id);
	/* Before the word can name us; the CAS is a full barrier. */
	kfx_store(&hold->key, (index + 1) | KFX_HELD_EXCL);
	begin_try(&q);
	ret = try && any_reader(&q, is_reader) ? -EBUSY : try_write(&q);
	if (ret == -EBUSY)
		ret = write_slowly(&q, t, deadline, try);
	end_try(&q);
	if (ret && ret != -EOWNERDEAD)
		kfx_hold_end(t, hold, index);
	return ret;
}

int kfx_rwlock_wrlock(struct ksync_object *base, uint32_t index,
		      uint64_t deadline)
{
	return write_lock(base, index, deadline, false);
}

int kfx_rwlock_trywrlock(struct ksync_object *base, uint32_t index)
{
	return write_lock(base, index, 0, true);
}

/* The writer lets go: of everything, or its hold is READ by now. */
static void stop_writing(struct kfx_q *q, bool lost)
{
	uint64_t word = q->owner;

	if (kfx_cas(&q->cell->state, &word, 0))
		return;
	kfx_q_lock(q);
	word = kfx_load(&q->cell->state);
	if (lost && (word & KSYNC_LOCK_DEAD))
		word = (word & ~KSYNC_LOCK_DEAD) | KSYNC_LOCK_LOST;
	kfx_swap(&q->cell->state, word & ~KSYNC_LOCK_ID);
	q->writer_left = true;
	rwlock_advance(q);
	kfx_q_unlock(q);
}

/* With a thread and the hold of it; -EPERM without a hold of these kinds. */
static int begin_release(struct kfx_object *obj, uint32_t index, uint32_t kinds,
			 struct kfx_q *q, struct kfx_thread **t,
			 struct kfx_hold **hold)
{
	int ret = kfx_thread_get(obj, t);

	if (ret)
		return ret;
	*hold = kfx_hold_find(*t, index);
	if (!*hold || !(kfx_load(&(*hold)->key) & kinds))
		return -EPERM;
	kfx_q_init(q, obj, index, (*t)->id);
	return 0;
}

int kfx_rwlock_unlock(struct ksync_object *base, uint32_t index)
{
	struct kfx_thread *t;
	struct kfx_hold *hold;
	struct kfx_q q;
	uint32_t count;
	int ret;

	ret = begin_release(kfx_obj(base), index,
			    KFX_HELD_READ | KFX_HELD_EXCL, &q, &t, &hold);
	if (ret)
		return ret;
	if (kfx_load(&hold->key) & KFX_HELD_EXCL) {
		stop_writing(&q, true);
		kfx_hold_end(t, hold, index);
		return 0;
	}
	count = kfx_load(&hold->count) - 1;
	kfx_store(&hold->count, count);
	if (!count) {
		kfx_hold_end(t, hold, index);
		reader_left(&q);
	}
	return 0;
}

int kfx_rwlock_downgrade(struct ksync_object *base, uint32_t index)
{
	struct kfx_thread *t;
	struct kfx_hold *hold;
	struct kfx_q q;
	int ret;

	ret = begin_release(kfx_obj(base), index, KFX_HELD_EXCL, &q, &t, &hold);
	if (ret)
		return ret;
	if (!t->reads)
		kfx_hold_reads(t);
	kfx_store(&hold->count, 1);
	kfx_store(&hold->reads, kfx_load(&hold->reads) + 1);
	/* Before the word lets go, so that no writer comes in between. */
	kfx_store_release(&hold->key, (index + 1) | KFX_HELD_READ);
	stop_writing(&q, false);
	return 0;
}

/* Past a writer that waits for us: otherwise neither would ever go on. */
int kfx_rwlock_upgrade(struct ksync_object *base, uint32_t index)
{
	struct kfx_thread *t;
	struct kfx_hold *hold;
	uint64_t word;
	struct kfx_q q;
	int ret;

	ret = begin_release(kfx_obj(base), index, KFX_HELD_READ, &q, &t, &hold);
	if (ret)
		return ret;
	if (kfx_load(&hold->count) > 1)
		return -EBUSY;
	begin_try(&q);
	kfx_q_lock(&q);
	word = kfx_load(&q.cell->state);
	ret = -EBUSY;
	while (!kfx_lock_id(word) &&
	       !kfx_cas(&q.cell->state, &word, word | q.owner))
		;
	if (!kfx_lock_id(word)) {
		/* The CAS is the writer's side of the diagram. */
		if (any_reader(&q, is_not_me)) {
			kfx_lock_pass_on(&q, q.owner);
			rwlock_advance(&q);
		} else {
			kfx_store_release(&hold->key,
					  (index + 1) | KFX_HELD_EXCL);
			ret = kfx_lock_taken(q.cell, word, false);
		}
	}
	kfx_q_unlock(&q);
	end_try(&q);
	return ret;
}
