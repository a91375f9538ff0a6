/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A victim that is stopped at any instruction of one call, and killed there or
 * let go on: a child under ptrace, moved by single steps.
 *
 *	victim	  prepare  |mark|  call under test          |mark|  clean up
 *	tester	           ^ victim_begin()  ^ victim_go(n)    ^ SIGUSR2: it is over
 *
 * A system call is one step, whatever the kernel does in it, and so is a reading
 * of the clock in its vDSO.
 */
#ifndef KSYNC_SELFTEST_STEPPER_H
#define KSYNC_SELFTEST_STEPPER_H

#include <sched.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/user.h>

#include "actor.h"

/* What the victim writes down, in shared memory. */
struct victim_notes {
	long prepared, result, cleaned;	/* VICTIM_NOT_YET, then what it gave */
};

#define VICTIM_NOT_YET	(-200000L)

struct victim_calls {
	job_fn prepare, call, clean;	/* prepare and clean may be NULL */
	uint64_t arg;			/* of the call */
	bool clean_anyway;		/* also when the call failed */
};

struct victim {
	pid_t pid;
	int status;			/* as waitpid says, while it is stopped */
	uint64_t steps;			/* instructions done */
	bool over;			/* it came to the end of the call */
	struct victim_notes *notes;
	/* Once, when it is seen to sleep. */
	void (*asleep)(void *arg);
	void *asleep_arg;
	bool naps;			/* no need to wait when it sleeps... */
	bool napping;			/* ...as it does */
};

/* The tracer sees signals also when they are ignored. */
static inline void victim_mark(int sig)
{
	syscall(SYS_tgkill, getpid(), gettid(), sig);
}

static inline void __attribute__((noreturn))
victim_child(const struct victim_calls *c, void *obj, struct victim_notes *n)
{
	long r;

	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, SIG_IGN);
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(1);
	n->prepared = c->prepare ? c->prepare(obj, 0) : 0;
	victim_mark(SIGUSR1);
	n->result = r = c->call(obj, c->arg);
	victim_mark(SIGUSR2);
	if (c->clean && (!r || r == -EOWNERDEAD || c->clean_anyway))
		n->cleaned = c->clean(obj, 0);
	else
		n->cleaned = 0;
	_exit(0);
}

static inline bool victim_stopped_by(const struct victim *v, int sig)
{
	return WIFSTOPPED(v->status) && WSTOPSIG(v->status) == sig;
}

/* S of a process that sleeps in the kernel; t while its tracer has it. */
static inline bool victim_sleeps(const struct victim *v)
{
	char path[32], text[256], *p;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)v->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	p = strrchr(text, ')');
	return p && (p[2] == 'S' || p[2] == 'D');
}

static inline void victim_tick(int sig)
{
}

/* While a victim moves, waiting for it is interrupted now and then. */
static inline void victim_ticks(bool on)
{
	struct sigaction sa = { .sa_handler = victim_tick };
	struct itimerval it = {};

	if (on)
		it.it_interval.tv_usec = it.it_value.tv_usec =
			machine_is_slow() ? 20000 : 2000;
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
}

/* Until it is stopped or gone; false when patience is at its end. */
static inline bool victim_wait(struct victim *v)
{
	uint64_t end = now_ns() + PATIENCE_MS * NSEC_PER_MSEC;
	void (*asleep)(void *arg);

	while (waitpid(v->pid, &v->status, __WALL) != v->pid) {
		v->napping = v->naps && victim_sleeps(v);
		if (v->napping)
			return false;
		if (v->asleep && victim_sleeps(v)) {
			asleep = v->asleep;
			v->asleep = NULL;
			victim_ticks(false);
			asleep(v->asleep_arg);
			victim_ticks(true);
		}
		if (now_ns() > end)
			return false;
	}
	return true;
}

/*
 * Where the system calls of a call are, by the number of instructions before
 * each: from one to the next is a single move.
 */
struct victim_map {
	unsigned int nr;
	bool useless;		/* there was one inside of the vDSO */
	uint64_t at[256];
};

/* One move; signals that are not the tracer's go on to the victim. */
static inline bool victim_move(struct victim *v, int request)
{
	long sig = 0;

	do {
		if (ptrace(request, v->pid, NULL, sig) || !victim_wait(v) ||
		    !WIFSTOPPED(v->status))
			return false;
		sig = WSTOPSIG(v->status);
	} while (sig != SIGTRAP && sig != SIGUSR1 && sig != SIGUSR2);
	v->over = v->over || sig == SIGUSR2;
	return true;
}

/*
 * On one CPU a step is two context switches. On two of an emulated machine it
 * is a hundred times as long. @pid 0 is the caller; children inherit it.
 */
static inline void pin_to_cpu(pid_t pid, bool on)
{
	cpu_set_t set;
	int cpu;

	CPU_ZERO(&set);
	for (cpu = 0; !on && cpu < CPU_SETSIZE; cpu++)
		CPU_SET(cpu, &set);
	if (on)
		CPU_SET(sched_getcpu(), &set);
	sched_setaffinity(pid, sizeof(set), &set);
}

/* Where the victim is, which victim_begin() bound to a CPU. */
static inline void share_cpu(struct victim *v)
{
	cpu_set_t set;

	if (!sched_getaffinity(v->pid, sizeof(set), &set))
		sched_setaffinity(0, sizeof(set), &set);
}

