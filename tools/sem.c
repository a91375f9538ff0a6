// SPDX-License-Identifier: GPL-2.0-only
/*
 * ksync sem: CMD while it holds permits of a semaphore. The semaphore is
 * tracked: a process that dies gives its permits back.
 */
#include <errno.h>
#include <fcntl.h>

#include "tool.h"

struct sem_options {
	struct patience patience;
	struct run_options run;
	uint32_t max;		/* 0: as it is, 1 for a new one */
	uint32_t permits;
	bool resize;
};

static void help(void)
{
	printf("Usage: ksync sem NAME [-n N] [OPTION...] [--] CMD [ARGUMENT...]\n\n"
	       "Runs CMD while holding one of the N permits of the semaphore NAME, so that at most\n"
	       "N run at once. It comes into being with its first user and vanishes with its last.\n"
	       "Permits are given out in the order of arrival, and come back when ksync is killed.\n\n"
	       "Options:\n"
	       "  -n, --max N        how many permits there are. Without it: as many as there are,\n"
	       "                     1 for a new semaphore\n"
	       "      --resize       when there are not N, change it (default: fail). What is in\n"
	       "                     use cannot be taken away: exit with %d\n"
	       "  -p, --permits P    take P permits (default: 1)\n"
	       "  -b, --nonblock     fail at once instead of waiting\n"
	       "  -w, --timeout SECONDS\n"
	       "                     fail after waiting so long; fractions are allowed\n"
	       "  -E, --conflict-exit-code NUMBER\n"
	       "                     how to fail in these two cases (default: 1)\n"
	       "      --orphan       let CMD go on when ksync is killed and the permits come back\n"
	       "                     (default: CMD is killed too)\n"
	       "  -q, --quiet        do not report timeouts\n"
	       "  -h, --help         show this help\n\n"
	       "Exit status: CMD's; 128+N when signal N killed it; 127 when it was not found, 126\n"
	       "when it could not be run; 1 (or -E) on conflict; otherwise as in sysexits.h.\n",
	       EX_TEMPFAIL);
}

/* An existing semaphore may have another size than was asked for. */
static int fit_size(const struct subject *s, struct ksync_sem *sem,
		    const struct sem_options *o)
{
	struct ksync_status st;
	int err;

	err = ksync_sem_status(sem, &st);
	if (err)
		return fail(s, "look at it", err);
	if (!o->max || st.max == o->max)
		return 0;
	if (!o->resize) {
		complain(s, "has %u permits, not %u; use -n %u, or change it with --resize",
			 st.max, o->max, st.max);
		return EX_DATAERR;
	}
	err = ksync_sem_resize(sem, o->max);
	if (err == -EBUSY) {
		complain(s, "has %u permits, and too many are in use to make it %u; try again later",
			 st.max, o->max);
		return EX_TEMPFAIL;
	}
	return err ? fail(s, "resize it", err) : 0;
}

static int open_sem(const struct subject *s, const struct sem_options *o,
		    struct ksync_sem **sem)
{
	uint32_t max = o->max ? o->max : 1;
	struct ksync_options options = {
		.flags = KSYNC_TRACKED, .value = max, .max = max,
	};
	int err;

	err = ksync_sem_open(sem, s->name, O_CREAT, 0666, &options);
	if (err)
		return fail(s, "open it", err);
	return fit_size(s, *sem, o);
}

static int run_counted(const struct subject *s, struct sem_options *o,
		       char **command)
{
	struct ksync_sem *sem;
	int err, status;

	err = check_backend(s);
	if (!err)
		err = open_sem(s, o, &sem);
	if (err)
		return err;
	err = ksync_sem_acquire_until(sem, o->permits,
				      patience_start(&o->patience));
	if (err == -ETIMEDOUT || err == -EBUSY)
		return patience_over(&o->patience, s);
	if (err == -EINVAL) {
		complain(s, "does not have %u permits; 'ksync show' tells how many",
			 o->permits);
		return EX_DATAERR;
	}
	if (err)
		return fail(s, "take permits", err);

	status = run_command(s, command, &o->run);
	err = ksync_sem_release(sem, o->permits);
	return err ? fail(s, "give permits back", err) : status;
}

enum { OPT_RESIZE = 256, OPT_ORPHAN };

static int sem_option(struct sem_options *o, int c)
{
	switch (c) {
	case 'n':
		return parse_count("sem", "N", optarg, 1, INT32_MAX, &o->max);
	case 'p':
		return parse_count("sem", "P", optarg, 1, INT32_MAX,
				   &o->permits);
	case 'b':
		/* -n is taken here. */
		return patience_option(&o->patience, "sem", 'n');
	case OPT_RESIZE:
		o->resize = true;
		return 0;
	case OPT_ORPHAN:
		o->run.orphan = true;
		return 0;
	}
	return patience_option(&o->patience, "sem", c);
}

int sem_main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "max", required_argument, NULL, 'n' },
		{ "permits", required_argument, NULL, 'p' },
		{ "nonblock", no_argument, NULL, 'b' },
		{ "nb", no_argument, NULL, 'b' },
		{ "timeout", required_argument, NULL, 'w' },
		{ "conflict-exit-code", required_argument, NULL, 'E' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "resize", no_argument, NULL, OPT_RESIZE },
		{ "orphan", no_argument, NULL, OPT_ORPHAN },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	struct sem_options o = { .patience = PATIENCE_INIT, .permits = 1 };
	struct words w = { .argc = argc, .argv = argv, .max = 1 };
	int c, err;

	argv[0] = "ksync sem";
	while ((c = next_option(&w, "+n:p:bw:E:qh", longs)) != -1) {
		if (c == 'h') {
			help();
			return 0;
		}
		err = sem_option(&o, c);
		if (err)
			return err > 0 ? err : usage_error("sem", NULL);
	}
	err = check_name("sem", w.word[0]);
	if (!err && o.resize && !o.max)
		err = usage_error("sem", "--resize needs -n");
	if (!err && !*w.command)
		err = usage_error("sem", "CMD is missing");
	if (err)
		return err;
	return run_counted(&(struct subject){ "sem", w.word[0] }, &o,
			   w.command);
}
