// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The futex backend: events tied to events of the same object.
 *
 * Nobody goes from a parent to its children. A child's tie notes how many changes
 * of the parent it has been told of; whoever looks at the child first tells it of
 * what it has missed:
 *
 *	word of the child	1
 *	tie			2, and once more after 3
 *	changes of the parent	3, for which the parent is told first
 *
 * If the parent has become set since, and the child is not: sets it (in the word
 * of 1, or begins anew), and only then the tie says so. Who resets an event does
 * so in a word that was looked at like this. So a set of the parent is told once:
 * who comes late with it finds other changes in the child's word.
 *
 * Events with children are manual-reset ones, whose changes are odd while they
 * are set. So it shows if one was set and reset meanwhile.
 *
 * Who waits for an event sleeps on the changes of all its ancestors as well, and
 * is woken by whoever sets one of them. Whoever dies anywhere in between leaves
 * what the next look at the child finds.
 *
 * Ties change with the queue of event 0 locked. A count of children is raised
 * before and lowered after, so a death may leave it too high: one that stands in
 * the way is counted anew.
 */
#include <limits.h>

#include "backend_futex.h"

#define TIE_PARENT	0x1fffffU	/* index + 1, 0 for none */
#define TIE_ONE		(TIE_PARENT + 1)	/* counts ties, and wraps */
#define TIE_TOLD	(1ULL << 32)

static_assert(KSYNC_NR_LIMIT <= TIE_PARENT, "every event may be a parent");

static struct kfx_event_more *more_of(struct kfx_object *obj, uint32_t index)
{
	return (struct kfx_event_more *)&obj->cells[index].event.reserved;
}

/* Index + 1, 0 for none. */
static uint32_t parent_in(struct kfx_object *obj, uint64_t tie)
{
	uint32_t parent = tie & TIE_PARENT;

	return parent <= obj->nr ? parent : 0;
}

static uint32_t parent_of(struct kfx_object *obj, uint32_t index)
{
	return parent_in(obj, kfx_load_acquire(&more_of(obj, index)->tie));
}

/* Is there an odd one among the changes after @told? */
static bool became_set(uint32_t told, uint32_t changes)
{
	return changes - told > 1 || (changes != told && changes % 2);
}

/* False if it is not @old any more. Killed before the wake: sleepers look. */
bool kfx_event_raise(struct kfx_object *obj, struct ksync_event_cell *cell,
		     uint64_t old)
{
	uint64_t new = (old | KSYNC_EVENT_SET) + KSYNC_EVENT_CHANGE;
	bool one = obj->flags & KSYNC_AUTO_RESET;

	/* All are woken, and say so again if they wait again. */
	if (!one)
		new &= ~KSYNC_EVENT_WAITERS;
	if (!kfx_cas(&cell->state, &old, new))
		return false;
	if (old & KSYNC_EVENT_WAITERS)
		kfx_wake(&cell->changes, one ? 1 : INT_MAX);
	return true;
}

static uint64_t look(struct kfx_object *obj, uint32_t index, bool tell,
		     unsigned int above)
{
	struct ksync_event_cell *cell = &obj->cells[index].event;
	uint64_t *at = &more_of(obj, index)->tie, word, tie;
	uint32_t parent, changes;

	for (;;) {
		/* Each before what follows: as above. */
		word = kfx_load_acquire(&cell->state);
		tie = kfx_load_acquire(at);
		parent = parent_in(obj, tie);
		if (!parent || !above)
			return word;
		changes = look(obj, parent - 1, tell, above - 1) /
			  KSYNC_EVENT_CHANGE;
		if (kfx_load(at) != tie)
			continue;
		if (changes == tie / TIE_TOLD)
			return word;
		if (became_set(tie / TIE_TOLD, changes) &&
		    !(word & KSYNC_EVENT_SET)) {
			if (!tell)
				return (word | KSYNC_EVENT_SET) +
				       KSYNC_EVENT_CHANGE;
			kfx_event_raise(obj, cell, word);
			continue;
		}
		if (!tell)
			return word;
		kfx_cas(at, &tie, (uint32_t)tie | changes * TIE_TOLD);
	}
}

/* The word of an event, after it was told what its ancestors have to tell. */
uint64_t kfx_event_word(struct kfx_object *obj, uint32_t index)
{
	return look(obj, index, true, KFX_EVENT_DEPTH);
}

/* The word as it would be then. */
uint64_t kfx_event_peek(struct kfx_object *obj, uint32_t index)
{
	return look(obj, index, false, KFX_EVENT_DEPTH);
}

