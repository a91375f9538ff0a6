// SPDX-License-Identifier: GPL-2.0-only
/* The ksync command: finds the subcommand and runs it. */
#include <errno.h>
#include <string.h>

#include "tool.h"

static const struct subcommand subcommands[] = {
	{ "lock", "run a command under a lock, exclusive or shared", lock_main },
	{ "sem", "run a command while it holds permits of a semaphore", sem_main },
	{ "wg", "count members of a group of tasks; wait for all of them", wg_main },
	{ "ls", "list the named objects, who holds them and who waits", ls_main },
	{ "show", "show all about one object", show_main },
	{ "graph", "show who waits for whom; --dot draws it", graph_main },
	{ "status", "show the backend in use and what it guarantees", status_main },
	{ "unlink", "take names away; who has the object open keeps it", unlink_main },
};

static void help(void)
{
	size_t i;

	printf("Usage: ksync COMMAND [ARGUMENT...]\n\n"
	       "Locks, semaphores and wait groups between processes, which survive the death\n"
	       "of whoever holds them.\n\n"
	       "Commands:\n");
	for (i = 0; i < ARRAY_SIZE(subcommands); i++)
		printf("  %-8s %s\n", subcommands[i].name,
		       subcommands[i].summary);
	printf("\n"
	       "Options:\n"
	       "  -h, --help     show this help; 'ksync COMMAND --help' tells more\n"
	       "  -V, --version  show the version\n\n"
	       "For example:\n"
	       "  ksync lock cache -- make            one at a time\n"
	       "  ksync lock cache --shared -- grep   many readers, no writer\n"
	       "  ksync sem build -n 4 -- gcc         at most four at once\n\n"
	       "See ksync(1).\n");
}

static int dispatch(int argc, char **argv)
{
	const char *name = argv[1];
	size_t i;

	if (!strcmp(name, "-h") || !strcmp(name, "--help") ||
	    !strcmp(name, "help")) {
		help();
		return 0;
	}
	if (!strcmp(name, "-V") || !strcmp(name, "--version")) {
		printf("ksync %s\n", ksync_version());
		return 0;
	}
	for (i = 0; i < ARRAY_SIZE(subcommands); i++)
		if (!strcmp(name, subcommands[i].name))
			return subcommands[i].run(argc - 1, argv + 1);
	if (name[0] == '-')
		return usage_error(NULL, "unknown option '%s'", name);
	return usage_error(NULL, "unknown command '%s'", name);
}

int main(int argc, char **argv)
{
	int status;

	if (argc < 2)
		return usage_error(NULL, "a command is missing");
	status = dispatch(argc, argv);
	/* Output that was lost must not look like success. */
	if ((fflush(stdout) || ferror(stdout)) && !status) {
		fprintf(stderr, "ksync: cannot write the output: %s\n",
			strerror(errno));
		return EX_IOERR;
	}
	return status;
}
