/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The storm's conditions: a shop with room for a few goods, a mutex, and a
 * condition each for those who sleep until there are goods and until there is
 * room. Each good that comes or goes is one signal, so that none may be lost.
 */
#ifndef KSYNC_SELFTEST_STORM_SHOP_H
#define KSYNC_SELFTEST_STORM_SHOP_H

#include "storm_lock.h"

/* So many sleep for one thing at most: the others can see to it. */
#define SLEEPERS 3

/* Who died with the mutex may have been about to signal. */
static inline void enter_shop(struct storm *s, struct slot *me, int err)
{
	come_in(s, me, SHOP, err);
	if (err == -EOWNERDEAD &&
	    (ksync_cond_broadcast(s->goods) || ksync_cond_broadcast(s->room)))
		violation(s, "condition: broadcast fails");
}

static inline void leave_shop(struct storm *s, struct slot *me)
{
	go_out(s, me, SHOP);
	must_unlock(s, me, SHOP);
}

static inline bool may_trade(struct storm *s, bool buys)
{
	uint32_t stock = get(&s->stock);

	return get(&s->stopping) || (buys ? stock > 0 : stock < ROOM);
}

static inline int cond_wait(struct storm *s, struct slot *me, bool buys,
			    enum patience how)
{
	struct ksync_cond *c = buys ? s->goods : s->room;

	if (s->broken == WAKES_WITHOUT_MUTEX && !dice(me, 4)) {
		must_unlock(s, me, SHOP);
		sleep_ns(NSEC_PER_MSEC / 5);
		return 0;
	}
	return ksync_cond_wait_until(c, s->mutex[SHOP], wait_for(s, me, how));
}

/* In the shop before and afterwards. */
static inline int sleep_in_shop(struct storm *s, struct slot *me, bool buys,
				enum patience how)
{
	int err;

	go_out(s, me, SHOP);
	set(&me->place, buys ? BUYS_ASLEEP : SELLS_ASLEEP);
	err = cond_wait(s, me, buys, how);
	set(&me->place, buys ? BUYS : SELLS);
	enter_shop(s, me, err == -EOWNERDEAD ? err : 0);
	if (s->broken == TAKES_SIGNALS_ALONG && !err)
		return -ECANCELED;
	/* Without a signal: there may be goods now, which are for others. */
	return gave_up(s, me, how, err, "condition", buys) ? err : 0;
}

static inline void trade_inside(struct storm *s, struct slot *me, bool buys,
				enum patience how)
{
	struct ksync_cond *other = buys ? s->room : s->goods;
	int err = 0;

	while (!err && !may_trade(s, buys))
		err = sleep_in_shop(s, me, buys, how);
	if (err || get(&s->stopping))
		return;
	dawdle(me);
	set(&s->stock, get(&s->stock) + (buys ? -1 : 1));
	if (get(&s->stock) > ROOM)
		violation(s, "shop: %d goods", (int)s->stock);
	s->trades++;
	err = ksync_cond_signal(other);
	if (err)
		violation(s, "condition: signal says %s", ksync_strerror(err));
}

/*
 * What it is to do, so that not all sleep for the same; false: nothing. Until
 * the next parade there are too many buyers, and then too many sellers, so that
 * there are sleepers.
 */
static inline bool begins_to_trade(struct storm *s, struct slot *me)
{
	bool buys = dice(me, 4) ? get(&s->parade) % 2 : dice(me, 2);

	if (get(&s->calm))
		return false;
	set(&me->place, buys ? BUYS : SELLS);
	if (how_many(s, buys ? BUYS : SELLS,
		     buys ? BUYS_ASLEEP : SELLS_ASLEEP) > SLEEPERS) {
		buys = !buys;
		set(&me->place, buys ? BUYS : SELLS);
		if (how_many(s, buys ? BUYS : SELLS,
			     buys ? BUYS_ASLEEP : SELLS_ASLEEP) > SLEEPERS)
			return false;
	}
	/* Again, for who waits until it is quiet has seen us, or we him. */
	return !get(&s->calm);
}

static inline void trade(struct storm *s, struct slot *me, enum patience how)
{
	int err;

	if (begins_to_trade(s, me)) {
		set(&me->busy[SHOP], 1);
		err = lock_exclusively(s, me, SHOP, how);
		if (!gave_up(s, me, how, err, "lock", SHOP)) {
			enter_shop(s, me, err);
			trade_inside(s, me, get(&me->place) == BUYS,
				     how == TRY ? SHORTLY : how);
			leave_shop(s, me);
		}
		set(&me->busy[SHOP], 0);
	}
	set(&me->place, ELSEWHERE);
}

/* Nobody moves: who is there sleeps, and for a reason. */
static inline bool shop_is_quiet(struct storm *s)
{
	bool for_goods = how_many(s, BUYS_ASLEEP, BUYS_ASLEEP);
	bool for_room = how_many(s, SELLS_ASLEEP, SELLS_ASLEEP);
	uint32_t stock;

	if (how_many(s, BUYS, SELLS))
		return false;
	stock = get(&s->stock);
	return !(for_goods && stock) && !(for_room && stock < ROOM);
}

/*
 * Nobody is killed. The supervisor looks in, for it may be him who is told that
 * the last one there has died. Then nobody may sleep for what is there: a later
 * signal would make up for a lost one, but none comes.
 */
static inline void look_into_shop(struct storm *s)
{
	struct slot *keeper = &s->slot[WORKERS];
	int err = lock_exclusively(s, keeper, SHOP, MUST);

	if (gave_up(s, keeper, MUST, err, "lock", SHOP))
		return;
	enter_shop(s, keeper, err);
	leave_shop(s, keeper);
}

static inline void shop_is_stuck(struct storm *s)
{
	violation(s, "shop: %u sleep for goods and %u for room, with %u there",
		  how_many(s, BUYS, BUYS_ASLEEP),
		  how_many(s, SELLS, SELLS_ASLEEP), get(&s->stock));
}

/* Nobody is left. */
static inline void check_shop_end(struct storm *s)
{
	struct ksync_status goods = cond_status(s->goods);
	struct ksync_status room = cond_status(s->room);

	if (goods.waiters_shared || room.waiters_shared)
		violation(s, "shop: %u and %u waiters at the end",
			  goods.waiters_shared, room.waiters_shared);
}

#endif /* KSYNC_SELFTEST_STORM_SHOP_H */
