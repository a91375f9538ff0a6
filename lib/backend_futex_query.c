// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The futex backend: looking at named objects without joining them. They may be
 * anybody's, so nothing of them is mapped.
 */
#define _FILE_OFFSET_BITS 64
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "backend_futex.h"

static int fill_info(struct kfx_object *obj, const char *name,
		     struct ksync_info *info)
{
	struct stat st;

	memset(info, 0, sizeof(*info));
	if (fstat(obj->live, &st))
		return -errno;
	info->type = obj->type;
	info->flags = obj->flags;
	info->nr = obj->nr;
	info->users = kfx_users(obj);
	info->mode = st.st_mode & 0777;
	info->uid = st.st_uid;
	info->gid = st.st_gid;
	snprintf(info->name, sizeof(info->name), "%s", name);
	return 0;
}

static int look_at(struct kfx_object *obj, const char *name, uint32_t index,
		   struct ksync_info *info, struct ksync_status *st)
{
	int ret = 0;

	if (index >= obj->nr)
		return -EINVAL;
	if (info)
		ret = fill_info(obj, name, info);
	if (!ret && st)
		ret = kfx_status(obj, index, st);
	return ret;
}

static int query(const char *name, uint32_t index, struct ksync_info *info,
		 struct ksync_status *st)
{
	struct kfx_object obj = { .live = -1 };
	struct stat file = { 0 };
	char path[KFX_PATH_LEN];
	int ret;

	kfx_name_path(path, name);
	ret = kfx_open(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (ret < 0)
		return ret == -ELOOP || ret == -ENXIO ? -ENOENT : ret;
	obj.live = ret;
	ret = fstat(obj.live, &file) ? -errno : kfx_name_alive(obj.live);
	obj.dev = file.st_dev;
	obj.ino = file.st_ino;
	if (ret >= 0)
		ret = ret ? kfx_file_copy(&obj, obj.live, index) : -ENOENT;
	if (!ret)
		ret = look_at(&obj, name, index, info, st);
	kfx_file_unmap(&obj);
	kfx_close(obj.live);
	return ret;
}

int kfx_query(const char *name, uint32_t index, struct ksync_info *info,
	      struct ksync_status *st)
{
	int ret, state, saved = errno;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	ret = query(name, index, info, st);
	pthread_setcancelstate(state, NULL);
	errno = saved;
	return ret;
}

int kfx_list(ksync_list_fn *fn, void *arg)
{
	struct ksync_info info;
	struct ksync_status st;
	struct dirent *entry;
	int ret = 0, saved = errno;
	DIR *dir;

	if (!kfx_process_init()) {
		kfx_process_check_fork();
		kfx_name_sweep();
	}
	dir = opendir(KFX_DIR);
	while (dir && !ret && (entry = readdir(dir))) {
		const char *name = entry->d_name + strlen(KFX_PREFIX);

		if (strncmp(entry->d_name, KFX_PREFIX, strlen(KFX_PREFIX)) ||
		    !*name || strlen(name) >= KSYNC_NAME_LEN)
			continue;
		/* Gone meanwhile, not ours to read, or not an object. */
		if (!kfx_query(name, 0, &info, &st))
			ret = fn(&info, &st, arg);
	}
	if (dir)
		closedir(dir);
	errno = saved;
	return ret;
}
