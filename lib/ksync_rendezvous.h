/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Once, barriers and condition variables: a part of <ksync.h>, which is what
 * programs include. Its rules hold here, too.
 */
#ifndef KSYNC_RENDEZVOUS_H
#define KSYNC_RENDEZVOUS_H

#ifndef KSYNC_H
#error "include <ksync.h>"
#endif

#ifdef __cplusplus
extern "C" {
#endif

struct ksync_status;
struct ksync_once;
struct ksync_barrier;
struct ksync_cond;

/*
 * Once: something that is to be done by one thread of all processes, whose
 * result everybody gets.
 *
 *	err = ksync_once_begin(o, &result);
 *	if (err == 0 || err == -EOWNERDEAD) {	// it is on us
 *		err = make_it(&result);
 *		if (err)
 *			ksync_once_abandon(o);	// the next one tries
 *		else
 *			ksync_once_complete(o, result);
 *	}
 *
 * A run that ends with the death of its thread, or is abandoned, did not count:
 * the next caller runs it.
 */
KSYNC_API int ksync_once_create(struct ksync_once **o,
				const struct ksync_options *opt);
KSYNC_API int ksync_once_open(struct ksync_once **o, const char *name,
			      int oflag, mode_t mode,
			      const struct ksync_options *opt);
KSYNC_API int ksync_once_import(struct ksync_once **o, int fd);
KSYNC_API int ksync_once_fd(const struct ksync_once *o);
KSYNC_API void ksync_once_close(struct ksync_once *o);
KSYNC_API struct ksync_once *ksync_once_at(struct ksync_once *o,
					   uint32_t index);
KSYNC_API int ksync_once_status(const struct ksync_once *o,
				struct ksync_status *st);

/*
 * Waits while somebody else runs it. 0 or -EOWNERDEAD: the calling thread is to
 * run it, and must call complete or abandon; -EOWNERDEAD when a runner died and
 * nobody has completed since, so that half of it may be done. -EALREADY: it is
 * done, and *@result is what complete was given; otherwise that is not touched.
 * @result may be NULL. -EDEADLK when the caller runs it already.
 */
KSYNC_API int ksync_once_begin(struct ksync_once *o, uint64_t *result);
/* As begin, and -ETIMEDOUT, -ECANCELED. */
KSYNC_API int ksync_once_begin_until(struct ksync_once *o, uint64_t *result,
				     const struct ksync_wait *w);
/* -EPERM when the calling thread does not run it. */
KSYNC_API int ksync_once_complete(struct ksync_once *o, uint64_t result);
KSYNC_API int ksync_once_abandon(struct ksync_once *o);
/* What is done is not done any more. -EBUSY while somebody runs it. */
KSYNC_API int ksync_once_reset(struct ksync_once *o);
/*
 * begin; then, if it is on the caller, @fn(@arg, @died, &result), where @died is
 * 1 after -EOWNERDEAD, and complete if that returned 0, or else abandon. 0: it
 * is done, and *@result is the result (NULL is allowed). Otherwise what @fn
 * returned, or why begin or complete failed.
 */
KSYNC_API int ksync_once_run(struct ksync_once *o,
			     int (*fn)(void *arg, int died, uint64_t *result),
			     void *arg, uint64_t *result);

/*
 * Barrier: a number of parties, @max of the options (0 means 2), wait until all
 * of them have arrived; then the next round begins.
 *
 * It breaks when a party's wait ends without the others: by its deadline, the
 * event that cancels it, or its thread's death. Processes that join also break
 * it by their end, by death, execve or leave, wherever they are. All that wait
 * then get -EPIPE, and all that come, until somebody resets it.
 */
KSYNC_API int ksync_barrier_create(struct ksync_barrier **b,
				   const struct ksync_options *o);
KSYNC_API int ksync_barrier_open(struct ksync_barrier **b, const char *name,
				 int oflag, mode_t mode,
				 const struct ksync_options *o);
KSYNC_API int ksync_barrier_import(struct ksync_barrier **b, int fd);
KSYNC_API int ksync_barrier_fd(const struct ksync_barrier *b);
KSYNC_API void ksync_barrier_close(struct ksync_barrier *b);
KSYNC_API struct ksync_barrier *ksync_barrier_at(struct ksync_barrier *b,
						 uint32_t index);
KSYNC_API int ksync_barrier_status(const struct ksync_barrier *b,
				   struct ksync_status *st);

/* What wait returns to one party of each round, and 0 to the others. */
#define KSYNC_BARRIER_SERIAL 1

/* Arrives and waits for the others. 0 or KSYNC_BARRIER_SERIAL; -EPIPE. */
KSYNC_API int ksync_barrier_wait(struct ksync_barrier *b);
/* As wait, and -ETIMEDOUT, -ECANCELED: the barrier is broken now. */
KSYNC_API int ksync_barrier_wait_until(struct ksync_barrier *b,
				       const struct ksync_wait *w);
/*
 * The calling process is a member from now on, one time more. -EOVERFLOW with
 * as many members as parties.
 */
KSYNC_API int ksync_barrier_join(struct ksync_barrier *b);
/* And now it is not, which breaks the barrier. -EPERM when it was none. */
KSYNC_API int ksync_barrier_leave(struct ksync_barrier *b);
/*
 * Begins a new round. Of one that is not broken, those who have arrived get
 * -EPIPE; with nobody there nothing happens.
 */
KSYNC_API int ksync_barrier_reset(struct ksync_barrier *b);

/*
 * Condition variable: to wait for something that a mutex guards. The mutex must
 * be of the same backend; it may live in any object.
 *
 *	err = ksync_mutex_lock(m);
 *	while (!what_is_waited_for && !err)
 *		err = ksync_cond_wait(c, m);
 */
KSYNC_API int ksync_cond_create(struct ksync_cond **c,
				const struct ksync_options *o);
KSYNC_API int ksync_cond_open(struct ksync_cond **c, const char *name,
			      int oflag, mode_t mode,
			      const struct ksync_options *o);
KSYNC_API int ksync_cond_import(struct ksync_cond **c, int fd);
KSYNC_API int ksync_cond_fd(const struct ksync_cond *c);
KSYNC_API void ksync_cond_close(struct ksync_cond *c);
KSYNC_API struct ksync_cond *ksync_cond_at(struct ksync_cond *c,
					   uint32_t index);
KSYNC_API int ksync_cond_status(const struct ksync_cond *c,
				struct ksync_status *st);

/*
 * Unlocks the mutex and waits for a signal, in one step, and locks the mutex
 * again, whatever ended the wait. 0: with the mutex, mostly after a signal.
 * -EOWNERDEAD: with the mutex, a holder of which died: as from lock.
 * -ENOTRECOVERABLE: without the mutex, which is lost. Nothing has happened with
 * -EPERM (the caller does not hold the mutex), -EDEADLK (it has locked it more
 * than once), -EINVAL (it has to call consistent first; or the mutex is of
 * another backend).
 */
KSYNC_API int ksync_cond_wait(struct ksync_cond *c, struct ksync_mutex *m);
/*
 * As wait, and -ETIMEDOUT, -ECANCELED: with the mutex, since neither the deadline
 * nor the event ends the wait for that. -EOWNERDEAD goes before them.
 */
KSYNC_API int ksync_cond_wait_until(struct ksync_cond *c, struct ksync_mutex *m,
				    const struct ksync_wait *w);
/*
 * Lets one of the waiters go on, the oldest, or all. A signal given to a waiter
 * that dies before it has the mutex goes to the next.
 */
KSYNC_API int ksync_cond_signal(struct ksync_cond *c);
KSYNC_API int ksync_cond_broadcast(struct ksync_cond *c);

#ifdef __cplusplus
}
#endif

#endif /* KSYNC_RENDEZVOUS_H */
