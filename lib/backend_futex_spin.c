// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The futex backend: waiting for a mutex awake.
 *
 *	the holder ran here	it cannot while we do: yield to it, if that is
 *				known to take no time; otherwise sleep
 *	the holder ran		spin, away from its cache line while it comes and
 *	elsewhere		goes. Passed by for long, and nobody asleep:
 *				queue, and be handed it while still awake
 */
#include "backend_futex_mutex.h"

/*
 * How long to spin. What it takes to sleep and to be woken differs by a factor of
 * ten between machines, and so do programs in how long they keep a mutex. So
 * each thread learns: if a sleep ended soon it had better gone on spinning, and
 * the next time it spins for longer; if not, for less.
 */
#define SPIN_FIRST_NS	20000U
#define SPIN_LEAST_NS	5000U
#define SPIN_MOST_NS	100000U

/* Rounds of a pause before the first look at the holder. */
#define LOOK_ROUNDS	4

/* With so many holds in between others are left alone for so long. */
#define BUSY		3
#define LEAVE_NS	4000

/*
 * Passed by for so long, a thread has itself handed the mutex; unless there were
 * so many holds that it must soon find it free between two of them, and a change
 * of hands costs more than many of them.
 */
#define PASSED_BY_NS	12000
#define PASSED_BY_MOST	200

/*
 * To yield takes a part of the time that it takes to sleep and to be woken, if
 * the holder is all that wants this processor. If others want it, a scheduler may
 * take the yield for a whole time slice given away, again and again. So yielding
 * that took this long is not done again for a pause, which doubles each time, and
 * is short again after so many yields in a row that were as they should be.
 */
#define YIELDS		3
#define YIELD_NS	50000
#define YIELD_PAUSE_NS	(1ULL << 26)
#define YIELD_DOUBLE	10
#define YIELD_CALM	1000

/* May who is not in the queue have it before those who are, and soon? */
static bool may_barge(struct kfx_q *q, uint64_t word)
{
	return kfx_load(kfx_nudged_of(q)) != KFX_STARVING &&
	       !(kfx_in_order(q->obj) && (word & KSYNC_LOCK_WAITERS));
}

/* Did the holder run where we run? */
static bool is_here(struct kfx_q *q, uint64_t word)
{
	struct kfx_line *owner = kfx_line(q->obj, kfx_lock_id(word));

	return kfx_load(&owner->cpu) == kfx_cpu();
}

/*
 * May the holder be about to let go, and for us? Not if it ran where we run, or
 * if somebody has spun for this hold and went to sleep.
 */
static bool may_get(struct kfx_q *q, uint64_t word, bool newcomer)
{
	if (newcomer && !may_barge(q, word))
		return false;
	return !(word & KSYNC_LOCK_LOST) && !is_here(q, word) &&
	       kfx_load(&kfx_mutex_more(q->cell)->seen) !=
	       (uint32_t)kfx_load(&q->cell->lock.token);
}

static uint32_t spin_ns(void)
{
	return kfx_self.spin_ns ? kfx_self.spin_ns : SPIN_FIRST_NS;
}

/* It has it now, after a sleep and, before that, a spin that was in vain. */
void kfx_mutex_learn(struct kfx_line *line)
{
	uint32_t ns = spin_ns();

	if (kfx_now() - kfx_load(&line->since) > SPIN_MOST_NS)
		ns = ns / 2 > SPIN_LEAST_NS ? ns / 2 : SPIN_LEAST_NS;
	else
		ns = 2 * ns < SPIN_MOST_NS ? 2 * ns : SPIN_MOST_NS;
	kfx_self.spin_ns = ns;
}

static void relax(uint32_t rounds)
{
	while (rounds--)
		kfx_relax();
}

/* Yielding as it was now: shall it be done again soon? */
static void learn_to_yield(bool well)
{
	struct kfx_self *self = &kfx_self;

	if (well) {
		if (++self->yields == YIELD_CALM)
			self->yield_pause = 0;
		return;
	}
	self->yield_at = kfx_now_coarse() +
			 (YIELD_PAUSE_NS << self->yield_pause);
	if (self->yield_pause < YIELD_DOUBLE)
		self->yield_pause++;
	self->yields = 0;
}

/* The holder ran here. If somebody sleeps already, that is the thing to do. */
static int yield_to_holder(struct kfx_q *q, uint64_t *word)
{
	uint64_t began;
	int i, ret = -EBUSY;
	bool soon = true;

	if ((*word & KSYNC_LOCK_LOST) || kfx_q_first(q) ||
	    !is_here(q, *word) ||
	    kfx_now_coarse() < kfx_self.yield_at)
		return -EBUSY;
	began = kfx_now();
	for (i = 0; i < YIELDS && ret == -EBUSY && soon; i++) {
		kfx_yield();
		*word = kfx_load(&q->cell->state);
		ret = kfx_mutex_try(q, word, true);
		soon = kfx_now() - began < YIELD_NS;
	}
	learn_to_yield(soon && ret != -EBUSY);
	return ret;
}

/*
 * Until it is free and ours. Every look takes the cache line away from the
 * holder, and every change of hands takes as long as many short holds. So who
 * sees others come and go leaves them alone for a while.
 */
static int spin(struct kfx_q *q, uint64_t *word, bool newcomer)
{
	struct ksync_lock_cell *lock = &q->cell->lock;
	uint32_t n = kfx_spins(spin_ns()), i, pause = LOOK_ROUNDS;
	uint32_t passed_by = kfx_spins(PASSED_BY_NS);
	uint32_t before = kfx_load(&lock->token), first = before;

	for (i = 0; i < n && may_get(q, *word, newcomer); i += pause) {
		kfx_self.spun = true;
		relax(pause);
		pause = 1;
		if ((uint32_t)kfx_load(&lock->token) - before >= BUSY) {
			pause = kfx_spins(LEAVE_NS);
			relax(pause);
			before = kfx_load(&lock->token);
		}
		*word = kfx_load(&q->cell->state);
		if (!kfx_lock_id(*word) && !kfx_mutex_try(q, word, newcomer))
			return 0;
		if (newcomer && i >= passed_by && before != first &&
		    before - first < PASSED_BY_MOST && !kfx_q_first(q)) {
			kfx_self.passed_by = true;
			break;
		}
	}
	*word = kfx_load(&q->cell->state);
	return kfx_mutex_try(q, word, newcomer);
}

int kfx_mutex_spin(struct kfx_q *q, uint64_t *word, bool newcomer)
{
	int ret = -EBUSY;

	kfx_self.spun = false;
	kfx_self.passed_by = false;
	if (newcomer)
		ret = yield_to_holder(q, word);
	return ret == -EBUSY ? spin(q, word, newcomer) : ret;
}

/* Until the wait is over: who holds it knows that it shall be handed over. */
void kfx_mutex_spin_granted(struct kfx_line *line)
{
	uint32_t n = kfx_spins(SPIN_MOST_NS);

	while (n-- && kfx_wait_state(line) == KFX_WAITING)
		kfx_relax();
}
