/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A model of locks and permits that knows nothing of graphs: whether a wait can
 * end is found by trying. All who do not wait give everything back, who gets
 * something by that does the same, and so on; who still waits at the end waits
 * for ever.
 */
#ifndef UAPI_DEADLOCK_MODEL_H
#define UAPI_DEADLOCK_MODEL_H

#include <stdbool.h>
#include <string.h>

#define WORKERS		6
#define PROCESSES	5	/* the last one has two threads */
#define RESOURCES	7
#define MUTEXES		3	/* first these, then rwlocks, then semaphores */
#define RWLOCKS		2
#define PERMITS		3

enum { NOTHING, READS, WRITES, TAKES };

struct model {
	int held[WORKERS][RESOURCES];	/* READS, WRITES */
	int permits[PROCESSES][RESOURCES];
	int free[RESOURCES];
	int queue[RESOURCES][WORKERS];	/* in the order they came */
	int queued[RESOURCES];
	struct {
		int how;		/* NOTHING when it does not wait */
		int resource;
		int count;
	} wait[WORKERS];
};

static inline bool is_sem(int r)
{
	return r >= MUTEXES + RWLOCKS;
}

static inline bool is_rwlock(int r)
{
	return r >= MUTEXES && !is_sem(r);
}

static inline int process_of(int w)
{
	return w < PROCESSES ? w : PROCESSES - 1;
}

static inline void model_init(struct model *m)
{
	int r;

	memset(m, 0, sizeof(*m));
	for (r = 0; r < RESOURCES; r++)
		m->free[r] = is_sem(r) ? PERMITS : 0;
}

static inline int holders(const struct model *m, int r, int how)
{
	int w, n = 0;

	for (w = 0; w < WORKERS; w++)
		n += m->held[w][r] == how;
	return n;
}

static inline int waiting(const struct model *m, int r, int how)
{
	int i, n = 0;

	for (i = 0; i < m->queued[r]; i++)
		n += m->wait[m->queue[r][i]].how == how;
	return n;
}

/* Could somebody who comes now have it? */
static inline bool available(const struct model *m, int r, int how, int count)
{
	if (how == TAKES)
		return !m->queued[r] && m->free[r] >= count;
	if (how == READS)
		return !holders(m, r, WRITES) && !waiting(m, r, WRITES);
	return !holders(m, r, WRITES) && !holders(m, r, READS);
}

static inline void take(struct model *m, int w, int r, int how, int count)
{
	if (how == TAKES) {
		m->free[r] -= count;
		m->permits[process_of(w)][r] += count;
	} else {
		m->held[w][r] = how;
	}
}

static inline void enqueue(struct model *m, int w, int r, int how, int count)
{
	m->wait[w].how = how;
	m->wait[w].resource = r;
	m->wait[w].count = count;
	m->queue[r][m->queued[r]++] = w;
}

static inline void dequeue(struct model *m, int w)
{
	int r = m->wait[w].resource, i, n = 0;

	for (i = 0; i < m->queued[r]; i++)
		if (m->queue[r][i] != w)
			m->queue[r][n++] = m->queue[r][i];
	m->queued[r] = n;
	m->wait[w].how = NOTHING;
}

/* The waiter has what it waited for. */
static inline void grant(struct model *m, int w)
{
	int r = m->wait[w].resource, how = m->wait[w].how;

	dequeue(m, w);
	take(m, w, r, how, m->wait[w].count);
}

static inline int first(const struct model *m, int r, int how)
{
	int i;

	for (i = 0; i < m->queued[r]; i++)
		if (m->wait[m->queue[r][i]].how == how)
			return m->queue[r][i];
	return -1;
}

/* What a release of @r brings; @wrote: it was a writer's. */
static inline void hand_over(struct model *m, int r, bool wrote)
{
	int w;

	if (is_sem(r)) {
		while ((w = first(m, r, TAKES)) >= 0 &&
		       m->free[r] >= m->wait[w].count)
			grant(m, w);
		return;
	}
	if (holders(m, r, WRITES) || holders(m, r, READS))
		return;
	w = first(m, r, WRITES);
	if (w >= 0 && !(wrote && waiting(m, r, READS))) {
		grant(m, w);
		return;
	}
	while ((w = first(m, r, READS)) >= 0)
		grant(m, w);
}

static inline void give(struct model *m, int w, int r, int count)
{
	bool wrote = m->held[w][r] == WRITES;

	if (is_sem(r)) {
		m->free[r] += count;
		m->permits[process_of(w)][r] -= count;
	} else {
		m->held[w][r] = NOTHING;
	}
	hand_over(m, r, wrote);
}

/* Gives back something of what @w can give back. */
static inline bool give_any(struct model *m, int w)
{
	int r;

	for (r = 0; r < RESOURCES; r++) {
		if (m->held[w][r] || m->permits[process_of(w)][r]) {
			give(m, w, r, m->permits[process_of(w)][r]);
			return true;
		}
	}
	return false;
}

/* Would @w wait for ever, with things as they are? */
static inline bool model_stuck(const struct model *now, int w)
{
	struct model m = *now;
	bool again;
	int i;

	do {
		again = false;
		for (i = 0; i < WORKERS; i++)
			while (m.wait[i].how == NOTHING && give_any(&m, i))
				again = true;
	} while (again);
	return m.wait[w].how != NOTHING;
}

#endif /* UAPI_DEADLOCK_MODEL_H */
