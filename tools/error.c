// SPDX-License-Identifier: GPL-2.0-only
/* Messages, which say what was tried and what to do, and exit statuses. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "tool.h"

static void print_subject(const struct subject *s)
{
	char name[NAME_TEXT];

	fputs("ksync: ", stderr);
	if (s->name)
		fprintf(stderr, "%s '%s': ", s->command,
			name_text(name, s->name));
	else
		fprintf(stderr, "%s: ", s->command);
}

void complain(const struct subject *s, const char *fmt, ...)
{
	va_list args;

	print_subject(s);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
}

int usage_error(const char *command, const char *fmt, ...)
{
	const char *space = command ? " " : "";
	va_list args;

	if (!command)
		command = "";
	/* getopt_long() has spoken already when there is nothing to add. */
	if (fmt) {
		fprintf(stderr, "ksync%s%s: ", space, command);
		va_start(args, fmt);
		vfprintf(stderr, fmt, args);
		va_end(args);
		fputc('\n', stderr);
	}
	fprintf(stderr, "Try 'ksync%s%s --help'.\n", space, command);
	return EX_USAGE;
}

const char *type_name(uint32_t type)
{
	switch (type) {
	case KSYNC_MUTEX:
		return "mutex";
	case KSYNC_RWLOCK:
		return "rwlock";
	case KSYNC_WAITGROUP:
		return "waitgroup";
	case KSYNC_SEM:
		return "semaphore";
	case KSYNC_EVENT:
		return "event";
	case KSYNC_COND:
		return "cond";
	case KSYNC_BARRIER:
		return "barrier";
	case KSYNC_ONCE:
		return "once";
	}
	return "unknown";
}

/* What a failure means for the one who typed the command. */
struct advice {
	int err;
	int status;
	const char *text;
};

static const struct advice backend_advice[] = {
	{ EACCES, EX_NOPERM,
	  "/dev/ksync exists but may not be opened: Permission denied; install ksync's udev rule, or have root give you access to the device",
	},
	{ ENXIO, EX_UNAVAILABLE,
	  "the module is loaded, but /dev/ksync is not here; make the device visible in this container or chroot",
	},
	{ ENODEV, EX_UNAVAILABLE,
	  "KSYNC_BACKEND=kernel asks for the module, which is not loaded; 'modprobe ksync' as root, or unset KSYNC_BACKEND",
	},
	{ EPROTO, EX_UNAVAILABLE,
	  "the loaded module speaks another version of the interface; install tool and module of one version",
	},
	{ EINVAL, EX_CONFIG,
	  "KSYNC_BACKEND must be 'kernel' or 'futex'; correct or unset it",
	},
	{ 0, EX_UNAVAILABLE, "the backend cannot be used" },
};

static const struct advice object_advice[] = {
	{ ENOENT, EX_NOINPUT,
	  "there is no such object; 'ksync ls' lists those there are",
	},
	{ EACCES, EX_NOPERM,
	  "Permission denied: its owner and mode keep you out; choose another name, or let its owner set a wider umask",
	},
	{ EPERM, EX_NOPERM,
	  "Operation not permitted: only its owner and root may",
	},
	{ EXDEV, EX_UNAVAILABLE,
	  "the name is in use on the other backend, or that cannot be ruled out; let all who share a name use one backend (KSYNC_BACKEND)",
	},
	{ ENOTRECOVERABLE, EX_UNAVAILABLE,
	  "a holder died and the next one gave up on the repair; repair what the lock protects, then 'ksync unlink' the name to start afresh",
	},
	{ EDQUOT, EX_OSERR,
	  "you have too many objects; end some of the processes that use them",
	},
	{ EMFILE, EX_OSERR,
	  "too many open files; raise the limit with 'ulimit -n'",
	},
	{ ENOSPC, EX_OSERR, "no space left; make room on /dev/shm" },
	{ EOVERFLOW, EX_DATAERR,
	  "the count would pass its maximum; nothing was changed",
	},
	{ ERANGE, EX_DATAERR,
	  "the count would fall below zero; nothing was changed",
	},
	{ EOPNOTSUPP, EX_UNAVAILABLE,
	  "this backend cannot do it; 'ksync status' lists what it can",
	},
	{ 0, EX_OSERR, NULL },
};

/* The last entry, with err 0, is for all others. */
static const struct advice *find_advice(const struct advice *a, int err)
{
	while (a->err && a->err != err)
		a++;
	return a;
}

int check_backend(const struct subject *s)
{
	int err = ksync_available();
	const struct advice *a;

	if (!err)
		return 0;
	a = find_advice(backend_advice, -err);
	if (a->err)
		complain(s, "%s", a->text);
	else
		complain(s, "%s: %s", a->text, ksync_strerror(err));
	return a->status;
}

int fail(const struct subject *s, const char *tried, int err)
{
	const struct advice *a = find_advice(object_advice, -err);
	struct ksync_info info;

	if (err == -EPROTOTYPE) {
		if (ksync_query(s->name, 0, &info, NULL))
			info.type = 0;
		complain(s, "cannot %s: the name belongs to an object of another type (%s); choose another name",
			 tried, type_name(info.type));
		return EX_DATAERR;
	}
	complain(s, "cannot %s: %s", tried, a->text ? a->text :
		 ksync_strerror(err));
	return a->status;
}
