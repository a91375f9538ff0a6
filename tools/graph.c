// SPDX-License-Identifier: GPL-2.0-only
/* ksync graph: who waits for whom. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

static const struct subject subject = { "graph", NULL };

struct edges {
	struct ksync_edge *v;
	size_t nr, room;
};

static void help(void)
{
	printf("Usage: ksync graph [--dot | --json]\n\n"
	       "Shows who waits for what, for how long, and who has it: all waits at present on\n"
	       "objects that you made or may read.\n\n"
	       "Options:\n"
	       "  -d, --dot   print a graph for Graphviz: ksync graph --dot | dot -Tsvg\n"
	       "  -j, --json  print a JSON array\n"
	       "  -h, --help  show this help\n");
}

static int collect(const struct ksync_edge *edge, void *arg)
{
	struct edges *all = arg;

	if (all->nr == all->room) {
		size_t room = all->room ? 2 * all->room : 32;
		struct ksync_edge *v = realloc(all->v, room * sizeof(*v));

		if (!v)
			return -ENOMEM;
		all->v = v;
		all->room = room;
	}
	all->v[all->nr++] = *edge;
	return 0;
}

static const char *held_name(uint32_t held)
{
	static const char *const names[] = {
		[KSYNC_HELD_BY_NOBODY] = "nobody",
		[KSYNC_HELD_EXCLUSIVE] = "exclusive",
		[KSYNC_HELD_SHARED] = "shared",
		[KSYNC_HELD_PERMITS] = "permits",
		[KSYNC_HELD_QUEUE] = "queue",
	};

	return held < ARRAY_SIZE(names) ? names[held] : "?";
}

static const char *want_name(uint32_t want)
{
	static const char *const names[] = {
		[KSYNC_WANTS_EXCLUSIVE] = "exclusive",
		[KSYNC_WANTS_SHARED] = "shared",
		[KSYNC_WANTS_PERMITS] = "permits",
		[KSYNC_WANTS_END] = "end",
	};

	return want < ARRAY_SIZE(names) && names[want] ? names[want] : "?";
}

/* "mutex 'name'", "rwlock 17 [3]" */
static void object_text(char *buf, size_t size, const struct ksync_edge *e)
{
	char name[NAME_TEXT], index[16] = "";

	if (e->index)
		snprintf(index, sizeof(index), " [%u]", e->index);
	if (*e->name)
		snprintf(buf, size, "%s '%s'%s", type_name(e->type),
			 name_text(name, e->name), index);
	else if (e->object)
		snprintf(buf, size, "%s %" PRIu64 "%s", type_name(e->type),
			 e->object, index);
	else
		snprintf(buf, size, "%s", type_name(e->type));
}

/* "1234 (make)", "1234/1240 (worker)" */
static void thread_text(char *buf, size_t size, pid_t pid, pid_t tid,
			const char *name)
{
	char text[NAME_TEXT], thread[16] = "";

	if (tid != pid)
		snprintf(thread, sizeof(thread), "/%d", tid);
	if (!pid)
		snprintf(buf, size, "?");
	else
		snprintf(buf, size, "%d%s (%s)", pid, thread,
			 name_text(text, name));
}

static void holder_text(char *buf, size_t size, const struct ksync_edge *e)
{
	char who[NAME_TEXT];

	thread_text(who, sizeof(who), e->holder_pid, e->holder_tid,
		    e->holder_name);
	switch (e->held) {
	case KSYNC_HELD_SHARED:
		if (e->holder_pid)
			snprintf(buf, size, "read by %s", who);
		else
			snprintf(buf, size, "%u read hold%s of others",
				 e->count, e->count == 1 ? "" : "s");
		break;
	case KSYNC_HELD_PERMITS:
		snprintf(buf, size, "%u permit%s of %s", e->count,
			 e->count == 1 ? "" : "s", e->holder_pid ? who : "others");
		break;
	case KSYNC_HELD_QUEUE:
		snprintf(buf, size, "behind %s", who);
		break;
	case KSYNC_HELD_EXCLUSIVE:
		snprintf(buf, size, "held by %s", who);
		break;
	default:
		snprintf(buf, size, "held by nobody in particular");
	}
}

static void print_text(const struct edges *all)
{
	char waiter[NAME_TEXT], object[2 * NAME_TEXT], holder[2 * NAME_TEXT];
	char waited[24];
	size_t i;

	if (!all->nr)
		printf("nobody waits\n");
	for (i = 0; i < all->nr; i++) {
		const struct ksync_edge *e = &all->v[i];

		thread_text(waiter, sizeof(waiter), e->waiter_pid,
			    e->waiter_tid, e->waiter_name);
		object_text(object, sizeof(object), e);
		holder_text(holder, sizeof(holder), e);
		duration_text(waited, sizeof(waited), e->waited_ns);
		printf("%s waits %s for %s, %s\n", waiter, waited, object,
		       holder);
	}
}

