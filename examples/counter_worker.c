// SPDX-License-Identifier: GPL-2.0-only
/* The worker: adds, may be killed anywhere, and recovers from others' deaths. */
#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "counter.h"

#define NSEC_PER_MSEC	1000000

uint64_t sum_of_shares(const struct shared *s)
{
	uint64_t sum = 0;
	int i;

	for (i = 0; i < MAX_WORKERS; i++)
		sum += s->share[i];
	return sum;
}

void sleep_a_little(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = NSEC_PER_MSEC }, NULL);
}

static void maybe_stop(struct shared *s, int me, enum point point)
{
	if (s->victim != me || s->point != (int)point)
		return;
	s->caught = true;
	for (;;)
		pause();
}

static void add_one(struct shared *s, int me)
{
	s->before.worker = me;
	s->before.counter = s->counter;
	s->before.share = s->share[me];
	s->before.open = true;
	maybe_stop(s, me, BEFORE_FIRST_STEP);
	s->counter = s->before.counter + 1;
	maybe_stop(s, me, BETWEEN_STEPS);
	s->share[me] = s->before.share + 1;
	maybe_stop(s, me, AFTER_LAST_STEP);
	s->before.open = false;
}

static bool may_add(const struct shared *s, int me)
{
	return s->counter < s->limit || s->victim == me;
}

static void add_batch(struct shared *s, int me)
{
	uint32_t n;

	for (n = 0; n < s->batch && s->share[me] < s->each; n++) {
		if (!may_add(s, me))
			return;
		add_one(s, me);
	}
}

/* May itself be killed at any point: whoever is next does it again. */
static void undo(struct shared *s)
{
	if (!s->before.open)
		return;
	s->counter = s->before.counter;
	s->share[s->before.worker] = s->before.share;
	s->before.open = false;
}

static int recover(struct shared *s, struct ksync_mutex *m, pid_t self)
{
	struct recovery *r = &s->recoveries[s->nr_recoveries % MAX_KILLS];

	r->victim = s->inside;
	r->by = self;
	r->open = s->before.open;
	r->broken = s->counter != sum_of_shares(s);
	s->inside = self;
	undo(s);
	s->nr_recoveries++;
	return ksync_mutex_consistent(m);
}

int enter(struct shared *s, struct ksync_mutex *m, pid_t self)
{
	int err = ksync_mutex_lock(m);

	if (err == -EOWNERDEAD)
		err = recover(s, m, self);
	if (err)
		return err;
	s->inside = self;
	s->entries++;
	return 0;
}

int leave(struct shared *s, struct ksync_mutex *m)
{
	s->inside = 0;
	return ksync_mutex_unlock(m);
}

int work(struct shared *s, const char *name, int me)
{
	struct ksync_mutex *m;
	pid_t self = getpid();
	bool finished = false, early;
	int err;

	/* By its name, as a program that knows nothing of the parent would. */
	err = ksync_mutex_open(&m, name, 0, 0, NULL);
	while (!err && !finished) {
		err = enter(s, m, self);
		if (err)
			break;
		add_batch(s, me);
		/* Inside: a predecessor's last addition may just be undone. */
		finished = s->share[me] == s->each;
		early = !may_add(s, me);
		err = leave(s, m);
		if (early && !finished)
			sleep_a_little();
	}
	if (err)
		fprintf(stderr, "counter: worker %d: %s\n", me,
			ksync_strerror(err));
	return err ? 1 : 0;
}
