// SPDX-License-Identifier: GPL-2.0-only
/*
 * ksync wg: members of a group of tasks, and the wait for all of them.
 *
 * A wait group lives as long as somebody has it open, and a shell has nothing
 * open between two commands. So "add" leaves a process behind that keeps it
 * until the round ends (keeper.c); "run" and "wait" keep it themselves.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tool.h"

static void help(void)
{
	printf("Usage: ksync wg NAME add [N] [--with PID]\n"
	       "       ksync wg NAME done [N]\n"
	       "       ksync wg NAME run [--added] [--orphan] [--] CMD [ARGUMENT...]\n"
	       "       ksync wg NAME wait [--timeout SECONDS]\n\n"
	       "A wait group counts members; 'wait' returns when there are none left.\n\n"
	       "add   Adds N members (1). A process in the background keeps the group in being\n"
	       "      until the count is back at zero or its name is unlinked. With --with PID it\n"
	       "      also watches that process: when it dies, the members that nobody runs are\n"
	       "      given up as lost.\n"
	       "done  Takes N members (1) away.\n"
	       "run   Adds a member, runs CMD, and takes the member away. If ksync or CMD is\n"
	       "      killed by a signal, the member is lost. With --added it stands for one of\n"
	       "      the members that were added before.\n"
	       "wait  Waits until no member is left; at once when there is none, or no such group.\n"
	       "      Exits with %d when members were lost.\n\n"
	       "Options:\n"
	       "      --added        run: do not add a member\n"
	       "      --with PID     add: give up members when PID dies, for example $$\n"
	       "      --orphan       run: let CMD go on when ksync is killed\n"
	       "                     (default: CMD is killed too)\n"
	       "  -w, --timeout SECONDS\n"
	       "                     wait: fail after waiting so long; fractions are allowed\n"
	       "  -n, --nonblock     wait: fail at once instead of waiting\n"
	       "  -E, --conflict-exit-code NUMBER\n"
	       "                     how to fail in these two cases (default: 1)\n"
	       "  -q, --quiet        wait: do not report timeouts and lost members\n"
	       "  -h, --help         show this help\n\n"
	       "For example:\n"
	       "  ksync wg jobs add 3 --with $$\n"
	       "  for i in 1 2 3; do ksync wg jobs run --added -- job $i & done\n"
	       "  ksync wg jobs wait\n",
	       EXIT_OWNER_DIED);
}

struct wg_options {
	struct patience patience;
	struct run_options run;
	uint32_t with;
	bool added;
};

static int open_group(const struct subject *s, int oflag,
		      struct ksync_waitgroup **wg)
{
	int err = ksync_waitgroup_open(wg, s->name, oflag, 0666, NULL);

	return err ? fail(s, "open it", err) : 0;
}

/* The member dies with this process. */
static int bind_to_self(struct ksync_waitgroup *wg)
{
	int pidfd = syscall(SYS_pidfd_open, getpid(), 0);
	int err;

	if (pidfd < 0)
		return -errno;
	err = ksync_waitgroup_bind(wg, pidfd);
	close(pidfd);
	return err;
}

static int join(const struct subject *s, const struct wg_options *o,
		struct ksync_waitgroup **wg)
{
	int err;

	err = open_group(s, o->added ? 0 : O_CREAT, wg);
	if (err)
		return err;
	if (!o->added) {
		err = ksync_waitgroup_add(*wg, 1);
		if (err)
			return fail(s, "add a member", err);
	}
	err = bind_to_self(*wg);
	if (err == -ERANGE) {
		complain(s, "every member that was added is taken; 'add' more, or leave out --added");
		return EX_DATAERR;
	}
	if (!err)
		return 0;
	if (!o->added)
		ksync_waitgroup_add(*wg, -1);
	return fail(s, "tie the member to this process", err);
}

static int wg_run(const struct subject *s, struct words *w,
		  struct wg_options *o)
{
	struct ksync_waitgroup *wg;
	int err, status;

	if (!*w->command)
		return usage_error("wg", "CMD is missing");
	err = check_backend(s);
	if (!err)
		err = join(s, o, &wg);
	if (err)
		return err;
	status = run_command(s, w->command, &o->run);
	/* The member is tied to this process: to end now is to lose it. */
	if (o->run.killed)
		return status;
	err = ksync_waitgroup_done(wg);
	return err ? fail(s, "take the member away", err) : status;
}

static int wg_wait(const struct subject *s, struct words *w,
		   struct wg_options *o)
{
	struct ksync_waitgroup *wg;
	int err;

