/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Queued requests, and polling for them.
 */
#ifndef KSYNC_TICKET_H
#define KSYNC_TICKET_H

#include <linux/poll.h>

struct ksync_queue;
struct ksync_thread;

int ksync_ticket_request(struct file *file, void *args);
int ksync_ticket_claim(struct file *file, void *args);
void ksync_tickets_thread_die(struct ksync_thread *thread);
bool ksync_tickets_keep(struct ksync_thread *thread, struct ksync_queue *q);
void ksync_tickets_release(struct file *file);
__poll_t ksync_tickets_poll(struct file *file, struct poll_table_struct *table);

#endif /* KSYNC_TICKET_H */
