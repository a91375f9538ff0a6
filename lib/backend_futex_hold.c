// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The futex backend: what a thread or a process holds, written down in lines so
 * that others find it after a death.
 *
 * A thread has room for KFX_HOLDS primitives in its own line, and takes further
 * lines for more at a time. A primitive that was given back keeps its place
 * until another needs it.
 *
 * Permits and members belong to the process. They stand in lines of its own; a
 * primitive keeps its place there for as long as the process has the object.
 */
#include <stdlib.h>

#include "backend_futex.h"

#define HELD	(KFX_HELD_READ | KFX_HELD_EXCL | KSYNC_HOLD_LEFT)

/* The hold's count of read acquisitions moves to the cell. */
void kfx_reads_flush(struct kfx_object *obj, struct ksync_hold *hold)
{
	uint32_t index = (kfx_load(&hold->key) & KFX_KEY_INDEX) - 1;
	uint32_t reads = kfx_load(&hold->reads);

	if (!reads)
		return;
	kfx_store(&hold->reads, 0);
	if (index < obj->nr && obj->type == KSYNC_RWLOCK)
		kfx_add(&obj->cells[index].lock.shared, reads);
}

static struct ksync_hold *find_in(struct kfx_line *line, uint32_t index)
{
	uint32_t n;

	for (n = kfx_line_holds(line); n-- > 0; )
		if (kfx_hold_is_for(kfx_line_hold(line, n), index))
			return kfx_line_hold(line, n);
	return NULL;
}

/* One that was not used last, or NULL. */
struct ksync_hold *kfx_hold_find_other(struct kfx_thread *t, uint32_t index)
{
	struct ksync_hold *hold;
	uint32_t i;

	for (i = t->nr_more; i-- > 0; ) {
		hold = find_in(kfx_line(t->obj, t->more[i]), index);
		if (hold)
			return t->last = hold;
	}
	hold = find_in(t->line, index);
	if (hold)
		t->last = hold;
	return hold;
}

static struct ksync_hold *spare_in(struct kfx_line *line, uint32_t max)
{
	uint32_t n, top = kfx_line_holds(line);

	for (n = 0; n < top; n++)
		if (!(kfx_load(&kfx_line_hold(line, n)->key) & HELD))
			return kfx_line_hold(line, n);
	if (top == max)
		return NULL;
	/* Release: before the key that others look for. */
	kfx_store_release(&line->top, top + 1);
	return kfx_line_hold(line, top);
}

static int more_holds(struct kfx_thread *t)
{
	uint32_t *more, id;
	int ret;

	/* Room for twice as many whenever a power of two is full. */
	if (!(t->nr_more & (t->nr_more - 1))) {
		size_t nr = t->nr_more ? 2 * (size_t)t->nr_more : 1;

		more = realloc(t->more, nr * sizeof(*more));
		if (!more)
			return -ENOMEM;
		t->more = more;
	}
	pthread_mutex_lock(&kfx_lock);
	ret = kfx_line_claim(t->obj, KFX_LINE_MORE, t->id, &id);
	if (!ret)
		t->more[t->nr_more++] = id;
	pthread_mutex_unlock(&kfx_lock);
	t->reads = false;
	return ret;
}

static struct ksync_hold *spare(struct kfx_thread *t)
{
	struct ksync_hold *hold;

	/* Only the newest: locks are mostly given back in reverse order. */
	if (t->nr_more) {
		hold = spare_in(kfx_line(t->obj, t->more[t->nr_more - 1]),
				KFX_HOLDS_MORE);
		if (hold)
			return hold;
	}
	return spare_in(t->line, KFX_HOLDS);
}

/*
 * In the older ones. What the fast path gives back is not told, so after a look
 * in vain the next one is when there are twice as many.
 */
static struct ksync_hold *spare_anywhere(struct kfx_thread *t)
{
	struct ksync_hold *hold = NULL;
	uint32_t i, id;

	if (!t->given_back && t->nr_more < 2 * t->full)
		return NULL;
	for (i = 0; i < t->nr_more; i++) {
		id = t->more[i];
		hold = spare_in(kfx_line(t->obj, id), KFX_HOLDS_MORE);
		if (!hold)
			continue;
		t->more[i] = t->more[t->nr_more - 1];
		t->more[t->nr_more - 1] = id;
		return hold;
	}
	t->given_back = false;
	t->full = t->nr_more;
	return NULL;
}

/*
 * The thread is about to have a read hold, somewhere in its lines: who looks for
 * readers must look that far. A full barrier, so before the hold.
 */
