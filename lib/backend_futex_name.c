// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The futex backend: named objects, files in /dev/shm.
 *
 * A name is visible only when its object is complete and somebody is alive who
 * has it open: the file is made without a name, joined, and then linked. A file
 * whose users are all dead is as good as none, whoever finds it removes it.
 *
 * Who joins or removes does so behind the gate of the file, and having checked
 * that the path still leads to it:
 *
 *	open				close
 *					leave: no slot from here on
 *	open the file			open the file
 *	gate				gate
 *	path leads to it? or again	anybody alive? then no more
 *	anybody alive? or fresh		path leads to it? unlink
 *	claim a slot
 *	open the gate			open the gate
 */
#define _FILE_OFFSET_BITS 64
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend_futex.h"

/* What one sweep looks at, and how often a process sweeps. */
#define SWEEP_FILES	1024
#define SWEEP_NS	1000000000ULL

void kfx_name_path(char path[KFX_PATH_LEN], const char *name)
{
	snprintf(path, KFX_PATH_LEN, "%s/%s%s", KFX_DIR, KFX_PREFIX, name);
}

/* Has anybody the object open? Does not see the description @fd itself. */
int kfx_name_alive(int fd)
{
	return kfx_bytes_locked(fd, KFX_LOCK_SLOT, KFX_SLOTS);
}

static bool leads_to(const char *path, int fd)
{
	struct stat a, b;

	return !lstat(path, &a) && !fstat(fd, &b) &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* One of our files, or what is left of one whose maker died. */
static bool may_remove(int fd)
{
	struct stat st;
	uint64_t magic;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return false;
	if (pread(fd, &magic, sizeof(magic), 0) != sizeof(magic))
		return st.st_size == 0;
	return magic == KFX_MAGIC || magic == 0;
}

/* A new object, which has its name or not: -EEXIST. */
static int create(const char *name, const char *path, mode_t mode,
		  const struct ksync_spec *spec, struct kfx_object **out)
{
	struct kfx_object *obj = kfx_object_new();
	char self[32];
	int ret;

	if (!obj)
		return -ENOMEM;
	ret = kfx_object_live(obj, -1, KFX_DIR, O_TMPFILE | O_RDWR, mode);
	if (!ret)
		ret = kfx_file_init(obj->live, spec, name);
	if (!ret)
		ret = kfx_byte_lock(obj->live, KFX_LOCK_GATE, true);
	if (ret) {
		kfx_object_drop(obj);
		return ret == -EISDIR ? -EOPNOTSUPP : ret;
	}
	ret = kfx_object_attach(obj, spec->type, out);
	if (ret)
		return ret;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", obj->live);
	if (!linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW))
		return 0;
	ret = -errno;
	kfx_object_put(obj);
	return ret;
}

/* 0: has the gate of what the path leads to. -EAGAIN: it led elsewhere. */
static int pass_gate(struct kfx_object *obj, const char *path)
{
	int ret = kfx_byte_lock(obj->live, KFX_LOCK_GATE, true);

	if (ret)
		return ret;
	return leads_to(path, obj->live) ? 0 : -EAGAIN;
}

/*
 * Nobody alive has it open: it goes, -EAGAIN, or becomes a new object where we
 * may not remove it, 0. Behind the gate.
 */
static int start_fresh(struct kfx_object *obj, const char *name,
		       const char *path, int oflag,
		       const struct ksync_spec *spec)
{
	if (!may_remove(obj->live))
		return -EINVAL;
	if (!unlink(path) || errno == ENOENT)
		return -EAGAIN;
	if (!(oflag & O_CREAT))
		return -ENOENT;
	return kfx_file_init(obj->live, spec, name);
}

static int open_existing(struct kfx_object *obj, const char *name,
			 const char *path, int oflag,
			 const struct ksync_spec *spec)
{
	int ret = pass_gate(obj, path);

	if (ret)
		return ret;
	ret = kfx_name_alive(obj->live);
	if (ret < 0)
		return ret;
	if (!ret)
		return start_fresh(obj, name, path, oflag, spec);
	return oflag & O_EXCL ? -EEXIST : 0;
}

static int try_open(const char *name, const char *path, int oflag, mode_t mode,
		    const struct ksync_spec *spec, struct kfx_object **out)
{
	struct kfx_object *obj = kfx_object_new();
	int ret;

	if (!obj)
		return -ENOMEM;
	ret = kfx_object_live(obj, -1, path, O_RDWR | O_NOFOLLOW | O_NONBLOCK,
			      0);
	if (!ret)
		ret = open_existing(obj, name, path, oflag, spec);
	else if (ret == -ELOOP || ret == -EISDIR || ret == -ENXIO)
		ret = -EINVAL;
	else if (ret == -ENOENT && (oflag & O_CREAT))
		ret = -ENODATA;
	if (!ret)
		return kfx_object_attach(obj, spec->type, out);
	kfx_object_drop(obj);
	if (ret != -ENODATA)
		return ret;
	ret = create(name, path, mode, spec, out);
	/* Somebody was faster, or it just lost its last user. */
	return ret == -EEXIST ? -EAGAIN : ret;
}

