// SPDX-License-Identifier: GPL-2.0-only
/* ksync status: the backend in use and what it guarantees. */
#include <string.h>
#include <sys/utsname.h>

#include "tool.h"

static const struct subject subject = { "status", NULL };

static const struct guarantee {
	uint64_t bit;
	const char *key;
	const char *words;
} guarantees[] = {
	{ KSYNC_G_PROCESS_DEATH, "process_death",
	  "what a dead process held passes on" },
	{ KSYNC_G_EXEC, "exec", "execve counts as death of the old program" },
	{ KSYNC_G_THREAD_EXIT, "thread_exit",
	  "what a thread held when it returned passes on" },
	{ KSYNC_G_THREAD_DEATH, "thread_death",
	  "and when it ended in any other way" },
	{ KSYNC_G_PROMPT, "prompt",
	  "a death is noticed at once, not within a bound" },
	{ KSYNC_G_PID_NAMESPACES, "pid_namespaces",
	  "works across PID namespaces" },
	{ KSYNC_G_FAIR, "fair", "who waited 1 ms is next; semaphores in order" },
	{ KSYNC_G_BIND_SELF, "bind_self",
	  "wait groups notice the death of members bound to the caller" },
	{ KSYNC_G_BIND_OTHERS, "bind_others",
	  "and of members bound to any other process" },
	{ KSYNC_G_GUARDED, "guarded",
	  "objects whose users need not trust each other" },
	{ KSYNC_G_NET_NAMESPACES, "net_namespaces",
	  "names belong to a network namespace" },
	{ KSYNC_G_NO_LEFTOVERS, "no_leftovers",
	  "nothing stays behind, not even after a crash of all" },
	{ KSYNC_G_COND_MOVES, "cond_moves",
	  "a broadcast wakes its waiters one after the other" },
	{ KSYNC_G_CANCEL, "cancel", "events cancel waits" },
	{ KSYNC_G_PARENTS, "parents",
	  "an event may have a parent in another object" },
	{ KSYNC_G_MANY, "many", "waits for one of several, or for all" },
	{ KSYNC_G_POLL, "poll", "requests that are queued, and polled for" },
	{ KSYNC_G_DEADLOCK, "deadlock",
	  "a wait that would close a cycle of waits is refused" },
	{ KSYNC_G_DEADLOCK_OF_TWO, "deadlock_of_two",
	  "so is one of two threads that wait for each other's lock" },
};

static void help(void)
{
	printf("Usage: ksync status [--json]\n\n"
	       "Shows the backend that programs use here, whether it can be used (and if not,\n"
	       "why), versions, and what the backend guarantees. KSYNC_BACKEND=kernel or =futex\n"
	       "in the environment asks for one. The exit status is 0 when it can be used.\n\n"
	       "Options:\n"
	       "  -j, --json  print a JSON object\n"
	       "  -h, --help  show this help\n");
}

static void print_json(int err, const struct utsname *u)
{
	const char *module = ksync_module_version();
	uint64_t have = ksync_guarantees();
	struct json j = JSON_INIT;
	size_t i;

	json_open(&j, NULL, '{');
	json_string(&j, "backend", ksync_backend());
	json_bool(&j, "available", !err);
	if (err)
		json_string(&j, "error", ksync_strerror(err));
	else
		json_null(&j, "error");
	json_string(&j, "library", ksync_version());
	if (*module)
		json_string(&j, "module", module);
	else
		json_null(&j, "module");
	json_string(&j, "kernel", u->release);
	json_string(&j, "machine", u->machine);
	json_open(&j, "guarantees", '{');
	for (i = 0; i < ARRAY_SIZE(guarantees); i++)
		json_bool(&j, guarantees[i].key, have & guarantees[i].bit);
	json_close(&j, '}');
	json_close(&j, '}');
}

static void print_text(int err, const struct utsname *u)
{
	const char *module = ksync_module_version();
	uint64_t have = ksync_guarantees();
	size_t i;

	printf("backend      %s\n", ksync_backend());
	if (err)
		printf("available    no: %s\n", ksync_strerror(err));
	else
		printf("available    yes\n");
	printf("library      %s\n", ksync_version());
	printf("module       %s\n", *module ? module : "not in use");
	printf("kernel       %s %s %s\n", u->sysname, u->release, u->machine);
	/* What cannot be used promises nothing. */
	if (err)
		return;
	printf("guarantees\n");
	for (i = 0; i < ARRAY_SIZE(guarantees); i++)
		printf("  %-3s  %s\n",
		       have & guarantees[i].bit ? "yes" : "no",
		       guarantees[i].words);
}

int status_main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	struct utsname u = { };
	bool json = false;
	int c, err;

	argv[0] = "ksync status";
	while ((c = getopt_long(argc, argv, "jh", longs, NULL)) != -1) {
		switch (c) {
		case 'j':
			json = true;
			break;
		case 'h':
			help();
			return 0;
		default:
			return usage_error("status", NULL);
		}
	}
	if (argv[optind])
		return usage_error("status", "too many arguments: '%s'",
				   argv[optind]);
	uname(&u);
	err = ksync_available();
	if (json)
		print_json(err, &u);
	else
		print_text(err, &u);
	/* On stderr: the reason in full, with what to do. */
	return check_backend(&subject);
}
