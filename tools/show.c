// SPDX-License-Identifier: GPL-2.0-only
/* ksync show: all about one object. */
#include "tool.h"

static void help(void)
{
	printf("Usage: ksync show NAME [INDEX] [--json]\n\n"
	       "Shows the object NAME and its primitive INDEX (0), without opening it.\n\n"
	       "Options:\n"
	       "  -j, --json  print a JSON object\n"
	       "  -h, --help  show this help\n");
}

static int show(const char *name, uint32_t index, bool json)
{
	struct subject s = { "show", name };
	struct ksync_status st;
	struct ksync_info info;
	int err;

	err = check_backend(&s);
	if (err)
		return err;
	err = ksync_query(name, 0, &info, &st);
	if (err)
		return fail(&s, "look at it", err);
	if (index >= info.nr) {
		complain(&s, "has no primitive %u: the last is %u", index,
			 info.nr - 1);
		return EX_USAGE;
	}
	if (index) {
		err = ksync_query(name, index, &info, &st);
		if (err)
			return fail(&s, "look at it", err);
	}
	if (json)
		fields_json(&(struct json)JSON_INIT, &info, index, &st);
	else
		fields_text(&info, index, &st);
	return 0;
}

int show_main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	struct words w = { .argc = argc, .argv = argv, .max = 2 };
	uint32_t index = 0;
	bool json = false;
	int c, err;

	argv[0] = "ksync show";
	while ((c = next_option(&w, "+jh", longs)) != -1) {
		switch (c) {
		case 'j':
			json = true;
			break;
		case 'h':
			help();
			return 0;
		default:
			return usage_error("show", NULL);
		}
	}
	err = check_name("show", w.word[0]);
	if (!err && w.word[1])
		err = parse_count("show", "INDEX", w.word[1], 0, UINT32_MAX,
				  &index);
	if (!err && *w.command)
		err = usage_error("show", "too many arguments: '%s'",
				  *w.command);
	return err ? err : show(w.word[0], index, json);
}