	if (*w->command)
		return usage_error("wg", "too many arguments: '%s'",
				   *w->command);
	err = check_backend(s);
	if (err)
		return err;
	err = ksync_waitgroup_open(&wg, s->name, 0, 0, NULL);
	/* A group that nobody has open has no members. */
	if (err == -ENOENT)
		return 0;
	if (err)
		return fail(s, "open it", err);
	err = ksync_waitgroup_wait_until(wg, patience_start(&o->patience));
	if (err == -ETIMEDOUT || err == -EBUSY)
		return patience_over(&o->patience, s);
	if (err == -EOWNERDEAD) {
		if (!o->patience.quiet)
			complain(s, "all is over, but members that died before they were done: %u",
				 ksync_waitgroup_lost(wg));
		return EXIT_OWNER_DIED;
	}
	return err ? fail(s, "wait for its members", err) : 0;
}

static int member_count(struct words *w, uint32_t *count)
{
	const char *text = w->word[0] ? w->word[0] : "1";

	if (*w->command)
		return usage_error("wg", "too many arguments: '%s'",
				   *w->command);
	return parse_count("wg", "N", text, 1, INT32_MAX, count);
}

static int wg_add(const struct subject *s, struct words *w,
		  struct wg_options *o)
{
	uint32_t count;
	int err;

	err = member_count(w, &count);
	/* The library is the keeper's to use: nothing of it before the fork. */
	return err ? err : keep_members(s, count, o->with);
}

static int wg_done(const struct subject *s, struct words *w,
		   struct wg_options *o)
{
	struct ksync_waitgroup *wg;
	uint32_t count;
	int err;

	(void)o;
	err = member_count(w, &count);
	if (!err)
		err = check_backend(s);
	if (!err)
		err = open_group(s, 0, &wg);
	if (err)
		return err;
	err = ksync_waitgroup_add(wg, -(int32_t)count);
	return err ? fail(s, "take members away", err) : 0;
}

enum { OPT_ADDED = 256, OPT_ORPHAN, OPT_WITH };

#define HELP_LONG	{ "help", no_argument, NULL, 'h' }

static const struct option add_longs[] = {
	{ "with", required_argument, NULL, OPT_WITH }, HELP_LONG, { }
};
static const struct option done_longs[] = { HELP_LONG, { } };
static const struct option run_longs[] = {
	{ "added", no_argument, NULL, OPT_ADDED },
	{ "orphan", no_argument, NULL, OPT_ORPHAN }, HELP_LONG, { }
};
static const struct option wait_longs[] = { PATIENCE_LONGS, HELP_LONG, { } };

static const struct verb {
	const char *name;
	int (*run)(const struct subject *s, struct words *w,
		   struct wg_options *o);
	int words;		/* before CMD */
	const char *shorts;
	const struct option *longs;
} verbs[] = {
	{ "add", wg_add, 1, "+h", add_longs },
	{ "done", wg_done, 1, "+h", done_longs },
	{ "run", wg_run, 0, "+h", run_longs },
	{ "wait", wg_wait, 0, "+" PATIENCE_SHORTS "h", wait_longs },
};

static int wg_option(struct wg_options *o, int c)
{
	switch (c) {
	case OPT_ADDED:
		o->added = true;
		return 0;
	case OPT_ORPHAN:
		o->run.orphan = true;
		return 0;
	case OPT_WITH:
		return parse_count("wg", "PID", optarg, 1, INT32_MAX,
				   &o->with);
	}
	return patience_option(&o->patience, "wg", c);
}

static int run_verb(const struct verb *v, const char *name, int argc,
		    char **argv)
{
	struct wg_options o = { .patience = PATIENCE_INIT };
	struct words w = { .argc = argc, .argv = argv, .max = v->words };
	int c, err;

	argv[0] = "ksync wg";
	while ((c = next_option(&w, v->shorts, v->longs)) != -1) {
		if (c == 'h') {
			help();
			return 0;
		}
		err = wg_option(&o, c);
		if (err)
			return err > 0 ? err : usage_error("wg", NULL);
	}
	return v->run(&(struct subject){ "wg", name }, &w, &o);
}

int wg_main(int argc, char **argv)
{
	size_t i;
	int err;

	if (argc > 1 && (!strcmp(argv[1], "-h") || !strcmp(argv[1], "--help"))) {
		help();
		return 0;
	}
	err = check_name("wg", argv[1]);
	if (err)
		return err;
	if (argc < 3)
		return usage_error("wg", "what to do is missing: add, done, run or wait");
	for (i = 0; i < ARRAY_SIZE(verbs); i++)
		if (!strcmp(argv[2], verbs[i].name))
			return run_verb(&verbs[i], argv[1], argc - 2, argv + 2);
	if (!strcmp(argv[2], "-h") || !strcmp(argv[2], "--help")) {
		help();
		return 0;
	}
	return usage_error("wg", "'%s' is none of add, done, run and wait",
			   argv[2]);
}
