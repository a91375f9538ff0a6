// SPDX-License-Identifier: GPL-2.0-only
/*
 * ksync lock: CMD under a lock.
 *
 * The lock is an rwlock, so that exclusive and shared users of one name meet.
 * A mutex that some program made under the name is taken too: a script can keep
 * out a program that knows nothing of rwlocks.
 */
#include <errno.h>
#include <fcntl.h>

#include "tool.h"

struct lock {
	struct ksync_rwlock *rwlock;	/* this */
	struct ksync_mutex *mutex;	/* or this */
	bool shared;
};

struct lock_options {
	struct patience patience;
	struct run_options run;
	bool shared;
	bool check_dead;
};

static void help(void)
{
	printf("Usage: ksync lock NAME [OPTION...] [--] CMD [ARGUMENT...]\n\n"
	       "Runs CMD while holding the lock NAME, which comes into being with its first user\n"
	       "and vanishes with its last. It is held for as long as CMD itself runs.\n\n"
	       "Options:\n"
	       "  -s, --shared       share it with others who do so (default: exclusive)\n"
	       "  -x, -e, --exclusive\n"
	       "                     hold it alone\n"
	       "  -n, --nonblock     fail at once instead of waiting\n"
	       "  -w, --timeout SECONDS\n"
	       "                     fail after waiting so long; fractions are allowed\n"
	       "  -E, --conflict-exit-code NUMBER\n"
	       "                     how to fail in these two cases (default: 1)\n"
	       "      --check-dead   do not run CMD when the previous exclusive holder died:\n"
	       "                     exit with %d, and leave the lock as it was\n"
	       "      --orphan       let CMD go on when ksync is killed and the lock lost\n"
	       "                     (default: CMD is killed too)\n"
	       "  -q, --quiet        do not report timeouts and dead holders\n"
	       "  -h, --help         show this help\n\n"
	       "When a holder dies, or its CMD is killed by a signal, the next one is told on\n"
	       "stderr and its CMD finds %s=1 in the environment.\n\n"
	       "Exit status: CMD's; 128+N when signal N killed it; 127 when it was not found, 126\n"
	       "when it could not be run; 1 (or -E) on conflict; otherwise as in sysexits.h.\n",
	       EXIT_OWNER_DIED, OWNER_DIED_VARIABLE);
}

static int open_lock(const struct subject *s, struct lock *l)
{
	int err;

	err = ksync_rwlock_open(&l->rwlock, s->name, O_CREAT, 0666, NULL);
	if (err == -EPROTOTYPE && !l->shared &&
	    !ksync_mutex_open(&l->mutex, s->name, 0, 0, NULL))
		return 0;
	return err ? fail(s, "open it", err) : 0;
}

static int acquire(struct lock *l, const struct ksync_wait *w)
{
	if (l->mutex)
		return ksync_mutex_lock_until(l->mutex, w);
	if (l->shared)
		return ksync_rwlock_rdlock_until(l->rwlock, w);
	return ksync_rwlock_wrlock_until(l->rwlock, w);
}

static int declare_consistent(struct lock *l)
{
	if (l->shared)
		return 0;	/* for a writer to do */
	if (l->mutex)
		return ksync_mutex_consistent(l->mutex);
	return ksync_rwlock_consistent(l->rwlock);
}

static int release(struct lock *l)
{
	if (l->mutex)
		return ksync_mutex_unlock(l->mutex);
	return ksync_rwlock_unlock(l->rwlock);
}

/* Held, but the previous exclusive holder died. */
static int after_death(const struct subject *s, struct lock *l,
		       struct lock_options *o)
{
	if (o->check_dead) {
		if (!o->patience.quiet)
			complain(s, "the previous exclusive holder died; did not run the command");
		/*
		 * An unlock would say that nobody will ever repair it. To end
		 * while holding leaves the report to the next one.
		 */
		if (l->shared)
			release(l);
		return EXIT_OWNER_DIED;
	}
	if (!o->patience.quiet)
		complain(s, "the previous exclusive holder died; going on");
	o->run.owner_died = true;
	return declare_consistent(l);
}

static int run_locked(const struct subject *s, struct lock_options *o,
		      char **command)
{
	struct lock l = { .shared = o->shared };
	int err, status;

	err = check_backend(s);
	if (!err)
		err = open_lock(s, &l);
	if (err)
		return err;
	err = acquire(&l, patience_start(&o->patience));
	if (err == -ETIMEDOUT || err == -EBUSY)
		return patience_over(&o->patience, s);
	if (err == -EOWNERDEAD)
		err = after_death(s, &l, o);
	if (err > 0)
		return err;
	if (err)
		return fail(s, "take it", err);

	status = run_command(s, command, &o->run);
	/*
	 * A CMD that was killed leaves its work half done, and the next holder
	 * should know: so this process dies as holder instead of unlocking.
	 */
	if (o->run.killed && !l.shared)
		return status;
	err = release(&l);
	return err ? fail(s, "give it back", err) : status;
}

enum { OPT_CHECK_DEAD = 256, OPT_ORPHAN };

int lock_main(int argc, char **argv)
{
	static const struct option longs[] = {
		PATIENCE_LONGS,
		{ "shared", no_argument, NULL, 's' },
		{ "exclusive", no_argument, NULL, 'x' },
		{ "check-dead", no_argument, NULL, OPT_CHECK_DEAD },
		{ "orphan", no_argument, NULL, OPT_ORPHAN },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	struct lock_options o = { .patience = PATIENCE_INIT };
	struct words w = { .argc = argc, .argv = argv, .max = 1 };
	int c, err;

	argv[0] = "ksync lock";
	while ((c = next_option(&w, "+" PATIENCE_SHORTS "sxeh", longs)) != -1) {
		switch (c) {
		case 's':
			o.shared = true;
			break;
		case 'x':
		case 'e':
			o.shared = false;
			break;
		case OPT_CHECK_DEAD:
			o.check_dead = true;
			break;
		case OPT_ORPHAN:
			o.run.orphan = true;
			break;
		case 'h':
			help();
			return 0;
		default:
			err = patience_option(&o.patience, "lock", c);
			if (err)
				return err > 0 ? err : usage_error("lock", NULL);
		}
	}
	err = check_name("lock", w.word[0]);
	if (!err && !*w.command)
		err = usage_error("lock", "CMD is missing");
	if (err)
		return err;
	return run_locked(&(struct subject){ "lock", w.word[0] }, &o,
			  w.command);
}
