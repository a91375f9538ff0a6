// SPDX-License-Identifier: GPL-2.0-only
/*
 * What there is to say about an object and one of its primitives. One table
 * serves people and JSON; a field is shown for the types that it has a meaning
 * for.
 */
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "tool.h"

#define M	(1U << KSYNC_MUTEX)
#define R	(1U << KSYNC_RWLOCK)
#define W	(1U << KSYNC_WAITGROUP)
#define S	(1U << KSYNC_SEM)
#define E	(1U << KSYNC_EVENT)
#define C	(1U << KSYNC_COND)
#define B	(1U << KSYNC_BARRIER)
#define O	(1U << KSYNC_ONCE)

struct field {
	uint32_t types;
	const char *key;	/* JSON */
	const char *label;	/* people; NULL when said in another way */
	size_t offset;
	size_t size;
};

#define FIELD(types, key, label, member)				\
	{ types, key, label, offsetof(struct ksync_status, member),	\
	  sizeof(((struct ksync_status *)0)->member) }

static const struct field fields[] = {
	FIELD(R,	 "readers",	    NULL,		readers),
	FIELD(W,	 "members",	    NULL,		value),
	FIELD(S,	 "free",	    NULL,		value),
	FIELD(S,	 "max",		    NULL,		max),
	FIELD(E,	 "set",		    NULL,		value),
	FIELD(B,	 "arrived",	    NULL,		value),
	FIELD(B,	 "parties",	    NULL,		max),
	FIELD(B,	 "members",	    "members",		readers),
	FIELD(M | S | O | E, "waiters",	    "waiters",		waiters),
	FIELD(R,	 "waiting_writers", "waiting writers",	waiters),
	FIELD(R,	 "waiting_readers", "waiting readers",	waiters_shared),
	FIELD(W | C | B, "waiters",	    "waiters",		waiters_shared),
	FIELD(E,	 "waiters_shared",  "of all at once",	waiters_shared),
	FIELD(M | R,	 "token",	    "token",		token),
	FIELD(W | B,	 "round",	    "round",		token),
	FIELD(E,	 "changes",	    "changes",		token),
	FIELD(C,	 "signals",	    "signals",		token),
	FIELD(O,	 "runs",	    "runs",		token),
	FIELD(C | B,	 "waits",	    "waits",		acquisitions),
	FIELD(C,	 "woken",	    "of these woken",	contended),
	FIELD(O,	 "completed",	    "completed",	acquisitions),
	FIELD(O,	 "abandoned",	    "abandoned",	lost),
	FIELD(O,	 "contended",	    "had to wait",	contended),
	FIELD(M | R | S, "acquisitions",    "acquisitions",	acquisitions),
	FIELD(M | R | S, "contended",	    "of these waited",	contended),
	FIELD(M | R | S, "deaths",	    "holders died",	deaths),
	FIELD(W,	 "deaths",	    "members died",	deaths),
	FIELD(B,	 "breaks",	    "times broken",	lost),
	FIELD(B,	 "deaths",	    "of these by death", deaths),
	FIELD(O,	 "deaths",	    "runners died",	deaths),
	FIELD(W,	 "lost",	    "of the last round", lost),
	FIELD(S,	 "lost",	    "permits recovered", lost),
};

struct flag {
	uint32_t bit;
	uint32_t types;
	const char *name;
};

static const struct flag object_flags[] = {
	{ KSYNC_GUARDED, ~0U, "guarded" },
	{ KSYNC_RECURSIVE, M, "recursive" },
	{ KSYNC_FIFO, M, "fifo" },
	{ KSYNC_TRACKED, S, "tracked" },
	{ KSYNC_AUTO_RESET, E, "auto_reset" },
};

static const struct flag state_flags[] = {
	{ KSYNC_IS_INCONSISTENT, M | R | O, "inconsistent" },
	{ KSYNC_IS_LOST, M | R, "not_recoverable" },
	{ KSYNC_HAS_LOSS, W, "members_lost" },
	{ KSYNC_IS_BROKEN, B, "broken" },
	{ KSYNC_IS_DONE, O, "done" },
};

static uint64_t field_value(const struct field *f,
			    const struct ksync_status *st)
{
	const char *at = (const char *)st + f->offset;
	uint64_t v64;
	uint32_t v32;

	if (f->size == sizeof(v64)) {
		memcpy(&v64, at, sizeof(v64));
		return v64;
	}
	memcpy(&v32, at, sizeof(v32));
	return v32;
}

static void holder_json(struct json *j, const struct ksync_status *st)
{
	char comm[64];

	json_bool(j, "held", st->held);
	if (!st->held || !st->holder_pid) {
		json_null(j, "holder_pid");
		json_null(j, "holder_tid");
		json_null(j, "holder_command");
	} else {
		json_number(j, "holder_pid", st->holder_pid);
		json_number(j, "holder_tid", st->holder_tid);
		comm_text(comm, sizeof(comm), st->holder_pid);
		json_string(j, "holder_command", comm);
	}
	json_number(j, "held_ns", st->held ? st->held_ns : 0);
}

