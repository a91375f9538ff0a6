/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The storm's events. The supervisor sets them: it is never killed, so it knows
 * when. One is auto-reset and lets one worker go each time. Another cancels the
 * waits of workers, which happens to all that wait at that moment: also to those
 * who wait for an event that is never set.
 */
#ifndef KSYNC_SELFTEST_STORM_EVENT_H
#define KSYNC_SELFTEST_STORM_EVENT_H

#include "storm_lock.h"

/* So many wait there at most: they go one by one. */
#define AUDIENCE 2

/* It was let go by a set in between, whose number it mostly knows. */
static inline void check_let_go(struct storm *s, struct slot *me,
				uint32_t before)
{
	uint32_t now = get(&s->sets), set = before | 1;
	uint64_t *note = &s->let_go[set / 2 % LATEST], other;

	if (now < set) {
		violation(s, "event: %#x is back though it was not set", me->id);
		return;
	}
	if (now > set + 1)
		return;
	other = __atomic_exchange_n(note, (uint64_t)set << 32 | me->id,
				    __ATOMIC_SEQ_CST);
	if (other >> 32 == set)
		violation(s, "event: set once, and %#x and %#x are back",
			  (uint32_t)other, me->id);
}

static inline void wait_for_event(struct storm *s, struct slot *me,
				  enum patience how)
{
	uint32_t before;
	int err = 0;

	if (how == TRY)
		how = SHORTLY;
	set(&me->place, AT_EVENT);
	if (how_many(s, AT_EVENT, AT_EVENT) <= AUDIENCE) {
		before = get(&s->sets);
		if (s->broken != PASSES_WITHOUT_SET || dice(me, 4))
			err = ksync_event_wait_until(s->event,
						     wait_for(s, me, how));
		if (!gave_up(s, me, how, err, "event", 0))
			check_let_go(s, me, before);
	}
	set(&me->place, ELSEWHERE);
}

/* Nothing else ends this wait. */
static inline void wait_for_token(struct storm *s, struct slot *me)
{
	struct ksync_wait w = *within(s->bound_ms);
	int err = -ECANCELED;

	set(&me->place, AT_NEVER);
	if (s->cancels && how_many(s, AT_NEVER, AT_NEVER) == 1) {
		if (s->broken != IGNORES_CANCEL)
			w.cancel = s->token;
		me->cancels = true;
		me->turn = get(&s->turn);
		if (s->broken != CANCELS_UNASKED)
			err = ksync_event_wait_until(s->never, &w);
		if (!gave_up(s, me, MUST, err, "event", 1))
			violation(s, "event: one that is never set let %#x go",
				  me->id);
	}
	set(&me->place, ELSEWHERE);
}

static inline struct ksync_status event_status(struct ksync_event *e)
{
	struct ksync_status st;

	if (ksync_event_status(e, &st))
		memset(&st, 0xff, sizeof(st));
	return st;
}

static inline void tend_events(struct storm *s, uint64_t random)
{
	if (s->sets % 2 == 0) {
		count(&s->sets);
		if (s->broken != LOSES_SETS && ksync_event_set(s->event))
			violation(s, "event: set fails");
	}
	/* Taken, so that the next one is another. */
	if (s->sets % 2 && !event_status(s->event).value)
		count(&s->sets);

	if (!s->cancels)
		return;
	/* When it is calm, who waits in vain is to be seen. */
	if (s->turn % 2 == 0 && random % 32 == 0 && !get(&s->calm)) {
		count(&s->turn);
		if (ksync_event_set(s->token))
			violation(s, "event: set fails");
	}
	/* At once, or the next time: who waited when it was set is told. */
	if (s->turn % 2 && (random >> 32) % 2) {
		if (ksync_event_reset(s->token))
			violation(s, "event: reset fails");
		count(&s->turn);
	}
}

#endif /* KSYNC_SELFTEST_STORM_EVENT_H */
