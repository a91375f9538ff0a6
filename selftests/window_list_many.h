/* SPDX-License-Identifier: GPL-2.0-only */
/* As window_list.h: waits for one of several, or for all. */

WINDOW(any_lock_waits) { {
	.type = &a_mutex, MATES(locker, locker), .needs = KSYNC_G_MANY,
	.keep = job_mutex_lock, .let_go = job_mutex_unlock,
	CALLS(mutex_cycle_and_events, lock_or_event, job_mutex_unlock),
	.before = NO_REPORT, .after = REPORT,
} };
WINDOW(any_fifo_waits) { {
	.type = &a_mutex, MATES(locker, locker), .needs = KSYNC_G_MANY,
	.flags = KSYNC_FIFO,
	.keep = job_mutex_lock, .let_go = job_mutex_unlock,
	CALLS(mutex_cycle_and_events, lock_or_event, job_mutex_unlock),
	.before = NO_REPORT, .after = REPORT,
} };
WINDOW(any_lock_times_out) { {
	.type = &a_mutex, MATES(locker, locker), .needs = KSYNC_G_MANY,
	.keep = job_mutex_lock, .let_go = job_mutex_unlock, .may = -ETIMEDOUT,
	.times_out = true,
	CALLS(mutex_cycle_and_events, lock_or_event, job_mutex_unlock,
	      SHORTLY_MS),
	.before = NO_REPORT, .after = NO_REPORT,
} };
WINDOW(any_write_waits) { {
	.type = &a_rwlock, MATES(reader, writer), .needs = KSYNC_G_MANY,
	.keep = job_rdlock, .let_go = job_rwlock_unlock,
	CALLS(write_cycle_and_events, write_or_event, job_rwlock_unlock),
	.before = NO_REPORT, .after = REPORT,
} };
WINDOW(any_read_waits) { {
	.type = &a_rwlock, MATES(reader, writer), .needs = KSYNC_G_MANY,
	.keep = job_wrlock, .let_go = job_rwlock_unlock,
	CALLS(read_cycle, write_or_read, job_rwlock_unlock),
	.tells = TELLS_WRITERS, .before = NO_REPORT, .after = NO_REPORT,
} };
WINDOW(any_permits_wait) { {
	.type = &a_sem, MATES(taker, big_taker), .needs = KSYNC_G_MANY,
	.keep = take_two, .let_go = give_two,
	CALLS(sem_cycle_and_events, take_two_or_event, give_two),
	.tells = TELLS_LOSSES, .before = 0, .after = 2,
} };
WINDOW(all_locks_wait) { {
	.type = &a_mutex, MATES(locker, locker), .needs = KSYNC_G_MANY,
	.keep = job_mutex_lock, .let_go = job_mutex_unlock,
	CALLS(mutex_cycle_and_events, lock_and_event, job_mutex_unlock),
	.before = NO_REPORT, .after = REPORT,
} };
WINDOW(all_locks_time_out) { {
	.type = &a_mutex, MATES(locker, locker), .needs = KSYNC_G_MANY,
	.may = -ETIMEDOUT, .times_out = true,
	CALLS(mutex_cycle_and_events, lock_and_never, job_mutex_unlock,
	      SHORTLY_MS),
	.before = NO_REPORT, .after = NO_REPORT, .between = true,
} };
