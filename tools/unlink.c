// SPDX-License-Identifier: GPL-2.0-only
/* ksync unlink: take names away. */
#include "tool.h"

static void help(void)
{
	printf("Usage: ksync unlink NAME...\n\n"
	       "Takes each NAME away. Who has the object open keeps it, and who opens the name\n"
	       "from now on gets a new object: so never unlink a lock that is in use, unless what\n"
	       "it protects is out of use too. For the object's owner and root.\n\n"
	       "Options:\n"
	       "  -h, --help  show this help\n");
}

int unlink_main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	struct subject s = { "unlink", NULL };
	int c, err, status = 0;

	argv[0] = "ksync unlink";
	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		if (c != 'h')
			return usage_error("unlink", NULL);
		help();
		return 0;
	}
	if (!argv[optind])
		return usage_error("unlink", "NAME is missing");
	for (c = optind; c < argc; c++) {
		err = check_name("unlink", argv[c]);
		if (err)
			return err;
	}
	err = check_backend(&s);
	if (err)
		return err;
	for (; optind < argc; optind++) {
		s.name = argv[optind];
		err = ksync_unlink(s.name);
		if (err)
			status = fail(&s, "take the name away", err);
	}
	return status;
}
