/* SPDX-License-Identifier: GPL-2.0-only */
/* As window_list.h: events, conditions, barriers and once. */

WINDOW(event_set) { {
	.type = &an_event, MATES(event_waiter, event_waiter), .queue = true,
	CALLS(NULL, job_event_set, NULL), .instead = event_help,
	.tells = TELLS_UNBOUND, .before = 0, .after = 1, .loose = true,
} };
WINDOW(event_set_one) { {
	.type = &an_event, .flags = KSYNC_AUTO_RESET,
	CALLS(NULL, job_event_set, NULL),
	.tells = TELLS_UNBOUND, .before = 0, .after = 1,
} };
WINDOW(event_reset) { {
	.type = &an_event,
	CALLS(job_event_set, job_event_reset, NULL),
	.tells = TELLS_UNBOUND, .before = 1, .after = 0,
} };
WINDOW(event_take) { {
	.type = &an_event, .flags = KSYNC_AUTO_RESET,
	CALLS(job_event_set, job_event_wait, NULL),
	.tells = TELLS_UNBOUND, .before = 1, .after = 0,
} };
WINDOW(event_take_waits) { {
	.type = &an_event, .flags = KSYNC_AUTO_RESET,
	.keep = keep_nothing, .let_go = job_event_set,
	CALLS(NULL, job_event_wait, NULL),
	.tells = TELLS_UNBOUND, .before = 1, .after = 0,
} };

WINDOW(cond_signal) { {
	.type = &a_cond, MATES(pair_waiter, pair_waiter), .queue = true,
	CALLS(NULL, pair_signal, NULL), .instead = pair_signal,
	.before = NO_REPORT, .after = NO_REPORT,
} };
WINDOW(cond_broadcast) { {
	.type = &a_cond, MATES(pair_waiter, pair_waiter), .queue = true,
	CALLS(NULL, pair_broadcast, NULL), .instead = pair_broadcast,
	.before = NO_REPORT, .after = NO_REPORT,
} };
WINDOW(cond_wait) { {
	.type = &a_cond, MATES(pair_locker, pair_locker),
	.keep = keep_nothing, .let_go = pair_let_go,
	CALLS(pair_lock, pair_wait, pair_unlock),
	.before = REPORT, .after = REPORT, .between = true,
} };
WINDOW(cond_wait_times_out) { {
	.type = &a_cond, MATES(pair_locker, pair_locker),
	.times_out = true, .may = -ETIMEDOUT,
	.calls = { pair_lock, pair_wait, pair_unlock, SHORTLY_MS, true },
	.before = REPORT, .after = REPORT, .between = true,
} };

WINDOW(barrier_wait) { {
	.type = &a_barrier, MATES(party, party), .queue = true,
	.keep = keep_nothing, .let_go = barrier_join_in,
	.instead = barrier_help,
	CALLS(NULL, barrier_party, NULL),
	.before = NO_REPORT, .after = NO_REPORT, .between = true,
} };
WINDOW(barrier_join) { {
	.type = &a_barrier, MATES(party, party), .queue = true,
	.instead = barrier_help,
	CALLS(NULL, job_barrier_join, job_barrier_leave),
	.before = NO_REPORT, .after = REPORT,
} };
WINDOW(barrier_leave) { {
	.type = &a_barrier, MATES(party, party), .queue = true,
	CALLS(job_barrier_join, job_barrier_leave, NULL),
	.instead = barrier_help, .tells = TELLS_BREAKS,
	.before = REPORT, .after = REPORT,
} };
WINDOW(barrier_mend) { {
	.type = &a_barrier,
	CALLS(barrier_break, job_barrier_reset, NULL),
	.tells = TELLS_BREAKS, .before = REPORT, .after = NO_REPORT,
} };
WINDOW(barrier_reset) { {
	.type = &a_barrier, MATES(party, party), .queue = true,
	.instead = barrier_help,
	CALLS(NULL, job_barrier_reset, NULL), .tells = TELLS_BREAKS,
	.before = NO_REPORT, .after = REPORT, .loose = true,
} };

WINDOW(once_begin) { {
	.type = &a_once, MATES(runner, runner),
	CALLS(once_cycle, once_begin, once_abandon),
	.before = NO_REPORT, .after = REPORT,
} };
WINDOW(once_begin_waits) { {
	.type = &a_once, MATES(runner, runner),
	.keep = once_begin, .let_go = once_abandon,
	CALLS(once_cycle, once_begin, once_abandon),
	.before = NO_REPORT, .after = REPORT,
} };
WINDOW(once_begin_times_out) { {
	.type = &a_once, MATES(runner, runner),
	.keep = once_begin, .let_go = once_abandon, .may = -ETIMEDOUT,
	.times_out = true,
	CALLS(once_cycle, once_begin, once_abandon, SHORTLY_MS),
	.before = NO_REPORT, .after = NO_REPORT,
} };
WINDOW(once_complete) { {
	.type = &a_once, MATES(runner, runner), .queue = true,
	CALLS(once_begin, once_complete, NULL),
	.before = REPORT, .after = DONE,
} };
WINDOW(once_abandon) { {
	.type = &a_once, MATES(runner, runner), .queue = true,
	CALLS(once_begin, once_abandon, NULL),
	.before = REPORT, .after = NO_REPORT,
} };
WINDOW(once_reset) { {
	.type = &a_once,
	CALLS(once_make, once_undo, NULL),
	.before = DONE, .after = NO_REPORT,
} };
