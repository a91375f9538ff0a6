// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The futex backend: reader-writer lock, what is done for others: whom to let
 * in, and what the dead leave. backend_futex_rwlock_ops.c has the operations.
 *
 * A read hold stands in the reader's own line, and nowhere else. The word has
 * the writer, and whether anybody waits. The two sides find each other like
 * this:
 *
 *	reader				writer
 *	hold READ in my line		my id, or WRITER_WAITS, in the word,
 *	(compiler barrier)		and FENCED
 *	look at the word:		(a barrier for all, if FENCED is new)
 *	  FENCED? fence, look again	look at all lines:
 *	  a writer there? withdraw	  a reader there? wait for it
 *
 * so at least one sees the other: the writer's barrier comes before the reader's
 * look, which sees the word then, or after it, and the hold is visible. A reader
 * that looks later sees FENCED, and has a fence of its own.
 *
 * Who withdraws or leaves looks at the word once more, and lets in the writer that
 * may have seen it. With FENCED that takes a fence, too; not of the favourite.
 * Before a writer sleeps, WRITER_WAITS is set, a barrier sent, FENCED or not, and
 * all lines looked at again.
 *
 * A barrier costs as much as hundreds of reads, so FENCED stays until a reader
 * has read often and seen no new writer. It is set together with an id or with
 * WRITER_WAITS, by who has the queue locked, and neither is given up before the
 * barrier was sent (if he dies: by who recovers him). So who finds FENCED there
 * need not send one, except to the favourite: backend_futex_rwlock_quick.c.
 *
 * A writer that waits keeps new readers out, so it waits only for those that
 * read already. A writer that finishes lets in all readers that wait. All that
 * wait are let in by others, with the queue locked, and never see the lock free.
 */
#include "backend_futex.h"

#define NAP_NS	10000000ULL

/*
 * FENCED is new: sees to it that all readers have seen it, or are seen. Where
 * barriers cannot be sent, it is for good; and a processor does not keep a store
 * to itself for as long as that.
 */
void kfx_rwlock_fence_readers(struct kfx_q *q)
{
	if (kfx_barrier())
		return;
	kfx_store(&q->obj->header->fenced, 1);
	kfx_nap(NAP_NS);
}

/* Goes through all that read it, until @fn says stop: then true. */
static bool any_reader(struct kfx_q *q,
		       bool (*fn)(struct kfx_q *q, uint32_t id))
{
	uint32_t id = 0;

	while ((id = kfx_rwlock_reader(q->obj, q->index, id + 1, 0)))
		if (fn(q, id))
			return true;
	return false;
}

static bool is_other(struct kfx_q *q, uint32_t id)
{
	struct kfx_line *line = &q->obj->lines[id];

	if (kfx_load(&line->kind) == KFX_LINE_MORE)
		id = kfx_load(&line->parent);
	return id != q->owner;
}

bool kfx_rwlock_read(struct kfx_q *q)
{
	return kfx_rwlock_reader(q->obj, q->index, 1, 0);
}

/* By others than the queue's owner. */
bool kfx_rwlock_read_by_others(struct kfx_q *q)
{
	return any_reader(q, is_other);
}

static void set_flags(struct kfx_q *q)
{
	const uint64_t all = KSYNC_LOCK_WAITERS | KSYNC_LOCK_WRITER_WAITS;
	uint64_t flags = kfx_lock_flags(q), word = kfx_load(&q->cell->state);

	if (flags & KSYNC_LOCK_WRITER_WAITS)
		flags |= KSYNC_LOCK_FENCED;
	while ((word & (all | flags)) != flags &&
	       !kfx_cas(&q->cell->state, &word, (word & ~all) | flags))
		;
	/* The favourite leaves without a fence, and so does who saw no FENCED. */
	if (flags & ~word & (KSYNC_LOCK_FENCED | KSYNC_LOCK_WRITER_WAITS))
		kfx_rwlock_fence_readers(q);
}

/* The hold that a reader waits to get, NULL if that makes no sense. */
static struct ksync_hold *hold_of(struct kfx_q *q, struct kfx_line *line)
{
	uint32_t at = kfx_load(&line->hold_at);

	if (!at || at % 4 || at > q->obj->size - sizeof(struct ksync_hold))
		return NULL;
	return (struct ksync_hold *)((char *)q->obj->base + at);
}

/* Queue locked, the lock not held for writing. */
static void admit_reader(struct kfx_q *q, uint32_t id)
{
	struct ksync_hold *hold = hold_of(q, kfx_line(q->obj, id));

	/* The hold first: whoever is granted it has it. */
	if (hold) {
		kfx_store(&hold->count, 0);
		kfx_store(&hold->key, (q->index + 1) | KFX_HELD_READ);
		kfx_fence();
	}
	kfx_q_admit(q, id, KFX_GRANTED);
}

/* Does the waiter have its hold already? */
static bool is_granted(struct kfx_q *q, uint32_t id)
{
	struct ksync_hold *hold = hold_of(q, kfx_line(q->obj, id));

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
		if (kfx_rwlock_read(q))
			break;
		kfx_lock_grant(q, id);
		break;
	}
}

void kfx_rwlock_advance(struct kfx_q *q)
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
	struct ksync_hold *hold = hold_of(q, line);

	/* Of the dead: maybe it set FENCED, and no more than that. */
	if (q->gated)
		kfx_rwlock_fence_readers(q);
	if (kfx_lock_pass_on(q, id) || !hold ||
	    kfx_load(&line->want) != KFX_WANT_READ)
		return;
	/* Granted, but not a reader yet. */
	if (kfx_load(&hold->key) == ((q->index + 1) | KFX_HELD_READ))
		kfx_store_release(&hold->key, q->index + 1);
}

static void rwlock_drop_hold(struct kfx_q *q, uint32_t id,
			     struct ksync_hold *hold)
{
	struct kfx_redo redo = { .nr = 3 };

	/* Likewise. */
	kfx_rwlock_fence_readers(q);
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
	.advance = kfx_rwlock_advance,
	.drop_wait = rwlock_drop_wait,
	.drop_hold = rwlock_drop_hold,
	.check = rwlock_check,
};

/*
 * The read hold is gone from the line: a writer may be waiting for that. As
 * long as there are others, one of them is the last to come here, since each
 * looks after its own hold is gone.
 */
void kfx_rwlock_reader_left(struct kfx_q *q)
{
	kfx_fence();
	if (!(kfx_load(&q->cell->state) & KSYNC_LOCK_WRITER_WAITS) ||
	    kfx_rwlock_read(q))
		return;
	kfx_q_lock(q);
	kfx_rwlock_advance(q);
	kfx_q_unlock(q);
}
