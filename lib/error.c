// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Errors in words. The same error has the same meaning everywhere, so one
 * sentence for each will do.
 */
#include <errno.h>
#include <string.h>

#include "ksync.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
	int error;
	const char *sentence;
} sentences[] = {
	{ 0, "success" },
	{ EACCES, "no permission for the object or for /dev/ksync" },
	{ EALREADY, "done already, by somebody else" },
	{ EBADF, "not an open descriptor of the right kind" },
	{ EBUSY, "in use by others; could not be done without waiting" },
	{ ECANCELED, "the wait was cancelled; nothing was acquired" },
	{ EDEADLK, "waiting would never end: the caller is in its own way" },
	{ EDQUOT, "this user has too many objects" },
	{ EEXIST, "the name is in use" },
	{ EINVAL, "an argument is malformed" },
	{ EMFILE, "this process has too many open descriptors" },
	{ ENAMETOOLONG, "the name is too long" },
	{ ENFILE, "the system has too many open files" },
	{ ENODEV, "the ksync module is not loaded" },
	{ ENOENT, "no object has this name" },
	{ ENOMEM, "no memory" },
	{ ENOTRECOVERABLE,
	  "a holder died, and what it left was given up without repair" },
	{ ENXIO, "the ksync module is loaded, but /dev/ksync is missing here" },
	{ EOPNOTSUPP, "this backend cannot do it" },
	{ EOVERFLOW, "a count would pass its maximum" },
	{ EOWNERDEAD, "done, but somebody died: a holder or members" },
	{ EPERM, "not the caller's to give back or to take away" },
	{ EPIPE, "the barrier is broken: a party will not come" },
	{ EPROTO, "the ksync module speaks another version of the interface" },
	{ EPROTOTYPE, "the name belongs to an object of another type" },
	{ ERANGE, "a count would fall below zero" },
	{ ESRCH, "the process is dead already" },
	{ ETIMEDOUT, "the deadline passed; nothing was acquired" },
	{ EXDEV, "the name is, or may be, in use on the other backend" },
};

const char *ksync_strerror(int err)
{
	const char *sentence = NULL;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sentences); i++) {
		/* Not -err, which INT_MIN does not have. */
		if (err == sentences[i].error || err == -sentences[i].error)
			return sentences[i].sentence;
	}
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 32)
	if (err > -4096)
		sentence = strerrordesc_np(err < 0 ? -err : err);
#endif
	return sentence ? sentence : "unknown error";
}