static void print_json(const struct edges *all)
{
	struct json j = JSON_INIT;
	size_t i;

	json_open(&j, NULL, '[');
	for (i = 0; i < all->nr; i++) {
		const struct ksync_edge *e = &all->v[i];

		json_open(&j, NULL, '{');
		json_number(&j, "object", e->object);
		json_bytes(&j, "name", e->name);
		json_string(&j, "type", type_name(e->type));
		json_number(&j, "index", e->index);
		json_string(&j, "want", want_name(e->want));
		json_number(&j, "wanted", e->wanted);
		json_number(&j, "waited_ns", e->waited_ns);
		json_number(&j, "waiter_pid", e->waiter_pid);
		json_number(&j, "waiter_tid", e->waiter_tid);
		json_bytes(&j, "waiter_name", e->waiter_name);
		json_string(&j, "held", held_name(e->held));
		json_number(&j, "count", e->count);
		json_number(&j, "holder_pid", e->holder_pid);
		json_number(&j, "holder_tid", e->holder_tid);
		json_bytes(&j, "holder_name", e->holder_name);
		json_close(&j, '}');
	}
	json_close(&j, ']');
}

/* In double quotes; name_text() has left nothing else to escape. */
static void dot_string(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			putchar('\\');
		putchar(*text);
	}
	putchar('"');
}

static void dot_node(const char *kind, uint64_t number, uint32_t index,
		     const char *shape, const char *label)
{
	printf("\t%s_%" PRIu64 "_%u [shape=%s, label=", kind, number, index,
	       shape);
	dot_string(label);
	printf("];\n");
}

static void dot_threads(const struct ksync_edge *e, size_t nr)
{
	char text[NAME_TEXT];

	thread_text(text, sizeof(text), e->waiter_pid, e->waiter_tid,
		    e->waiter_name);
	dot_node("thread", e->waiter_tid, 0, "ellipse", text);
	if (e->held == KSYNC_HELD_BY_NOBODY)
		return;
	if (e->holder_pid) {
		thread_text(text, sizeof(text), e->holder_pid, e->holder_tid,
			    e->holder_name);
		dot_node("thread", e->holder_tid, 0, "ellipse", text);
	} else {
		dot_node("others", nr, 0, "plaintext",
			 e->held == KSYNC_HELD_EXCLUSIVE ? "?" : "others");
	}
}

/* Threads are ellipses, objects boxes; who waits points to what, that to whom. */
static void print_dot(const struct edges *all)
{
	char object[2 * NAME_TEXT], waited[24];
	size_t i;

	printf("digraph ksync {\n");
	for (i = 0; i < all->nr; i++) {
		const struct ksync_edge *e = &all->v[i];

		object_text(object, sizeof(object), e);
		duration_text(waited, sizeof(waited), e->waited_ns);
		dot_threads(e, i);
		dot_node("object", e->object, e->index, "box", object);
		printf("\tthread_%d_0 -> object_%" PRIu64 "_%u [label=",
		       e->waiter_tid, e->object, e->index);
		dot_string(waited);
		printf("];\n");
		if (e->held == KSYNC_HELD_BY_NOBODY)
			continue;
		printf("\tobject_%" PRIu64 "_%u -> ", e->object, e->index);
		if (e->holder_pid)
			printf("thread_%d_0", e->holder_tid);
		else
			printf("others_%zu_0", i);
		printf(" [label=\"%s\"%s];\n", held_name(e->held),
		       e->held == KSYNC_HELD_QUEUE ? ", style=dashed" : "");
	}
	printf("}\n");
}

int graph_main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "dot", no_argument, NULL, 'd' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	void (*print)(const struct edges *all) = print_text;
	struct edges all = { };
	int c, err;

	argv[0] = "ksync graph";
	while ((c = getopt_long(argc, argv, "djh", longs, NULL)) != -1) {
		switch (c) {
		case 'd':
			print = print_dot;
			break;
		case 'j':
			print = print_json;
			break;
		case 'h':
			help();
			return 0;
		default:
			return usage_error("graph", NULL);
		}
	}
	if (argv[optind])
		return usage_error("graph", "too many arguments: '%s'",
				   argv[optind]);
	err = check_backend(&subject);
	if (err)
		return err;
	err = ksync_graph(collect, &all);
	if (err)
		err = fail(&subject, "look at the waits", err);
	else
		print(&all);
	free(all.v);
	return err;
}
