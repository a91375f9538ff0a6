// SPDX-License-Identifier: GPL-2.0-only
/* ksync ls: the named objects. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

static const struct subject subject = { "ls", NULL };

struct listed {
	struct ksync_info info;
	struct ksync_status st;
};

struct listing {
	struct listed *v;
	size_t nr, room;
};

static void help(void)
{
	printf("Usage: ksync ls [--json]\n\n"
	       "Lists the named objects that you may read: type, state, exclusive holder and for\n"
	       "how long it holds, how many wait, and how many have the object open. Of an object\n"
	       "with several primitives the first is shown; 'ksync show' has the others.\n\n"
	       "Options:\n"
	       "  -j, --json  print a JSON array\n"
	       "  -h, --help  show this help\n");
}

static int collect(const struct ksync_info *info,
		   const struct ksync_status *st, void *arg)
{
	struct listing *l = arg;

	if (l->nr == l->room) {
		size_t room = l->room ? 2 * l->room : 32;
		struct listed *v = realloc(l->v, room * sizeof(*v));

		if (!v)
			return -ENOMEM;
		l->v = v;
		l->room = room;
	}
	l->v[l->nr].info = *info;
	l->v[l->nr++].st = *st;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct listed *la = a, *lb = b;

	return strcmp(la->info.name, lb->info.name);
}

static void print_json(const struct listing *l)
{
	struct json j = JSON_INIT;
	size_t i;

	json_open(&j, NULL, '[');
	for (i = 0; i < l->nr; i++)
		fields_json(&j, &l->v[i].info, 0, &l->v[i].st);
	json_close(&j, ']');
}

/* Characters, not bytes, so that columns stay straight. */
static int width(const char *text)
{
	int n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static void print_table(const struct listing *l)
{
	char name[NAME_TEXT], state[64], holder[64], held[24];
	int widest = width("NAME");
	size_t i;

	for (i = 0; i < l->nr; i++) {
		int w = width(name_text(name, l->v[i].info.name));

		if (w > widest)
			widest = w;
	}
	printf("%-*s  %-9s  %-22s  %-24s  %8s  %7s  %5s\n", widest, "NAME",
	       "TYPE", "STATE", "HOLDER", "HELD", "WAITERS", "USERS");
	for (i = 0; i < l->nr; i++) {
		const struct ksync_info *info = &l->v[i].info;
		const struct ksync_status *st = &l->v[i].st;

		name_text(name, info->name);
		summarize_state(state, sizeof(state), info, st);
		summarize_holder(holder, sizeof(holder), st);
		if (st->held)
			duration_text(held, sizeof(held), st->held_ns);
		else
			snprintf(held, sizeof(held), "-");
		printf("%s%*s  %-9s  %-22s  %-24s  %8s  %7u  %5u\n", name,
		       widest - width(name), "", type_name(info->type), state,
		       holder, held, st->waiters + st->waiters_shared,
		       info->users);
	}
}

int ls_main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	struct listing l = { };
	bool json = false;
	int c, err;

	argv[0] = "ksync ls";
	while ((c = getopt_long(argc, argv, "jh", longs, NULL)) != -1) {
		switch (c) {
		case 'j':
			json = true;
			break;
		case 'h':
			help();
			return 0;
		default:
			return usage_error("ls", NULL);
		}
	}
	if (argv[optind])
		return usage_error("ls", "too many arguments: '%s'",
				   argv[optind]);
	err = check_backend(&subject);
	if (err)
		return err;
	err = ksync_list(collect, &l);
	if (err) {
		err = fail(&subject, "list the named objects", err);
	} else {
		if (l.nr)
			qsort(l.v, l.nr, sizeof(*l.v), by_name);
		if (json)
			print_json(&l);
		else
			print_table(&l);
	}
	free(l.v);
	return err;
}
