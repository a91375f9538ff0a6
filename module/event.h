/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Events, and how they are tied to each other.
 */
#ifndef KSYNC_EVENT_H
#define KSYNC_EVENT_H

#include "wait.h"

/* event.c */
void ksync_event_raise(struct ksync_queue *q, struct ksync_wake *wake);
void ksync_event_advance(struct ksync_queue *q, struct ksync_wake *wake);

static inline bool ksync_event_manual(const struct ksync_object *obj)
{
	return obj->ops == &ksync_event_ops &&
	       !(obj->flags & KSYNC_F_AUTO_RESET);
}

/* event_tree.c */
void ksync_event_tell(struct ksync_queue *q, struct ksync_wake *wake);
int ksync_event_tie(struct ksync_queue *child, struct ksync_queue *parent);
void ksync_event_release(struct ksync_object *obj, struct ksync_object **gone);

#endif /* KSYNC_EVENT_H */
