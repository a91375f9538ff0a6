/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The storm's barrier. Each worker may come, some are members. Rounds have
 * numbers, which a worker that came and went knows mostly, and notes what came
 * of its own. A round is over for all of its parties, one of which is the serial
 * one, or broken for all of them. Only the supervisor resets it, so that a broken
 * barrier stays broken until it has seen that.
 */
#ifndef KSYNC_SELFTEST_STORM_BARRIER_H
#define KSYNC_SELFTEST_STORM_BARRIER_H

#include "storm_lock.h"

/* What came of a round, as far as it is known; above it its number. */
#define ROUND_SERIAL	(1ULL << 0)	/* so many times */
#define ROUND_PASSED	(1ULL << 8)	/* likewise, of the others */
#define ROUND_BROKEN	(1ULL << 16)
#define ROUND_UNSURE	(1ULL << 17)	/* somebody does not know, or is dead */

static inline uint32_t round_number(uint64_t noted)
{
	return noted >> 32;
}

static inline unsigned int round_serials(uint64_t noted)
{
	return noted & 0xff;
}

static inline unsigned int round_parties(uint64_t noted)
{
	return round_serials(noted) + (noted >> 8 & 0xff);
}

static inline void note_round(struct storm *s, uint32_t round, uint64_t what)
{
	uint64_t *place = &s->round[round % LATEST], old = get(place), new;

	do {
		if (round_number(old) > round)
			return;
		new = round_number(old) == round ? old : (uint64_t)round << 32;
		new = what < ROUND_BROKEN ? new + what : new | what;
	} while (!swap(place, &old, new));
	if (round_serials(new) > 1)
		violation(s, "barrier: round %u has two serial parties", round);
	if (round_parties(new) > PARTIES)
		violation(s, "barrier: %u parties were in round %u",
			  round_parties(new), round);
	if (round_parties(new) && (new & ROUND_BROKEN))
		violation(s, "barrier: round %u is over for some, broken for others",
			  round);
}

static inline void note_unsure(struct storm *s, uint32_t first, uint32_t last)
{
	uint32_t n;

	for (n = 0; n < LATEST && first + n <= last; n++)
		note_round(s, first + n, ROUND_UNSURE);
}

/* It came in the round of @before, or a later one. */
static inline void check_meeting(struct storm *s, struct slot *me, int err,
				 const struct ksync_status *before,
				 const struct ksync_status *after)
{
	uint32_t first = before->token, now = after->token;

	if (err >= 0 && now == first)
		violation(s, "barrier: %#x is back before the end of round %u",
			  me->id, first);
	else if (err >= 0 && now == first + 1)
		note_round(s, first, err ? ROUND_SERIAL : ROUND_PASSED);
	else if (err >= 0)
		note_unsure(s, first, now - 1);
	else if (now == first && !(after->flags & KSYNC_IS_BROKEN))
		violation(s, "barrier: %s in round %u, which is not broken",
			  ksync_strerror(err), first);
	else if (now == first)
		note_round(s, first, ROUND_BROKEN);
}

static inline int barrier_wait(struct storm *s, struct slot *me,
			       enum patience how)
{
	int err;

	if (s->broken == COMES_BACK_EARLY && !dice(me, 10))
		return 0;
	err = ksync_barrier_wait_until(s->barrier, wait_for(s, me, how));
	if (s->broken == HIDES_BREAKS && err == -EPIPE && !dice(me, 4))
		return 0;
	if (s->broken == IS_ALWAYS_SERIAL && !err)
		return KSYNC_BARRIER_SERIAL;
	return err;
}

/* False if it was broken, or did not wait for the others. */
static inline bool meet(struct storm *s, struct slot *me, enum patience how)
{
	struct ksync_status before = barrier_status(s->barrier), after;
	int err;

	set(&me->round, before.token);
	set(&me->place, AT_BARRIER);
	err = barrier_wait(s, me, how);
	after = barrier_status(s->barrier);
	check_meeting(s, me, err, &before, &after);
	set(&me->place, ELSEWHERE);

	if (err >= 0) {
		count(&s->meetings);
		return true;
	}
	set(&s->seen_broken, 1);
	if (err != -EPIPE)
		gave_up(s, me, how, err, "barrier", 0);
	return false;
}

static inline void join(struct storm *s, struct slot *me)
{
	int err;

	set(&me->member, JOINING);
	err = s->broken == REMAINS_STRANGER ? 0 : ksync_barrier_join(s->barrier);
	if (err && err != -EOVERFLOW)
		violation(s, "barrier: join says %s", ksync_strerror(err));
	set(&me->member, err ? STRANGER : JOINED);
}

static inline void leave(struct storm *s, struct slot *me)
{
	int err;

	set(&me->member, JOINING);
	err = ksync_barrier_leave(s->barrier);
	if (err && s->broken != REMAINS_STRANGER)
		violation(s, "barrier: leave says %s", ksync_strerror(err));
	set(&me->member, STRANGER);
	set(&s->seen_broken, 1);
}

