/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the reader-writer lock have in common.
 */
#ifndef KSYNC_RWLOCK_H
#define KSYNC_RWLOCK_H

#include <linux/types.h>

struct ksync_queue;
struct ksync_request;
struct ksync_waiter;

/* rwlock.c */
bool ksync_rwlock_slots_read(struct ksync_queue *q);
void ksync_rwlock_let_in(struct ksync_queue *q, bool readers_turn);
void ksync_rwlock_expect(struct ksync_queue *q);

/* rwlock_request.c: see struct ksync_ops */
void ksync_rwlock_untake(struct ksync_queue *q, struct ksync_waiter *w);
int ksync_rwlock_prepare(struct ksync_request *r);
void ksync_rwlock_settle(struct ksync_request *r, int ret);

#endif /* KSYNC_RWLOCK_H */
