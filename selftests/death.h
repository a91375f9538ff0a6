/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The roads on which an actor may end, and the fixture variants for them.
 */
#ifndef KSYNC_SELFTEST_DEATH_H
#define KSYNC_SELFTEST_DEATH_H

#include "actor.h"

enum road {
	BY_RETURN,		/* of the thread, from its start routine */
	BY_PTHREAD_EXIT,
	BY_RAW_EXIT,		/* the system call, behind the C library's back */
	BY_EXIT,
	BY__EXIT,
	BY_SIGKILL,
	BY_SIGSEGV,
	BY_EXECVE,
};

/* What a backend must promise for such a death to be noticed. */
static inline uint64_t road_needs(enum actor_kind kind, enum road road)
{
	switch (road) {
	case BY_RETURN:
	case BY_PTHREAD_EXIT:
		return KSYNC_G_THREAD_EXIT;
	case BY_RAW_EXIT:
		return kind == ACTOR_PROCESS ? KSYNC_G_PROCESS_DEATH :
					       KSYNC_G_THREAD_DEATH;
	case BY_EXECVE:
		return KSYNC_G_EXEC;
	default:
		return KSYNC_G_PROCESS_DEATH;
	}
}

static inline long __attribute__((noreturn)) job_end(void *obj, uint64_t road)
{
	static int *volatile nowhere;
	char sock[16];

	switch ((enum road)road) {
	case BY_PTHREAD_EXIT:
		pthread_exit(NULL);
	case BY_RAW_EXIT:
		for (;;)
			syscall(SYS_exit, 0);
	case BY_EXIT:
		exit(0);
	case BY_SIGSEGV:
		signal(SIGSEGV, SIG_DFL);
		*nowhere = 1;
		abort();
	case BY_EXECVE:
		snprintf(sock, sizeof(sock), "%d", job_sock);
		execl("/proc/self/exe", "selftest", "--after-exec", sock, NULL);
		perror("# execve");
		abort();
	case BY_RETURN:
	case BY_SIGKILL:
	case BY__EXIT:
		break;
	}
	_exit(0);
}

/* Ends the actor. With a process the kernel is done with it on return. */
static inline void actor_die(struct actor *a, enum road road)
{
	if (road == BY_SIGKILL) {
		actor_kill(a);
		return;
	}
	actor_start(a, road == BY_RETURN ? NULL : job_end, NULL, road);
	if (a->kind == ACTOR_THREAD) {
		pthread_join(a->thread, NULL);
		a->thread = 0;
	} else if (road == BY_EXECVE) {
		actor_result(a);
	} else if (a->kind == ACTOR_PROCESS || road >= BY_EXIT) {
		waitpid(a->pid, NULL, 0);
		a->pid = -1;
	}
}

/* The new image after execve: says that it is there, and stays. */
static inline int after_exec(const char *sock)
{
	long result = 0;

	/* In case that nobody is left to end it. */
	alarm(60);
	send(atoi(sock), &result, sizeof(result), MSG_NOSIGNAL);
	idle_thread(NULL);
	return 0;
}

/* Instead of TEST_HARNESS_MAIN, in programs whose actors call execve. */
#define DEATH_HARNESS_MAIN						\
int main(int argc, char **argv)						\
{									\
	if (argc == 3 && !strcmp(argv[1], "--after-exec"))		\
		return after_exec(argv[2]);				\
	return test_harness_run(argc, argv);				\
}

/*
 * Declares the fixture's variant, with all the roads. The variants must have
 * the members @kind and @road.
 */
#define ROAD(fixture, name, k, r)					\
	FIXTURE_VARIANT_ADD(fixture, name) { .kind = k, .road = r }

#define ROADS_OF_PROCESSES(f)						\
	ROAD(f, exit, ACTOR_PROCESS, BY_EXIT);				\
	ROAD(f, _exit, ACTOR_PROCESS, BY__EXIT);			\
	ROAD(f, raw_exit, ACTOR_PROCESS, BY_RAW_EXIT);			\
	ROAD(f, sigkill, ACTOR_PROCESS, BY_SIGKILL);			\
	ROAD(f, sigsegv, ACTOR_PROCESS, BY_SIGSEGV);			\
	ROAD(f, second_thread_exit, ACTOR_IN_PROCESS, BY_EXIT);		\
	ROAD(f, second_thread_sigkill, ACTOR_IN_PROCESS, BY_SIGKILL)

#define ROADS_OF_EXEC(f)						\
	ROAD(f, execve, ACTOR_PROCESS, BY_EXECVE);			\
	ROAD(f, second_thread_execve, ACTOR_IN_PROCESS, BY_EXECVE);	\
	ROAD(f, leader_execve, ACTOR_LEADER, BY_EXECVE)

/* The process lives on. */
#define ROADS_OF_THREADS(f)						\
	ROAD(f, thread_return, ACTOR_THREAD, BY_RETURN);		\
	ROAD(f, thread_pthread_exit, ACTOR_THREAD, BY_PTHREAD_EXIT);	\
	ROAD(f, thread_raw_exit, ACTOR_THREAD, BY_RAW_EXIT);		\
	ROAD(f, second_thread_return, ACTOR_IN_PROCESS, BY_RETURN);	\
	ROAD(f, second_thread_raw_exit, ACTOR_IN_PROCESS, BY_RAW_EXIT);	\
	ROAD(f, leader_pthread_exit, ACTOR_LEADER, BY_PTHREAD_EXIT);	\
	ROAD(f, leader_raw_exit, ACTOR_LEADER, BY_RAW_EXIT)

/* For what follows a death, which does not depend on its road. */
#define ROADS_ONE_OF_EACH(f)						\
	ROAD(f, sigkill, ACTOR_PROCESS, BY_SIGKILL);			\
	ROAD(f, execve, ACTOR_PROCESS, BY_EXECVE);			\
	ROAD(f, thread_return, ACTOR_THREAD, BY_RETURN)

#define ROADS(f)							\
	ROADS_OF_PROCESSES(f);						\
	ROADS_OF_EXEC(f);						\
	ROADS_OF_THREADS(f)

/*
 * A fixture with one variant for each of the roads. The file says what its
 * struct scene is, how set_scene() makes it, with a victim of the kind that the
 * road wants, and how clear_scene() takes down what there is of it.
 */
#define DEATH_FIXTURE(fixture, roads)					\
FIXTURE(fixture) {							\
	struct scene scene;						\
};									\
									\
FIXTURE_VARIANT(fixture) {						\
	enum actor_kind kind;						\
	enum road road;							\
};									\
									\
roads(fixture);								\
									\
FIXTURE_SETUP(fixture)							\
{									\
	REQUIRE_BACKEND();						\
	REQUIRE(road_needs(variant->kind, variant->road));		\
	ASSERT_EQ(0, set_scene(&self->scene, variant->kind));		\
}									\
									\
FIXTURE_TEARDOWN(fixture)						\
{									\
	clear_scene(&self->scene);					\
}

#endif /* KSYNC_SELFTEST_DEATH_H */
