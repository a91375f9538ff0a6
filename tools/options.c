// SPDX-License-Identifier: GPL-2.0-only
/* The command line: words among options, counts, and how long to wait. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

#define NSEC_PER_SEC	1000000000LL
#define TIMEOUT_MAX	1e9	/* seconds; thirty years */

int next_option(struct words *w, const char *shorts,
		const struct option *longs)
{
	for (;;) {
		int before = optind;
		int c = getopt_long(w->argc, w->argv, shorts, longs, NULL);

		if (c != -1)
			return c;
		/* getopt has stepped over "--": no options after it. */
		if (optind > before) {
			while (w->nr < w->max && w->argv[optind])
				w->word[w->nr++] = w->argv[optind++];
			if (w->argv[optind] && !strcmp(w->argv[optind], "--") &&
			    w->nr && w->argv[optind - 1] == w->word[w->nr - 1])
				optind++;
			break;
		}
		if (w->nr == w->max || !w->argv[optind])
			break;
		w->word[w->nr++] = w->argv[optind++];
	}
	w->command = w->argv + optind;
	return -1;
}

int parse_count(const char *command, const char *what, const char *text,
		uint32_t min, uint32_t max, uint32_t *out)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno || value < min ||
	    value > max)
		return usage_error(command,
				   "%s must be a number from %u to %u, not '%s'",
				   what, min, max, text);
	*out = value;
	return 0;
}

int check_name(const char *command, const char *name)
{
	const unsigned char *c;

	if (!name)
		return usage_error(command, "NAME is missing");
	if (!*name || strlen(name) >= KSYNC_NAME_LEN)
		return usage_error(command, "NAME must have 1 to %d bytes",
				   KSYNC_NAME_LEN - 1);
	for (c = (const unsigned char *)name; *c; c++)
		if (*c < ' ' || *c == 0x7f || *c == '/')
			return usage_error(command,
					   "NAME must not contain '/' or control characters");
	return 0;
}

static int parse_timeout(const char *command, const char *text, int64_t *ns)
{
	double seconds;
	char *end;

	seconds = strtod(text, &end);
	/* The comparison is false for what is not a number. */
	if (end == text || *end || !(seconds >= 0 && seconds <= TIMEOUT_MAX))
		return usage_error(command,
				   "the timeout must be a number of seconds, not '%s'",
				   text);
	*ns = seconds * NSEC_PER_SEC;
	return 0;
}

int patience_option(struct patience *p, const char *command, int option)
{
	uint32_t status;
	int err;

	switch (option) {
	case 'n':
		p->limited = true;
		p->nonblock = true;
		p->timeout_ns = 0;
		return 0;
	case 'w':
		if (p->nonblock)
			return parse_timeout(command, optarg, &(int64_t){ 0 });
		p->limited = true;
		return parse_timeout(command, optarg, &p->timeout_ns);
	case 'E':
		err = parse_count(command, "the conflict exit code", optarg, 0,
				  255, &status);
		if (!err)
			p->conflict_status = status;
		return err;
	case 'q':
		p->quiet = true;
		return 0;
	}
	return -1;
}

const struct ksync_wait *patience_start(struct patience *p)
{
	int64_t ns;

	if (!p->limited)
		return NULL;
	clock_gettime(CLOCK_MONOTONIC, &p->deadline);
	ns = p->deadline.tv_nsec + p->timeout_ns % NSEC_PER_SEC;
	p->deadline.tv_sec += p->timeout_ns / NSEC_PER_SEC + ns / NSEC_PER_SEC;
	p->deadline.tv_nsec = ns % NSEC_PER_SEC;
	p->wait.deadline = &p->deadline;
	return &p->wait;
}

int patience_over(const struct patience *p, const struct subject *s)
{
	char state[64], holder[64], limit[24];
	struct ksync_status st;
	struct ksync_info info;

	/* Who asks not to wait expects a refusal. */
	if (p->quiet || p->nonblock)
		return p->conflict_status;
	duration_text(limit, sizeof(limit), p->timeout_ns);
	if (ksync_query(s->name, 0, &info, &st)) {
		complain(s, "gave up after %s", limit);
		return p->conflict_status;
	}
	summarize_state(state, sizeof(state), &info, &st);
	summarize_holder(holder, sizeof(holder), &st);
	if (strcmp(holder, "-"))
		complain(s, "gave up after %s; now %s by %s, others waiting: %u",
			 limit, state, holder, st.waiters + st.waiters_shared);
	else
		complain(s, "gave up after %s; now %s, others waiting: %u",
			 limit, state, st.waiters + st.waiters_shared);
	return p->conflict_status;
}
