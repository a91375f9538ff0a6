/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Each call of the library in which a process may die, and where. "Cold" is a
 * process's first call, which makes it known to the others.
 */
#define WINDOW(name) FIXTURE_VARIANT_ADD(window, name)
#define CALLS(prepare, call, clean, ...) \
	.calls = { prepare, call, clean, ##__VA_ARGS__ }
#define MATES(a, b)	.mate = { &(a), &(b) }

/* Long enough to be on the way to sleep, under single steps. */
#define SHORTLY_MS	50

WINDOW(mutex_lock_cold) { {
	.type = &a_mutex, MATES(locker, locker),
	CALLS(NULL, job_mutex_lock, job_mutex_unlock),
	.before = NO_REPORT, .after = REPORT,
} };
WINDOW(mutex_lock) { {
	.type = &a_mutex, MATES(locker, locker),
	CALLS(mutex_cycle, job_mutex_lock, job_mutex_unlock),
	.before = NO_REPORT, .after = REPORT,
} };
WINDOW(mutex_trylock) { {
	.type = &a_mutex, MATES(locker, locker), .may = -EBUSY,
	CALLS(mutex_cycle, job_mutex_trylock, job_mutex_unlock),
	.before = NO_REPORT, .after = REPORT,
} };
WINDOW(mutex_unlock) { {
	.type = &a_mutex, MATES(locker, locker), .queue = true,
	CALLS(job_mutex_lock, job_mutex_unlock, NULL),
	.before = REPORT, .after = NO_REPORT,
} };
WINDOW(mutex_lock_waits) { {
	.type = &a_mutex, MATES(locker, locker),
	.keep = job_mutex_lock, .let_go = job_mutex_unlock,
	CALLS(mutex_cycle, job_mutex_lock, job_mutex_unlock),
	.before = NO_REPORT, .after = REPORT,
} };
WINDOW(mutex_lock_times_out) { {
	.type = &a_mutex, MATES(locker, locker),
	.keep = job_mutex_lock, .let_go = job_mutex_unlock, .may = -ETIMEDOUT,
	.times_out = true,
	CALLS(mutex_cycle, job_mutex_lock, job_mutex_unlock, SHORTLY_MS),
	.before = NO_REPORT, .after = NO_REPORT,
} };
WINDOW(mutex_lock_canceled) { {
	.type = &a_mutex, MATES(locker, locker),
	.keep = job_mutex_lock, .let_go = job_mutex_unlock, .may = -ECANCELED,
	.times_out = true, .needs = KSYNC_G_CANCEL,
	CALLS(mutex_cycle_and_token, lock_canceled, job_mutex_unlock),
	.before = NO_REPORT, .after = NO_REPORT,
} };
WINDOW(mutex_relock) { {
	.type = &a_mutex, MATES(locker, locker), .queue = true,
	.flags = KSYNC_RECURSIVE,
	CALLS(job_mutex_lock, job_mutex_lock, mutex_unlock_twice),
	.before = REPORT, .after = REPORT,
} };
WINDOW(mutex_reunlock) { {
	.type = &a_mutex, MATES(locker, locker), .queue = true,
	.flags = KSYNC_RECURSIVE,
	CALLS(mutex_lock_twice, job_mutex_unlock, job_mutex_unlock),
	.before = REPORT, .after = REPORT,
} };
WINDOW(mutex_lock_of_a_dead) { {
	.type = &a_mutex, MATES(locker, locker),
	CALLS(mutex_abandon, job_mutex_lock, mutex_repair),
	.tells = TELLS_EARLIER,
	.before = REPORT, .after = REPORT,
} };
WINDOW(mutex_consistent) { {
	.type = &a_mutex, MATES(locker, locker),
	.queue = true,
	CALLS(mutex_inherit, job_mutex_consistent, job_mutex_unlock),
	.before = REPORT, .after = REPORT,
} };
WINDOW(mutex_give_up) { {
	.type = &a_mutex, MATES(locker, locker), .queue = true,
	CALLS(mutex_inherit, job_mutex_unlock, NULL),
	.before = REPORT, .after = GIVEN_UP,
} };
WINDOW(fifo_unlock) { {
	.type = &a_mutex, MATES(locker, locker), .queue = true,
	.flags = KSYNC_FIFO,
	CALLS(job_mutex_lock, job_mutex_unlock, NULL),
	.before = REPORT, .after = NO_REPORT,
} };
WINDOW(fifo_lock_waits) { {
	.type = &a_mutex, MATES(locker, locker),
	.flags = KSYNC_FIFO,
	.keep = job_mutex_lock, .let_go = job_mutex_unlock,
	CALLS(mutex_cycle, job_mutex_lock, job_mutex_unlock),
	.before = NO_REPORT, .after = REPORT,
} };

WINDOW(rdlock_cold) { {
	.type = &a_rwlock, MATES(reader, writer),
	CALLS(NULL, job_rdlock, job_rwlock_unlock), .tells = TELLS_WRITERS,
	.before = NO_REPORT, .after = NO_REPORT,
} };
WINDOW(rdlock) { {
	.type = &a_rwlock, MATES(reader, writer),
	CALLS(read_cycle, job_rdlock, job_rwlock_unlock),
	.tells = TELLS_WRITERS, .before = NO_REPORT, .after = NO_REPORT,
} };
WINDOW(tryrdlock) { {
	.type = &a_rwlock, MATES(reader, writer), .may = -EBUSY,
	CALLS(read_cycle, job_tryrdlock, job_rwlock_unlock),
	.tells = TELLS_WRITERS, .before = NO_REPORT, .after = NO_REPORT,
} };
WINDOW(rdunlock) { {
	.type = &a_rwlock, MATES(writer, writer), .queue = true,
	CALLS(job_rdlock, job_rwlock_unlock, NULL),
	.tells = TELLS_WRITERS, .before = NO_REPORT, .after = NO_REPORT,
} };
WINDOW(reread) { {
	.type = &a_rwlock, MATES(writer, writer), .queue = true,
	CALLS(job_rdlock, job_rdlock, unlock_twice),
	.tells = TELLS_WRITERS, .before = NO_REPORT, .after = NO_REPORT,
} };
WINDOW(reread_unlock) { {
	.type = &a_rwlock, MATES(writer, writer), .queue = true,
	CALLS(read_twice, job_rwlock_unlock, job_rwlock_unlock),
	.tells = TELLS_WRITERS, .before = NO_REPORT, .after = NO_REPORT,
} };
WINDOW(rdlock_waits) { {
	.type = &a_rwlock, MATES(reader, writer),
	.keep = job_wrlock, .let_go = job_rwlock_unlock,
	CALLS(read_cycle, job_rdlock, job_rwlock_unlock),
	.tells = TELLS_WRITERS, .before = NO_REPORT, .after = NO_REPORT,
} };
WINDOW(rdlock_times_out) { {
	.type = &a_rwlock, MATES(reader, writer),
	.keep = job_wrlock, .let_go = job_rwlock_unlock, .may = -ETIMEDOUT,
	.times_out = true,
	CALLS(read_cycle, job_rdlock, job_rwlock_unlock, SHORTLY_MS),
	.tells = TELLS_WRITERS, .before = NO_REPORT, .after = NO_REPORT,
} };
WINDOW(wrlock_cold) { {
	.type = &a_rwlock, MATES(reader, writer),
	CALLS(NULL, job_wrlock, job_rwlock_unlock),
	.before = NO_REPORT, .after = REPORT,
} };
WINDOW(wrlock) { {
	.type = &a_rwlock, MATES(reader, writer),
	CALLS(write_cycle, job_wrlock, job_rwlock_unlock),
	.before = NO_REPORT, .after = REPORT,
} };
WINDOW(rdlock_favourite) { {
	.type = &a_rwlock, MATES(reader, writer),
	CALLS(favourite_cycle, job_rdlock, job_rwlock_unlock),
	.tells = TELLS_WRITERS, .before = NO_REPORT, .after = NO_REPORT,
} };
WINDOW(rdunlock_favourite) { {
	.type = &a_rwlock, MATES(writer, writer), .queue = true,
	CALLS(read_as_favourite, job_rwlock_unlock, NULL),
	.tells = TELLS_WRITERS, .before = NO_REPORT, .after = NO_REPORT,
} };
WINDOW(wrlock_favourite) { {
	.type = &a_rwlock, MATES(reader, writer),
	CALLS(favourite_cycle, job_wrlock, job_rwlock_unlock),
	.before = NO_REPORT, .after = REPORT,
} };
WINDOW(trywrlock) { {
	.type = &a_rwlock, MATES(reader, writer), .may = -EBUSY,
	CALLS(write_cycle, job_trywrlock, job_rwlock_unlock),
	.before = NO_REPORT, .after = REPORT,
} };
WINDOW(wrunlock) { {
	.type = &a_rwlock, MATES(reader, writer), .queue = true,
	CALLS(job_wrlock, job_rwlock_unlock, NULL),
	.before = REPORT, .after = NO_REPORT,
} };
WINDOW(wrlock_waits) { {
	.type = &a_rwlock, MATES(reader, writer),
	.keep = job_rdlock, .let_go = job_rwlock_unlock,
	CALLS(write_cycle, job_wrlock, job_rwlock_unlock),
	.before = NO_REPORT, .after = REPORT,
} };
WINDOW(wrlock_times_out) { {
	.type = &a_rwlock, MATES(reader, writer),
	.keep = job_rdlock, .let_go = job_rwlock_unlock, .may = -ETIMEDOUT,
	.times_out = true,
	CALLS(write_cycle, job_wrlock, job_rwlock_unlock, SHORTLY_MS),
	.before = NO_REPORT, .after = NO_REPORT,
} };
WINDOW(downgrade) { {
	.type = &a_rwlock, MATES(reader, writer), .queue = true,
	CALLS(job_wrlock, job_downgrade, job_rwlock_unlock),
	.tells = TELLS_WRITERS, .before = REPORT, .after = NO_REPORT,
} };
WINDOW(upgrade) { {
	.type = &a_rwlock, MATES(reader, writer),
	.calls = { job_rdlock, job_upgrade, job_rwlock_unlock, 0, true },
	.may = -EBUSY,
	.tells = TELLS_WRITERS, .before = NO_REPORT, .after = REPORT,
} };

WINDOW(sem_acquire_cold) { {
	.type = &a_sem, MATES(taker, big_taker),
	CALLS(NULL, take_two, give_two),
	.tells = TELLS_LOSSES, .before = 0, .after = 2,
} };
WINDOW(sem_acquire) { {
	.type = &a_sem, MATES(taker, big_taker),
	CALLS(sem_cycle, take_two, give_two),
	.tells = TELLS_LOSSES, .before = 0, .after = 2,
} };
WINDOW(sem_release) { {
	.type = &a_sem, MATES(big_taker, big_taker), .queue = true,
	CALLS(take_two, give_two, NULL),
	.tells = TELLS_LOSSES, .before = 2, .after = 0,
} };
WINDOW(sem_release_part) { {
	.type = &a_sem, MATES(taker, big_taker),
	CALLS(take_two, give_one, give_one),
	.tells = TELLS_LOSSES, .before = 2, .after = 1,
} };
WINDOW(sem_acquire_waits) { {
	.type = &a_sem, MATES(taker, big_taker),
	.keep = take_two, .let_go = give_two,
	CALLS(sem_cycle, take_two, give_two),
	.tells = TELLS_LOSSES, .before = 0, .after = 2,
} };
WINDOW(sem_head_times_out) { {
	.type = &a_sem, MATES(taker, taker),
	.keep = take_one, .let_go = give_one, .may = -ETIMEDOUT,
	.times_out = true,
	CALLS(sem_cycle, take_all_until, give_all, SHORTLY_MS),
	.tells = TELLS_LOSSES, .before = 0, .after = 0,
} };
WINDOW(sem_head_canceled) { {
	.type = &a_sem, MATES(taker, taker),
	.keep = take_one, .let_go = give_one, .may = -ECANCELED,
	.times_out = true, .needs = KSYNC_G_CANCEL,
	CALLS(sem_cycle_and_token, take_all_canceled, give_all),
	.tells = TELLS_LOSSES, .before = 0, .after = 0,
} };
WINDOW(sem_canceled_or_granted) { {
	.type = &a_sem, MATES(enlarger, enlarger),
	.keep = take_one, .let_go = give_one, .may = -ECANCELED,
	.times_out = true, .needs = KSYNC_G_CANCEL,
	CALLS(sem_cycle_and_token, take_all_canceled, give_all),
	.tells = TELLS_LOSSES, .before = 0, .after = PERMITS,
} };
WINDOW(sem_resize) { {
	.type = &a_sem, MATES(taker, big_taker),
	CALLS(sem_cycle, resize_up, resize_back),
	.tells = TELLS_LOSSES, .before = 0, .after = 0,
} };

WINDOW(wg_add) { {
	.type = &an_unbound_wg, CALLS(NULL, wg_add_one, job_wg_done),
	.before = 0, .after = 1, .tells = TELLS_UNBOUND,
} };
WINDOW(wg_bind) { {
	.type = &a_wg, .needs = KSYNC_G_BIND_SELF,
	CALLS(wg_add_one, wg_bind_self, job_wg_done),
	.before = NO_REPORT, .after = REPORT,
} };
WINDOW(wg_done) { {
	.type = &a_wg, MATES(waiter, waiter), .queue = true,
	.needs = KSYNC_G_BIND_SELF,
	CALLS(wg_join, job_wg_done, NULL),
	.before = REPORT, .after = NO_REPORT,
} };
WINDOW(wg_wait) { {
	.type = &a_wg, MATES(waiter, waiter),
	.keep = wg_add_one, .let_go = job_wg_done,
	CALLS(NULL, job_wg_wait, NULL),
	.before = NO_REPORT, .after = NO_REPORT,
} };

WINDOW(event_set_cancels) { {
	.type = &a_token, MATES(canceled, canceled_in_queue),
	.keep = no_repair, .let_go = set_event, .needs = KSYNC_G_CANCEL,
	CALLS(NULL, set_event, NULL),
	.before = NO_REPORT, .after = NO_REPORT,
} };
WINDOW(event_set_parent) { {
	.type = &a_child, MATES(canceled, token_waiter),
	.keep = no_repair, .let_go = tie_and_set_parent,
	.needs = KSYNC_G_CANCEL, CALLS(NULL, tie_to_parent, NULL),
	.before = NO_REPORT, .after = NO_REPORT,
} };
WINDOW(event_set_above) { {
	.type = &a_child, MATES(canceled_in_queue, token_waiter),
	.keep = tie_to_parent, .let_go = set_parent,
	.needs = KSYNC_G_CANCEL, CALLS(NULL, set_parent, NULL),
	.before = NO_REPORT, .after = NO_REPORT,
} };
WINDOW(event_reset_below) { {
	.type = &a_reset_child, MATES(token_waiter, token_waiter),
	.keep = tie_and_set_parent, .let_go = set_event,
	CALLS(NULL, reset_child, NULL),
	.before = NO_REPORT, .after = NO_REPORT,
} };
WINDOW(event_wait_below) { {
	.type = &a_child, MATES(canceled, token_waiter),
	.keep = tie_and_set_parent, .let_go = no_repair,
	.needs = KSYNC_G_CANCEL, CALLS(NULL, wait_for_event, NULL),
	.before = NO_REPORT, .after = NO_REPORT,
} };

WINDOW(open_new) { {
	.type = &a_name, MATES(user, user),
	CALLS(NULL, open_name, close_name),
} };
WINDOW(open_shared) { {
	.type = &a_name, MATES(user, user),
	.keep = open_name, .let_go = close_name,
	CALLS(NULL, open_name, close_name),
} };
WINDOW(close_last) { {
	.type = &a_name, MATES(user, user),
	CALLS(open_name, close_name, NULL),
} };
WINDOW(close_shared) { {
	.type = &a_name, MATES(user, user),
	.keep = open_name, .let_go = close_name,
	CALLS(open_name, close_name, NULL),
} };
WINDOW(unlink) { {
	.type = &a_name, MATES(user, user),
	CALLS(open_name, unlink_name, NULL),
} };

#include "window_list_many.h"
#include "window_list_rendezvous.h"