int kfx_name_open(const char *name, int oflag, mode_t mode,
		  const struct ksync_spec *spec, struct kfx_object **out)
{
	char path[KFX_PATH_LEN];
	int ret;

	kfx_name_sweep();
	kfx_name_path(path, name);
	do {
		ret = try_open(name, path, oflag, mode, spec, out);
	} while (ret == -EAGAIN);
	return ret;
}

/* A file that cannot even be read: its owner may remove it all the same. */
static int unlink_unseen(const char *path)
{
	struct stat st;

	if (lstat(path, &st))
		return -errno;
	if (st.st_uid != geteuid() && geteuid())
		return -EPERM;
	return unlink(path) ? -errno : 0;
}

static int try_unlink(struct kfx_object *obj, const char *path)
{
	struct stat st;
	int ret, alive;

	ret = kfx_object_live(obj, -1, path, O_RDWR | O_NOFOLLOW | O_NONBLOCK,
			      0);
	if (ret == -EACCES) {
		ret = kfx_object_live(obj, -1, path, O_RDONLY | O_NOFOLLOW |
				      O_NONBLOCK, 0);
		if (ret)
			return ret == -EACCES ? unlink_unseen(path) : ret;
		ret = kfx_byte_read_lock(obj->live, KFX_LOCK_GATE, true);
	} else if (!ret) {
		ret = kfx_byte_lock(obj->live, KFX_LOCK_GATE, true);
	}
	if (ret)
		return ret;
	if (!leads_to(path, obj->live))
		return -EAGAIN;
	alive = kfx_name_alive(obj->live);
	if (!may_remove(obj->live) || fstat(obj->live, &st))
		return -EINVAL;
	if (alive && st.st_uid != geteuid() && geteuid())
		return -EPERM;
	ret = unlink(path) ? -errno : 0;
	return alive ? ret : -ENOENT;
}

int kfx_name_unlink(const char *name)
{
	int ret = kfx_process_init(), state, saved = errno;
	char path[KFX_PATH_LEN];
	struct kfx_object *obj;

	if (ret)
		return ret;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	kfx_process_check_fork();
	kfx_name_path(path, name);
	do {
		ret = -ENOMEM;
		obj = kfx_object_new();
		if (!obj)
			break;
		ret = try_unlink(obj, path);
		kfx_object_drop(obj);
	} while (ret == -EAGAIN);
	pthread_setcancelstate(state, NULL);
	errno = saved;
	return ret == -ELOOP || ret == -EISDIR || ret == -ENXIO ? -EINVAL : ret;
}

static bool is_file_of(int fd, const struct kfx_object *obj)
{
	struct stat st;

	return !fstat(fd, &st) && st.st_dev == obj->dev &&
	       st.st_ino == obj->ino;
}

/*
 * If nobody alive has it open and nobody is about to. Only the file of @left,
 * if that is given, and then whoever is about to is waited for.
 */
static void remove_dead(const char *path, const struct kfx_object *left)
{
	struct kfx_object *obj = kfx_object_new();
	int fd;

	if (!obj)
		return;
	if (!kfx_object_live(obj, -1, path, O_RDWR | O_NOFOLLOW | O_NONBLOCK,
			     0)) {
		fd = obj->live;
		if ((!left || is_file_of(fd, left)) &&
		    !kfx_byte_lock(fd, KFX_LOCK_GATE, left) &&
		    kfx_name_alive(fd) == 0 && may_remove(fd) &&
		    leads_to(path, fd))
			unlink(path);
	}
	kfx_object_drop(obj);
}

/*
 * This process has left the object: if it was the last, the name goes. Asks
 * through another description than that by which it lived, which a child may
 * share that has no slot of its own yet: locks do not show through their own.
 */
void kfx_name_left(struct kfx_object *obj)
{
	char path[KFX_PATH_LEN];

	kfx_name_path(path, obj->name);
	remove_dead(path, obj);
}

/* Only files that we may remove are worth a look. */
static bool is_ours(DIR *dir, const struct dirent *entry)
{
	struct stat st;

	return !strncmp(entry->d_name, KFX_PREFIX, strlen(KFX_PREFIX)) &&
	       strlen(entry->d_name) < strlen(KFX_PREFIX) + KSYNC_NAME_LEN &&
	       !fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) &&
	       S_ISREG(st.st_mode) && (st.st_uid == geteuid() || !geteuid());
}

/*
 * Removes what crashes have left, a good part of it at a time. The directory
 * may have many files that are in use; where to begin is left to chance.
 */
void kfx_name_sweep(void)
{
	static uint64_t last;
	uint64_t now = kfx_now(), old = kfx_load(&last);
	char path[KFX_PATH_LEN];
	struct dirent *entry;
	int seen = 0;
	DIR *dir;

	if ((old && now - old < SWEEP_NS) || !kfx_cas(&last, &old, now))
		return;
	dir = opendir(KFX_DIR);
	while (dir && seen < SWEEP_FILES && (entry = readdir(dir))) {
		if (!is_ours(dir, entry))
			continue;
		seen++;
		kfx_name_path(path, entry->d_name + strlen(KFX_PREFIX));
		remove_dead(path, NULL);
	}
	if (dir)
		closedir(dir);
}

int ksync_futex_has_name(const char *name)
{
	char path[KFX_PATH_LEN];
	int fd, ret;

	kfx_name_path(path, name);
	fd = kfx_open(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	ret = kfx_name_alive(fd);
	kfx_close(fd);
	return ret;
}