/*
 * Adds all that can set the event to what to sleep on. To be followed by a look,
 * and by a new watch before the next sleep.
 */
void kfx_event_watch(struct kfx_object *obj, uint32_t index,
		     struct kfx_futexes *f)
{
	uint32_t parent = index + 1, n;
	struct ksync_event_cell *cell;
	uint64_t word;

	for (n = 0; parent && n <= KFX_EVENT_DEPTH; n++) {
		cell = &obj->cells[parent - 1].event;
		word = kfx_load_acquire(&cell->state);
		/* Pairs with the exchange in kfx_event_raise(). */
		if (!(word & KSYNC_EVENT_WAITERS))
			word = kfx_set(&cell->state, KSYNC_EVENT_WAITERS);
		kfx_futexes_add(f, &cell->changes, word / KSYNC_EVENT_CHANGE);
		parent = parent_of(obj, parent - 1);
	}
}

/* Is @child the event @index or one of its ancestors? Their number, too. */
static bool is_above(struct kfx_object *obj, uint32_t child, uint32_t index,
		     unsigned int *above)
{
	uint32_t parent;

	for (*above = 0; index != child; index = parent - 1) {
		parent = parent_of(obj, index);
		if (!parent || *above > KFX_EVENT_DEPTH)
			return false;
		++*above;
	}
	return true;
}

/* How many children, if that is @too_many; otherwise they may be fewer. */
static uint32_t children_of(struct kfx_object *obj, uint32_t index,
			    uint32_t too_many)
{
	uint32_t *children = &more_of(obj, index)->children, n, i;

	if (kfx_load(children) < too_many)
		return kfx_load(children);
	for (i = 0, n = 0; i < obj->nr; i++)
		n += parent_of(obj, i) == index + 1;
	kfx_store(children, n);
	return n;
}

static int may_tie(struct kfx_object *obj, uint32_t index, uint32_t parent)
{
	unsigned int above;

	if (is_above(obj, index, parent, &above))
		return -ELOOP;
	if (children_of(obj, index, 1))
		return -EBUSY;
	if (above >= KFX_EVENT_DEPTH)
		return -ELOOP;
	/* One more place is free if it is its parent already. */
	if (children_of(obj, parent, KFX_EVENT_CHILDREN) >= KFX_EVENT_CHILDREN &&
	    parent_of(obj, index) != parent + 1)
		return -EMLINK;
	return 0;
}

/* Told of all until now, but that the parent is set. */
static uint64_t new_tie(struct kfx_object *obj, uint32_t parent, uint64_t old)
{
	uint64_t word = parent ? kfx_event_word(obj, parent - 1) : 0;
	uint32_t told = word / KSYNC_EVENT_CHANGE;

	if (word & KSYNC_EVENT_SET)
		told--;
	return told * TIE_TOLD |
	       (uint32_t)((old & ~(uint64_t)TIE_PARENT) + TIE_ONE) | parent;
}

/* @parent: index + 1, 0 for none. Queue locked. */
static void tie_to(struct kfx_object *obj, uint32_t index, uint32_t parent)
{
	uint64_t *at = &more_of(obj, index)->tie, old;
	uint32_t *children, before;

	if (parent) {
		children = &more_of(obj, parent - 1)->children;
		kfx_store(children, kfx_load(children) + 1);
	}
	do {
		/* What the old parent has told until now. */
		kfx_event_word(obj, index);
		old = kfx_load(at);
	} while (!kfx_cas(at, &old, new_tie(obj, parent, old)));
	before = parent_in(obj, old);
	if (before) {
		children = &more_of(obj, before - 1)->children;
		kfx_store(children, kfx_load(children) - 1);
	}
}

int kfx_event_set_parent(struct ksync_object *base, uint32_t index,
			 struct ksync_object *parent, uint32_t parent_index)
{
	struct kfx_object *obj = kfx_obj(base);
	struct kfx_thread *t;
	struct kfx_q q;
	int ret;

	/* Who has the one's file may not have the other's. */
	if (parent && kfx_obj(parent) != obj)
		return -EOPNOTSUPP;
	ret = kfx_thread_get(obj, &t);
	if (ret)
		return ret;
	kfx_q_init(&q, obj, 0, t->id);
	kfx_q_lock(&q);
	if (parent)
		ret = may_tie(obj, index, parent_index);
	if (!ret)
		tie_to(obj, index, parent ? parent_index + 1 : 0);
	kfx_q_unlock(&q);
	if (ret)
		return ret;
	kfx_event_word(obj, index);
	/* They sleep on another parent's changes from now on. */
	kfx_wake(&obj->cells[index].event.changes, INT_MAX);
	return 0;
}
