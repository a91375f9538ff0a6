/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The futex backend: what waits for several primitives share, and what the
 * primitives do for them.
 */
#ifndef KSYNC_BACKEND_FUTEX_MANY_H
#define KSYNC_BACKEND_FUTEX_MANY_H

#include "backend_futex.h"

/*
 * One of several things that are asked for.
 *
 * thread	who asks; NULL for an event
 * over		the round is: that stays so
 * same		as one before it, which gets whatever this one would
 * noted	event: its changes when it was found unset, or taken
 * result	as in struct ksync_ask; -EBUSY: not taken
 *
 * While an agent waits for it:
 *
 * q		the primitive, in the agent's name
 * agent	its line; NULL: none
 * hold		locks: the thread's place for it, reserved
 */
struct kfx_item {
	struct ksync_ask *ask;
	struct kfx_object *obj;
	struct kfx_thread *thread;
	bool over;
	bool same;
	uint32_t noted;
	int result;

	struct kfx_q q;
	struct kfx_line *agent;
	struct ksync_hold *hold;
};

/* It has the primitive, or what it waited for is over. */
static inline bool kfx_is_taken(int result)
{
	return !result || result == -EOWNERDEAD;
}

static inline bool kfx_is_event(const struct kfx_item *item)
{
	return item->ask->take == KSYNC_TAKE_EVENT;
}

static inline bool kfx_is_auto_reset(const struct kfx_item *item)
{
	return item->obj->flags & KSYNC_AUTO_RESET;
}

/* backend_futex_many.c */
int kfx_item_try(struct kfx_item *item);

/* backend_futex_agent.c */
int kfx_agent_send(struct kfx_item *item, struct kfx_limit *limit);
bool kfx_agent_done(struct kfx_item *item);
int kfx_agent_accept(struct kfx_item *item);
void kfx_agent_dismiss(struct kfx_item *item);
void kfx_agent_watch(struct kfx_item *item, struct kfx_futexes *f);
uint32_t kfx_agent_look(struct kfx_item *item);

/* backend_futex_all.c */
int kfx_take_all(struct kfx_item *items, uint32_t nr, struct kfx_limit *limit,
		 struct kfx_item **failed);

/* The primitives: */
void kfx_mutex_join(struct kfx_q *q, struct kfx_limit *limit);
bool kfx_mutex_poll(struct kfx_q *q);
int kfx_mutex_accept(struct kfx_q *q, uint32_t id);
void kfx_rwlock_join(struct kfx_q *q, enum kfx_want want,
		     struct ksync_hold *hold, struct kfx_limit *limit);
int kfx_rwlock_accept_read(struct kfx_q *q, struct ksync_hold *hold);
void kfx_rwlock_untake_write(struct ksync_object *base, uint32_t index);
void kfx_sem_join(struct kfx_q *q, uint32_t n, struct ksync_hold *hold,
		  struct kfx_limit *limit);
int kfx_sem_accept(struct kfx_q *q);
void kfx_sem_untake(struct ksync_object *base, uint32_t index, uint32_t n);
bool kfx_round_join(struct kfx_q *q, struct kfx_limit *limit, uint32_t *lost);
bool kfx_round_over(struct kfx_q *q, uint32_t *lost);
void kfx_round_watch(struct kfx_q *q, struct kfx_futexes *f);
bool kfx_event_take(struct ksync_object *base, uint32_t index, uint64_t *old);
void kfx_event_untake(struct ksync_object *base, uint32_t index,
		      uint32_t changes);
void kfx_event_pass_on(struct ksync_object *base, uint32_t index);
int kfx_event_wait_word(struct ksync_object *base, uint32_t index,
			struct kfx_limit *limit, uint64_t *old);

#endif /* KSYNC_BACKEND_FUTEX_MANY_H */
