// SPDX-License-Identifier: GPL-2.0-only
/*
 * CMD as a child. The parent stays, because what is held is held by the parent:
 * it passes signals on, waits, and hands back CMD's exit status.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tool.h"

static const int forwarded[] = {
	SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2
};

/* What the child gets back before it becomes CMD. */
struct dispositions {
	sigset_t mask;
	struct sigaction chld;
};

/*
 * From here on signals are taken by sigwaitinfo() one after the other. They
 * are blocked before the fork, so that one which comes in between waits until
 * there is a child to pass it to.
 */
static void take_signals(sigset_t *taken, struct dispositions *old)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	size_t i;

	/* An inherited SIG_IGN would make CMD's exit status vanish. */
	sigaction(SIGCHLD, &dfl, &old->chld);
	sigemptyset(taken);
	sigaddset(taken, SIGCHLD);
	for (i = 0; i < ARRAY_SIZE(forwarded); i++)
		sigaddset(taken, forwarded[i]);
	sigprocmask(SIG_BLOCK, taken, &old->mask);
}

static _Noreturn void become(const struct subject *s, char **command,
			     const struct run_options *o, pid_t parent,
			     const struct dispositions *old)
{
	if (!o->orphan) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* It may have died before that took effect. */
		if (getppid() != parent)
			raise(SIGKILL);
	}
	if (o->owner_died)
		setenv(OWNER_DIED_VARIABLE, "1", 1);
	else
		unsetenv(OWNER_DIED_VARIABLE);
	sigaction(SIGCHLD, &old->chld, NULL);
	sigprocmask(SIG_SETMASK, &old->mask, NULL);

	execvp(command[0], command);
	complain(s, "cannot run '%s': %s", command[0], strerror(errno));
	_exit(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN);
}

static int supervise(pid_t child, const sigset_t *taken, bool *killed)
{
	siginfo_t si;
	int status;

	while (waitpid(child, &status, WNOHANG) != child) {
		if (sigwaitinfo(taken, &si) < 0 || si.si_signo == SIGCHLD)
			continue;
		/* One from the terminal went to CMD too, which is in our group. */
		if (si.si_code != SI_KERNEL)
			kill(child, si.si_signo);
	}
	*killed = WIFSIGNALED(status);
	return *killed ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* "ksync:make": whoever lists holders should see what they do. */
static void show_command(const char *command)
{
	const char *slash = strrchr(command, '/');
	char name[16];

	snprintf(name, sizeof(name), "ksync:%s", slash ? slash + 1 : command);
	prctl(PR_SET_NAME, name);
}

int run_command(const struct subject *s, char **command,
		struct run_options *o)
{
	struct dispositions old;
	pid_t parent = getpid();
	sigset_t taken;
	pid_t child;

	take_signals(&taken, &old);
	child = fork();
	if (child < 0) {
		complain(s, "cannot start '%s': %s", command[0],
			 strerror(errno));
		return EX_OSERR;
	}
	if (!child)
		become(s, command, o, parent, &old);
	o->killed = false;
	show_command(command[0]);
	return supervise(child, &taken, &o->killed);
}
