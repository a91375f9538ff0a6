// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The futex backend: PIDs, for people only.
 *
 * A slot has the PID that its process sees, and its PID namespace. Where that
 * is not ours but inside ours, /proc knows what the process is called here.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend_futex.h"

static uint64_t namespace_of(const char *who)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%.16s/ns/pid", who);
	return stat(path, &st) ? 0 : st.st_ino;
}

/* The PID namespace that getpid() speaks of; 0 when it cannot be told. */
uint64_t kfx_pid_namespace(void)
{
	return namespace_of("self");
}

/* Does /proc show the processes of our namespace? */
static bool proc_is_ours(void)
{
	char self[16];
	ssize_t len = readlink("/proc/self", self, sizeof(self) - 1);

	if (len <= 0)
		return false;
	self[len] = 0;
	return atoi(self) == getpid();
}

/* The number that process or thread @path has in its own namespace, or 0. */
static pid_t inner_pid(const char *path)
{
	char status[300], line[256], *last;
	pid_t pid = 0;
	FILE *f;

	snprintf(status, sizeof(status), "%s/status", path);
	f = fopen(status, "re");
	if (!f)
		return 0;
	while (!pid && fgets(line, sizeof(line), f)) {
		if (strncmp(line, "NSpid:", 6))
			continue;
		last = strrchr(line, '\t');
		pid = last ? atoi(last) : 0;
	}
	fclose(f);
	return pid;
}

/* The entry of directory @path that is @pid in @ns (0: in any), or 0. */
static pid_t find(const char *path, uint64_t ns, pid_t pid)
{
	struct dirent *entry;
	DIR *dir = opendir(path);
	char sub[280];
	pid_t found = 0;

	while (dir && !found && (entry = readdir(dir))) {
		if (!isdigit((unsigned char)entry->d_name[0]) ||
		    (ns && namespace_of(entry->d_name) != ns))
			continue;
		snprintf(sub, sizeof(sub), "%s/%.16s", path, entry->d_name);
		if (inner_pid(sub) == pid)
			found = atoi(entry->d_name);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* Translates what a holder calls itself; 0 where it has no name here. */
void kfx_pid_translate(uint64_t ns, pid_t *pid, pid_t *tid)
{
	int saved = errno;
	char path[32];
	pid_t outer;

	if (ns == kfx_pid_namespace()) {
		errno = saved;
		return;
	}
	outer = ns && proc_is_ours() ? find("/proc", ns, *pid) : 0;
	snprintf(path, sizeof(path), "/proc/%d/task", (int)outer);
	*tid = outer ? find(path, 0, *tid) : 0;
	*pid = outer;
	errno = saved;
}