static inline void meet_others(struct storm *s, struct slot *me,
			       enum patience how)
{
	if (get(&s->calm))
		return;
	if (me->member == STRANGER && !dice(me, 4))
		join(s, me);
	else if (me->member == JOINED && !dice(me, 40))
		leave(s, me);
	/* Who does not wait for them breaks it. */
	meet(s, me, how == SHORTLY ? SHORTLY : MUST);
}

/* As often as it takes. */
static inline void must_meet(struct storm *s, struct slot *me)
{
	while (!get(&s->stopping) && !meet(s, me, MUST))
		sleep_ns(NSEC_PER_MSEC / 5);
}

/* What the supervisor knows. */
struct barrier_watch {
	uint64_t member_died;	/* when; 0: the barrier was broken since */
	bool party_died;	/* in this round, or a later one */
	uint32_t round;
	unsigned int deaths;	/* at most so many broke it */
};

static inline void party_died(struct barrier_watch *w, struct slot *slot)
{
	bool there = get(&slot->place) == AT_BARRIER;

	if (there && (!w->party_died || slot->round < w->round))
		w->round = slot->round;
	w->party_died |= there;
	if (slot->member == JOINED && !w->member_died)
		w->member_died = now_ns();
	w->deaths += there || slot->member != STRANGER;
}

/* It is the round @now: the dead may have been parties of those before. */
static inline void note_deaths(struct storm *s, struct barrier_watch *w,
			       uint32_t now)
{
	if (w->party_died)
		note_unsure(s, w->round, now);
	w->party_died = false;
}

/*
 * Resets it when somebody has seen it broken, and not before: to look is to
 * notice deaths, which those who wait have to notice by themselves. A member's
 * death must have broken it, by and by.
 */
static inline void tend_barrier(struct storm *s, struct barrier_watch *w)
{
	uint64_t now = now_ns();
	bool prompt = ksync_guarantees() & KSYNC_G_PROMPT;
	uint64_t since = w->member_died + (prompt ? 0 : 100 * NSEC_PER_MSEC);
	bool due = w->member_died && now > since;
	struct ksync_status st;

	if (!get(&s->seen_broken) && !due)
		return;
	set(&s->seen_broken, 0);
	st = barrier_status(s->barrier);
	note_deaths(s, w, st.token);
	if (st.flags & KSYNC_IS_BROKEN) {
		w->member_died = 0;
		s->breaks++;
		ksync_barrier_reset(s->barrier);
	} else if (due && now > since + s->calm_ms * NSEC_PER_MSEC) {
		violation(s, "barrier: not broken by the death of a member");
	}
}

/*
 * When it is calm: the dead are not counted among those who have arrived, but
 * have broken it.
 */
static inline bool barrier_is_calm(struct storm *s, struct barrier_watch *w)
{
	struct ksync_status st = barrier_status(s->barrier);

	return !w->member_died && (st.flags & KSYNC_IS_BROKEN ||
	       st.value <= how_many(s, AT_BARRIER, AT_BARRIER));
}

static inline void barrier_is_stuck(struct storm *s)
{
	violation(s, "barrier: %u arrived, and %u are there",
		  barrier_status(s->barrier).value,
		  how_many(s, AT_BARRIER, AT_BARRIER));
}

/*
 * Each round that is over had all of its parties. Nobody was killed since the
 * last look; who is there now may have a round to note from its own on.
 */
static inline void check_rounds(struct storm *s, struct barrier_watch *w)
{
	uint32_t before = barrier_status(s->barrier).token;
	uint64_t noted;
	int i;

	note_deaths(s, w, before);
	for (i = 0; i < WORKERS; i++)
		if (get(&s->slot[i].place) == AT_BARRIER &&
		    get(&s->slot[i].round) < before)
			before = s->slot[i].round;
	for (i = 0; i < LATEST; i++) {
		noted = get(&s->round[i]);
		if (round_number(noted) < before && round_parties(noted) &&
		    !(noted & ROUND_UNSURE) &&
		    (round_parties(noted) != PARTIES || !round_serials(noted)))
			violation(s, "barrier: round %u was over with %u of %u parties, %u of them serial",
				  round_number(noted), round_parties(noted),
				  PARTIES, round_serials(noted));
	}
}

/* Nobody is left: no member, and nobody who waits. */
static inline void check_barrier_end(struct storm *s, struct barrier_watch *w)
{
	uint64_t until = now_ns() + notice_bound_ms() * NSEC_PER_MSEC;
	struct ksync_status st;

	do {
		ksync_barrier_reset(s->barrier);
		st = barrier_status(s->barrier);
	} while ((st.readers || st.flags & KSYNC_IS_BROKEN) &&
		 now_ns() < until);
	if (st.readers || st.value || st.waiters_shared || st.flags)
		violation(s, "barrier: %u members, %u parties, %u waiters, flags %u at the end",
			  st.readers, st.value, st.waiters_shared, st.flags);
	if (st.deaths > w->deaths)
		violation(s, "barrier: %u deaths counted, at most %u happened",
			  st.deaths, w->deaths);
}

#endif /* KSYNC_SELFTEST_STORM_BARRIER_H */