void fields_json(struct json *j, const struct ksync_info *info, uint32_t index,
		 const struct ksync_status *st)
{
	uint32_t type = 1U << info->type;
	char mode[8];
	size_t i;

	json_open(j, NULL, '{');
	json_bytes(j, "name", info->name);
	json_string(j, "type", type_name(info->type));
	json_open(j, "flags", '[');
	for (i = 0; i < ARRAY_SIZE(object_flags); i++)
		if (info->flags & object_flags[i].bit)
			json_string(j, NULL, object_flags[i].name);
	json_close(j, ']');
	json_number(j, "primitives", info->nr);
	json_number(j, "users", info->users);
	json_number(j, "uid", info->uid);
	json_number(j, "gid", info->gid);
	snprintf(mode, sizeof(mode), "%04o", info->mode & 07777U);
	json_string(j, "mode", mode);
	json_number(j, "index", index);
	if (type & (M | R | O))
		holder_json(j, st);
	for (i = 0; i < ARRAY_SIZE(fields); i++)
		if (fields[i].types & type)
			json_number(j, fields[i].key,
				    field_value(&fields[i], st));
	for (i = 0; i < ARRAY_SIZE(state_flags); i++)
		if (state_flags[i].types & type)
			json_bool(j, state_flags[i].name,
				  st->flags & state_flags[i].bit);
	json_close(j, '}');
}

static void line(const char *label, const char *value)
{
	printf("%-18s %s\n", label, value);
}

void fields_text(const struct ksync_info *info, uint32_t index,
		 const struct ksync_status *st)
{
	char text[NAME_TEXT], held[24];
	uint32_t type = 1U << info->type;
	size_t i;

	line("name", name_text(text, info->name));
	printf("%-18s %s", "type", type_name(info->type));
	for (i = 0; i < ARRAY_SIZE(object_flags); i++)
		if (info->flags & object_flags[i].bit)
			printf(", %s", object_flags[i].name);
	putchar('\n');
	/* Numbers: a static program cannot ask the name service. */
	snprintf(text, sizeof(text), "uid %u, gid %u, mode %04o", info->uid,
		 info->gid, info->mode & 07777U);
	line("owner", text);
	snprintf(text, sizeof(text), "%u", info->users);
	line("users", text);
	if (info->nr > 1) {
		snprintf(text, sizeof(text), "%u of 0 to %u", index,
			 info->nr - 1);
		line("primitive", text);
	}
	summarize_state(text, sizeof(text), info, st);
	line("state", text);
	if ((type & (M | R | O)) && st->held) {
		summarize_holder(text, sizeof(text), st);
		line("holder", text);
		duration_text(held, sizeof(held), st->held_ns);
		line("held for", held);
	}
	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		if (!(fields[i].types & type) || !fields[i].label)
			continue;
		snprintf(text, sizeof(text), "%" PRIu64,
			 field_value(&fields[i], st));
		line(fields[i].label, text);
	}
}

static void plural(char *buf, size_t size, uint32_t n, const char *what,
		   const char *rest)
{
	snprintf(buf, size, "%u %s%s%s", n, what, n == 1 ? "" : "s", rest);
}

static void summarize_lock(char *buf, size_t size,
			   const struct ksync_status *st)
{
	const char *dead = "";

	if (st->flags & KSYNC_IS_INCONSISTENT)
		dead = ", inconsistent";
	if (st->flags & KSYNC_IS_LOST)
		snprintf(buf, size, "not recoverable");
	else if (st->held)
		snprintf(buf, size, "locked%s", dead);
	else if (st->readers)
		plural(buf, size, st->readers, "reader", dead);
	else
		snprintf(buf, size, "free%s", dead);
}

static void summarize_once(char *buf, size_t size,
			   const struct ksync_status *st)
{
	const char *dead = "";

	if (st->flags & KSYNC_IS_INCONSISTENT)
		dead = ", a runner died";
	if (st->flags & KSYNC_IS_DONE)
		snprintf(buf, size, "done");
	else
		snprintf(buf, size, "%s%s", st->held ? "running" : "not done",
			 dead);
}

void summarize_state(char *buf, size_t size, const struct ksync_info *info,
		     const struct ksync_status *st)
{
	switch (info->type) {
	case KSYNC_WAITGROUP:
		plural(buf, size, st->value, "member",
		       st->flags & KSYNC_HAS_LOSS ? ", some died" : "");
		break;
	case KSYNC_SEM:
		snprintf(buf, size, "%u of %u free", st->value, st->max);
		break;
	case KSYNC_EVENT:
		snprintf(buf, size, "%sset", st->value ? "" : "not ");
		break;
	case KSYNC_COND:
		plural(buf, size, st->waiters_shared, "waiter", "");
		break;
	case KSYNC_BARRIER:
		snprintf(buf, size, st->flags & KSYNC_IS_BROKEN ? "broken" :
			 "%u of %u there", st->value, st->max);
		break;
	case KSYNC_ONCE:
		summarize_once(buf, size, st);
		break;
	default:
		summarize_lock(buf, size, st);
		break;
	}
}

void summarize_holder(char *buf, size_t size, const struct ksync_status *st)
{
	char comm[40];

	if (!st->held) {
		snprintf(buf, size, "-");
	} else if (!st->holder_pid) {
		/* In a PID namespace that cannot be seen from here. */
		snprintf(buf, size, "?");
	} else {
		comm_text(comm, sizeof(comm), st->holder_pid);
		snprintf(buf, size, "%d%s%s%s", st->holder_pid,
			 *comm ? " (" : "", comm, *comm ? ")" : "");
	}
}
