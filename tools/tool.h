/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ksync command: one file per subcommand, and what they share.
 *
 *	ksync.c			dispatch
 *	lock.c sem.c wg.c	subcommands that take something and run CMD
 *	ls.c show.c graph.c status.c unlink.c
 *	    |
 *	run.c		CMD as a child: signals, exit status
 *	keeper.c	the background process behind "wg add"
 *	options.c	the command line
 *	fields.c	the fields of an object, for people and for JSON
 *	json.c text.c	output that is safe whatever a name holds
 *	error.c		messages and exit statuses
 */
#ifndef KSYNC_TOOL_H
#define KSYNC_TOOL_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sysexits.h>
#include <time.h>

#include <ksync.h>

/*
 * Exit statuses beside sysexits.h. What CMD exits with is passed on; 126 and
 * 127 mean that it could not be run.
 */
#define EXIT_CONFLICT		1	/* --nonblock, --timeout; as flock(1) */
#define EXIT_OWNER_DIED		EX_PROTOCOL
#define EXIT_CANNOT_RUN		126
#define EXIT_NOT_FOUND		127

/* Set in CMD's environment when a previous exclusive holder died. */
#define OWNER_DIED_VARIABLE	"KSYNC_OWNERDEAD"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

struct subcommand {
	const char *name;
	const char *summary;
	int (*run)(int argc, char **argv);
};

int lock_main(int argc, char **argv);
int sem_main(int argc, char **argv);
int wg_main(int argc, char **argv);
int ls_main(int argc, char **argv);
int show_main(int argc, char **argv);
int graph_main(int argc, char **argv);
int status_main(int argc, char **argv);
int unlink_main(int argc, char **argv);

/* error.c */

/* What a message is about: "ksync: lock 'cache': ...". @name may be NULL. */
struct subject {
	const char *command;
	const char *name;
};

void complain(const struct subject *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Prints what was tried, why it failed and what to do; returns the status. */
int fail(const struct subject *s, const char *tried, int err);
/* Prints the message and a pointer to --help; returns EX_USAGE. */
int usage_error(const char *command, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* 0, or the exit status after a message. */
int check_backend(const struct subject *s);
const char *type_name(uint32_t type);

/* options.c */

/*
 * "WORD... [options] CMD": up to @max words, among options; the rest is CMD.
 * Zeroed but for argc, argv and max.
 */
struct words {
	int argc;
	char **argv;
	int max;
	int nr;
	const char *word[2];
	char **command;		/* ends with NULL; empty without CMD */
};

/* Like getopt_long(); @shorts begins with "+". */
int next_option(struct words *w, const char *shorts,
		const struct option *longs);

/* How long to wait, as given by -w, -n, -E and -q. */
struct patience {
	bool limited;
	bool nonblock;
	bool quiet;
	int64_t timeout_ns;
	int conflict_status;
	struct timespec deadline;
	struct ksync_wait wait;
};

#define PATIENCE_INIT		{ .conflict_status = EXIT_CONFLICT }
#define PATIENCE_SHORTS		"w:nE:q"
#define PATIENCE_LONGS						\
	{ "timeout", required_argument, NULL, 'w' },		\
	{ "nonblock", no_argument, NULL, 'n' },			\
	{ "nb", no_argument, NULL, 'n' },			\
	{ "conflict-exit-code", required_argument, NULL, 'E' },	\
	{ "quiet", no_argument, NULL, 'q' }

/* 0, an exit status after a message, or -1 when @option is not one of these. */
int patience_option(struct patience *p, const char *command, int option);
/* For a _until function; the clock starts now. */
const struct ksync_wait *patience_start(struct patience *p);
/* Says why nothing was acquired, unless not wanted; returns the exit status. */
int patience_over(const struct patience *p, const struct subject *s);

/* 0, or an exit status after a message. */
int parse_count(const char *command, const char *what, const char *text,
		uint32_t min, uint32_t max, uint32_t *out);
int check_name(const char *command, const char *name);

/* run.c */

struct run_options {
	bool orphan;		/* CMD may outlive this process */
	bool owner_died;	/* tell CMD so */
	bool killed;		/* out: CMD was ended by a signal */
};

/* Runs CMD to its end; returns the exit status to pass on. */
int run_command(const struct subject *s, char **command,
		struct run_options *o);

/* keeper.c */
int keep_members(const struct subject *s, int32_t count, uint32_t pid);

/* fields.c */
struct json;
void fields_json(struct json *j, const struct ksync_info *info, uint32_t index,
		 const struct ksync_status *st);
void fields_text(const struct ksync_info *info, uint32_t index,
		 const struct ksync_status *st);
/* In a few words; @size 64 is enough. */
void summarize_state(char *buf, size_t size, const struct ksync_info *info,
		     const struct ksync_status *st);
void summarize_holder(char *buf, size_t size, const struct ksync_status *st);

/* json.c: indented JSON on stdout. */
struct json {
	int depth;
	bool first;
};

#define JSON_INIT	{ .first = true }

/* @key is NULL inside an array and at the top. */
void json_open(struct json *j, const char *key, char bracket);
void json_close(struct json *j, char bracket);
void json_string(struct json *j, const char *key, const char *value);
/* And, when @value is not UTF-8, its bytes under @key with "_hex" added. */
void json_bytes(struct json *j, const char *key, const char *value);
void json_number(struct json *j, const char *key, uint64_t value);
void json_bool(struct json *j, const char *key, bool value);
void json_null(struct json *j, const char *key);

/* text.c */

/* The bytes of the UTF-8 character at @s; 0 when it is not one. */
int utf8_length(const char *s);
/* For a terminal: what could disturb it is escaped; @buf as long as NAME_TEXT. */
const char *name_text(char *buf, const char *name);
#define NAME_TEXT	(4 * KSYNC_NAME_LEN)
/* "1.5 s"; @size 24 is enough. */
void duration_text(char *buf, size_t size, uint64_t ns);
/* The name of process @pid's program, or "" */
void comm_text(char *buf, size_t size, pid_t pid);

#endif /* KSYNC_TOOL_H */
