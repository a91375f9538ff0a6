/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kill storm's broken implementations, and what the oracle may say of each,
 * one of these: which of its rules sees it first is chance.
 */
#define BROKEN(name) FIXTURE_VARIANT_ADD(oracle, name)

/*
 * Who comes in without asking may also find what a dead one left: it is not told
 * of the death, and nobody is told of its own.
 */
BROKEN(lock) {
	LOCKS_WITHOUT_LOCKING, {
		"inside", "came in", "token", "torn", "reads", "was not told",
	},
};
BROKEN(read) {
	READS_WITHOUT_LOCKING, { "while", "torn", "reader" },
};
BROKEN(permit) {
	TAKES_WITHOUT_PERMIT, { "permits are out" },
};
BROKEN(report) {
	HIDES_DEATHS, { "was not told", "torn" },
};
BROKEN(wakeup) {
	SLEEPS_ON, { "deadline passed" },
};
BROKEN(barrier_early) {
	COMES_BACK_EARLY, { "before the end", "parties", "others" },
};
BROKEN(barrier_broken) {
	HIDES_BREAKS, { "before the end", "others" },
};
BROKEN(barrier_serial) {
	IS_ALWAYS_SERIAL, { "two serial" },
};
BROKEN(barrier_member) {
	REMAINS_STRANGER, { "not broken by the death" },
};
BROKEN(cond_signal) {
	TAKES_SIGNALS_ALONG, { "sleep for", "deadline passed" },
};
BROKEN(cond_mutex) {
	WAKES_WITHOUT_MUTEX, {
		"inside", "came in", "token", "torn", "unlock", "was not told",
	},
};
BROKEN(once_run) {
	RUNS_UNASKED, { "run by", "was the last", "came in", "its end" },
};
BROKEN(once_result) {
	MIXES_RESULTS, { "gets the result" },
};
BROKEN(event_unset) {
	PASSES_WITHOUT_SET, { "was not set", "set once" },
};
BROKEN(event_set) {
	LOSES_SETS, { "deadline passed" },
};
BROKEN(cancel_unasked) {
	CANCELS_UNASKED, { "nobody cancelled" },
};
BROKEN(cancel_ignored) {
	IGNORES_CANCEL, { "deadline passed" },
};
