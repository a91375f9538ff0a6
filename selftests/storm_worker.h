/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kill storm's workers do: everything, at random, until killed. */
#ifndef KSYNC_SELFTEST_STORM_WORKER_H
#define KSYNC_SELFTEST_STORM_WORKER_H

#include "storm_barrier.h"
#include "storm_event.h"
#include "storm_lock.h"
#include "storm_once.h"
#include "storm_shop.h"

static inline void do_something(struct storm *s, struct slot *me)
{
	enum patience how = patience(me);

	if (!dice(me, 4))
		ksync_cond_broadcast(s->cond);
	switch (dice(me, 18)) {
	case 0: case 1: case 2: case 3:
		write_once(s, me, dice(me, LOCKS), how);
		break;
	case 4: case 5:
		read_once(s, me, MUTEXES + dice(me, RWLOCKS), how);
		break;
	case 6: case 7:
		take_permits(s, me, dice(me, SEMS), how);
		break;
	case 8:
		be_a_member(s, me);
		break;
	case 9:
		wait_for_group(s, me, dice(me, WORKERS), how);
		break;
	case 10: case 11:
		run_it(s, me, how);
		break;
	case 12: case 13:
		meet_others(s, me, how);
		break;
	case 14: case 15:
		trade(s, me, how);
		break;
	case 16:
		wait_for_event(s, me, how);
		break;
	case 17:
		wait_for_token(s, me);
		break;
	}
	set(&me->ops, me->ops + 1);
}

/* Everything once, and for as long as the bound allows. */
static inline void parade(struct storm *s, struct slot *me)
{
	int k;

	me->on_parade = true;
	for (k = 0; k < LOCKS; k++)
		write_once(s, me, k, MUST);
	for (k = MUTEXES; k < LOCKS; k++)
		read_once(s, me, k, MUST);
	for (k = 0; k < SEMS; k++)
		take_permits(s, me, k, MUST);
	be_a_member(s, me);
	for (k = 0; k < WORKERS; k++)
		wait_for_group(s, me, k, MUST);
	run_it(s, me, MUST);
	must_meet(s, me);
	trade(s, me, MUST);
	wait_for_event(s, me, MUST);
	me->on_parade = false;
}

/* A child process; does not return. */
static inline void __attribute__((noreturn))
work_until_stopped(struct storm *s, struct slot *me)
{
	uint32_t number;

	while (!get(&s->stopping)) {
		number = get(&s->parade);
		if (number != me->passed) {
			parade(s, me);
			set(&me->passed, number);
		}
		do_something(s, me);
	}
	_exit(0);
}

#endif /* KSYNC_SELFTEST_STORM_WORKER_H */