void kfx_hold_reads(struct kfx_thread *t)
{
	uint32_t *hi = &t->obj->header->readers_hi, old = kfx_load(hi);
	uint32_t id = t->id, i;

	for (i = 0; i < t->nr_more; i++)
		if (t->more[i] > id)
			id = t->more[i];
	while (old <= id && !kfx_cas(hi, &old, id + 1))
		;
	t->reads = true;
}

/* One that was not used last, made if need be. */
int kfx_hold_get_other(struct kfx_thread *t, uint32_t index,
		       struct ksync_hold **out)
{
	struct ksync_hold *hold = kfx_hold_find_other(t, index);
	int ret;

	if (!hold) {
		hold = spare(t);
		if (!hold)
			hold = spare_anywhere(t);
		if (!hold) {
			ret = more_holds(t);
			if (ret)
				return ret;
			hold = spare(t);
		}
		kfx_reads_flush(t->obj, hold);
		kfx_store(&hold->count, 0);
		kfx_store(&hold->key, index + 1);
		t->last = hold;
	}
	*out = hold;
	return 0;
}

static struct ksync_hold *process_hold_at(struct kfx_object *obj, uint32_t place)
{
	return kfx_line_hold(kfx_line(obj, (place - 1) / KFX_HOLDS_MORE),
			     (place - 1) % KFX_HOLDS_MORE);
}

/* What the process has of the primitive, or NULL. */
struct ksync_hold *kfx_process_hold_find(struct kfx_object *obj, uint32_t index)
{
	uint32_t *map = kfx_load_acquire(&obj->process_map);
	/* Acquire: the hold is filled in. Pairs with place_hold(). */
	uint32_t place = map ? kfx_load_acquire(&map[index]) : 0;

	return place ? process_hold_at(obj, place) : NULL;
}

/* kfx_lock held. */
static int place_hold(struct kfx_object *obj, uint32_t index)
{
	struct kfx_line *line = kfx_line(obj, obj->process_line);
	uint32_t id = obj->process_line, *map = obj->process_map, n;
	int ret;

	if (!map) {
		map = calloc(obj->nr, sizeof(*map));
		if (!map)
			return -ENOMEM;
		/* Pairs with the acquire in kfx_process_hold_find(). */
		kfx_store_release(&obj->process_map, map);
	}
	if (map[index])
		return 0;
	if (!id || kfx_load(&line->top) >= KFX_HOLDS_MORE) {
		ret = kfx_line_claim(obj, KFX_LINE_PROCESS, 0, &id);
		if (ret)
			return ret;
		obj->process_line = id;
		line = kfx_line(obj, id);
	}
	n = kfx_load(&line->top);
	kfx_store(&kfx_line_hold(line, n)->key, index + 1);
	kfx_store_release(&line->top, n + 1);
	kfx_store_release(&map[index], id * KFX_HOLDS_MORE + n + 1);
	return 0;
}

/* The same, made if need be. */
int kfx_process_hold(struct kfx_object *obj, uint32_t index,
		     struct ksync_hold **hold)
{
	int ret;

	*hold = kfx_process_hold_find(obj, index);
	if (*hold)
		return 0;
	pthread_mutex_lock(&kfx_lock);
	ret = place_hold(obj, index);
	pthread_mutex_unlock(&kfx_lock);
	if (!ret)
		*hold = kfx_process_hold_find(obj, index);
	return ret;
}

static bool line_holds(struct kfx_line *line)
{
	uint32_t n;

	for (n = kfx_line_holds(line); n-- > 0; )
		if (kfx_load(&kfx_line_hold(line, n)->key) & HELD)
			return true;
	return false;
}

/* Members count in their round only. */
static bool process_holds(struct kfx_object *obj, uint32_t index)
{
	struct ksync_hold *hold = kfx_process_hold_find(obj, index);
	uint64_t word;

	if (!hold || !kfx_load(&hold->count))
		return false;
	word = kfx_load(&obj->cells[index].state);
	return obj->type != KSYNC_WAITGROUP ||
	       ((word & KSYNC_WG_COUNT) && kfx_load(&hold->round) ==
		(word & KFX_WG_ROUND) / KSYNC_WG_ROUND_ONE);
}

/* Does this process hold anything of the object? kfx_lock held. */
bool kfx_holding(struct kfx_object *obj)
{
	struct kfx_thread *t;
	uint32_t i;

	for (t = obj->threads; t; t = t->obj_next) {
		if (line_holds(t->line))
			return true;
		for (i = 0; i < t->nr_more; i++)
			if (line_holds(kfx_line(obj, t->more[i])))
				return true;
	}
	for (i = 0; obj->process_map && i < obj->nr; i++)
		if (process_holds(obj, i))
			return true;
	return false;
}
