/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Part of <ksync.h>, and included by it: what is often built of its primitives,
 * built so that a death at any instruction does no harm. These functions use
 * nothing but the rest of the header.
 */
#ifndef KSYNC_HELPERS_H
#define KSYNC_HELPERS_H

#ifndef KSYNC_H
#error "include <ksync.h>"
#endif

#ifdef __cplusplus
extern "C" {
#endif

struct ksync_queue;
struct ksync_group;

/*
 * Queue: messages of a fixed size, first in, first out, with room for a fixed
 * number. Any number of processes push and pop.
 *
 * A message is in the queue or not, never half of it, and no death takes room
 * away: who dies in a push has pushed it or not, who dies in a pop has taken it
 * or not. A message that was taken is gone with who took it.
 */
#define KSYNC_QUEUE_SLOTS_MAX	(1U << 20)
#define KSYNC_QUEUE_SIZE_MAX	(1U << 16)
#define KSYNC_QUEUE_FDS		3

/* Room for @slots messages of @size bytes. -EINVAL for 0 or above the maxima. */
KSYNC_API int ksync_queue_create(struct ksync_queue **q, uint32_t slots,
				 uint32_t size);
/*
 * The descriptors that make up a queue, to be passed to other processes; they
 * stay the queue's. Each is -EINVAL for NULL. A child made by fork has the queue
 * already.
 */
KSYNC_API void ksync_queue_fds(const struct ksync_queue *q,
			       int fds[KSYNC_QUEUE_FDS]);
/* The descriptors stay the caller's. -EINVAL if they are not a queue's. */
KSYNC_API int ksync_queue_import(struct ksync_queue **q,
				 const int fds[KSYNC_QUEUE_FDS]);
KSYNC_API void ksync_queue_close(struct ksync_queue *q); /* NULL is allowed */

/* Waits for room. -EPIPE after end. */
KSYNC_API int ksync_queue_push(struct ksync_queue *q, const void *message);
/* As push, and -ETIMEDOUT, -ECANCELED. */
KSYNC_API int ksync_queue_push_until(struct ksync_queue *q, const void *message,
				     const struct ksync_wait *w);
/* Waits for a message. -EPIPE after end, when there are no more. */
KSYNC_API int ksync_queue_pop(struct ksync_queue *q, void *message);
/* As pop, and -ETIMEDOUT, -ECANCELED. */
KSYNC_API int ksync_queue_pop_until(struct ksync_queue *q, void *message,
				    const struct ksync_wait *w);
/* Nothing can be pushed any more; what is in the queue can be popped. */
KSYNC_API int ksync_queue_end(struct ksync_queue *q);
/* Messages in it at some time during the call; 0 for NULL. */
KSYNC_API uint32_t ksync_queue_length(const struct ksync_queue *q);

/*
 * Group: members that work for one end. The first that fails cancels the
 * others, and who waits for them is told why. A member that dies has failed.
 */
#define KSYNC_GROUP_FDS	3

/* The caller is who waits in the end. */
KSYNC_API int ksync_group_create(struct ksync_group **g);
/* As those of a queue. */
KSYNC_API void ksync_group_fds(const struct ksync_group *g,
			       int fds[KSYNC_GROUP_FDS]);
KSYNC_API int ksync_group_import(struct ksync_group **g,
				 const int fds[KSYNC_GROUP_FDS]);
KSYNC_API void ksync_group_close(struct ksync_group *g); /* NULL is allowed */

/* One member more. Before it begins, and by who waits. */
KSYNC_API int ksync_group_add(struct ksync_group *g);
/*
 * Ties one member that was added to the process @pid, 0 for the caller, so that
 * its death is noticed. A parent may do so for its child (-EOPNOTSUPP without
 * KSYNC_G_BIND_OTHERS), or the process itself, before it begins its work.
 */
KSYNC_API int ksync_group_bind(struct ksync_group *g, pid_t pid);
/*
 * A member is at its end: @err is 0, or the negative errno why it failed, which
 * cancels the others if it is the first.
 */
KSYNC_API int ksync_group_done(struct ksync_group *g, int err);
/* Set by the first failure: for the waits of members (struct ksync_wait). */
KSYNC_API struct ksync_event *ksync_group_token(struct ksync_group *g);
/* The first failure, 0 without one: for members that do not wait. */
KSYNC_API int ksync_group_failure(struct ksync_group *g);
/*
 * Waits until no member is left. 0, or the first failure: -EOWNERDEAD for a
 * member that died. -ETIMEDOUT and -ECANCELED of the wait itself: the members
 * go on, and the wait can be made again.
 */
KSYNC_API int ksync_group_wait(struct ksync_group *g,
			       const struct ksync_wait *w);

/*
 * Single flight: of those that want the same at the same time one makes it, by
 * @fn(@arg, @died, &result), and all get the result. @key is a once for each
 * thing that can be wanted, used for nothing else. Who comes when it is over
 * makes it anew. If @fn fails (its error is returned to its caller) or dies, the
 * next that waits makes it; @died is 1 after a death. @result may be NULL.
 * -ETIMEDOUT and -ECANCELED: while somebody else made it.
 */
KSYNC_API int ksync_flight_run(struct ksync_once *key,
			       int (*fn)(void *arg, int died, uint64_t *result),
			       void *arg, uint64_t *result,
			       const struct ksync_wait *w);

#ifdef __cplusplus
}
#endif

#endif /* KSYNC_HELPERS_H */