/* A child that has prepared itself, and stands before the call. */
static inline bool victim_begin(struct victim *v, const struct victim_calls *c,
				void *obj, struct victim_notes *notes)
{
	bool here;

	*notes = (struct victim_notes){
		VICTIM_NOT_YET, VICTIM_NOT_YET, VICTIM_NOT_YET
	};
	*v = (struct victim){ .notes = notes };
	pin_to_cpu(0, true);
	v->pid = fork_child();
	if (!v->pid)
		victim_child(c, obj, notes);
	victim_ticks(true);
	here = v->pid > 0 && victim_wait(v);
	while (here && !victim_stopped_by(v, SIGUSR1))
		here = victim_move(v, PTRACE_CONT);
	victim_ticks(false);
	return here;
}

#ifdef __x86_64__

static inline long victim_register(struct victim *v, size_t at)
{
	return ptrace(PTRACE_PEEKUSER, v->pid, at, NULL);
}

#define VICTIM_AT(v) \
	victim_register(v, offsetof(struct user_regs_struct, rip))

static inline bool victim_at_syscall(struct victim *v)
{
	return (ptrace(PTRACE_PEEKTEXT, v->pid, VICTIM_AT(v), NULL) & 0xffff) ==
	       0x050f;
}

/* Children have it where their parents have it. */
static inline bool is_in_vdso(unsigned long address)
{
	static unsigned long begin, end;
	char line[256];
	FILE *f;

	if (!end) {
		end = 1;
		f = fopen("/proc/self/maps", "re");
		while (f && fgets(line, sizeof(line), f))
			if (strstr(line, "[vdso]"))
				sscanf(line, "%lx-%lx", &begin, &end);
		if (f)
			fclose(f);
	}
	return address >= begin && address < end;
}

/*
 * Out of the vDSO, which was just called, by a breakpoint behind the call. By steps
 * it could take for ever: what reads the clock there begins anew if the time was
 * changed meanwhile, at the next tick.
 */
static inline bool victim_leave_vdso(struct victim *v, struct victim_map *found)
{
	long sp = victim_register(v, offsetof(struct user_regs_struct, rsp));
	long back = ptrace(PTRACE_PEEKDATA, v->pid, sp, NULL);
	long text = ptrace(PTRACE_PEEKTEXT, v->pid, back, NULL);

	if (ptrace(PTRACE_POKETEXT, v->pid, back, (text & ~0xffL) | 0xcc))
		return false;
	while (victim_move(v, PTRACE_SYSCALL)) {
		if (VICTIM_AT(v) == back + 1)
			return !ptrace(PTRACE_POKETEXT, v->pid, back, text) &&
			       !ptrace(PTRACE_POKEUSER, v->pid,
				       offsetof(struct user_regs_struct, rip),
				       back);
		/* It asks the kernel after all. */
		if (found)
			found->useless = true;
	}
	return false;
}

/* One instruction, or one call of the kernel. */
static inline bool victim_step_over(struct victim *v, struct victim_map *found)
{
	bool inside = is_in_vdso(VICTIM_AT(v));

	if (!victim_move(v, PTRACE_SINGLESTEP))
		return false;
	return v->over || inside || !is_in_vdso(VICTIM_AT(v)) ||
	       victim_leave_vdso(v, found);
}

#else

static inline bool victim_at_syscall(struct victim *v)
{
	return false;
}

static inline bool victim_step_over(struct victim *v, struct victim_map *found)
{
	return victim_move(v, PTRACE_SINGLESTEP);
}

#endif

/* On by one instruction, which may be a system call. */
static inline bool victim_step(struct victim *v, struct victim_map *found)
{
	if (found && found->nr < ARRAY_SIZE(found->at) && victim_at_syscall(v))
		found->at[found->nr++] = v->steps;
	if (!victim_step_over(v, found))
		return false;
	v->steps += !v->over;
	return true;
}

/*
 * On by @n instructions, or to the end of the call: by the system calls that
 * @known tells of, if it is given, and then by steps. @found is filled with
 * those on the way. False when the victim does not move any more, or has ended.
 */
static inline bool victim_go(struct victim *v, uint64_t n,
			     const struct victim_map *known,
			     struct victim_map *found)
{
	unsigned int i;
	bool fine = true;

	share_cpu(v);
	victim_ticks(true);
	for (i = 0; known && !known->useless && fine && !v->over &&
	     i < known->nr && known->at[i] < n; i++) {
		/* To its entry, and to its exit. */
		fine = victim_move(v, PTRACE_SYSCALL) &&
		       (v->over || victim_move(v, PTRACE_SYSCALL));
		v->steps = known->at[i] + 1;
	}
	while (fine && !v->over && v->steps < n)
		fine = victim_step(v, found);
	victim_ticks(false);
	pin_to_cpu(0, false);
	return fine;
}

static inline void victim_kill(struct victim *v)
{
	if (v->pid <= 0)
		return;
	kill(v->pid, SIGKILL);
	while (waitpid(v->pid, &v->status, __WALL) == v->pid &&
	       WIFSTOPPED(v->status))
		;
	v->pid = -1;
}

/* Lets it go on alone. */
static inline bool victim_release(struct victim *v)
{
	pin_to_cpu(v->pid, false);
	return !ptrace(PTRACE_DETACH, v->pid, NULL, NULL);
}

/* Has it ended? It is there for victim_ends() still. */
static inline bool victim_is_through(const struct victim *v)
{
	siginfo_t info = {};

	return waitid(P_PID, v->pid, &info, WEXITED | WNOHANG | WNOWAIT) ||
	       info.si_pid == v->pid;
}

/* It is through with everything; false when it is stuck. */
static inline bool victim_ends(struct victim *v)
{
	bool ended = WAIT_FOR(waitpid(v->pid, &v->status, WNOHANG) == v->pid);

	if (ended)
		v->pid = -1;
	return ended && WIFEXITED(v->status) && !WEXITSTATUS(v->status);
}

#endif /* KSYNC_SELFTEST_STEPPER_H */
