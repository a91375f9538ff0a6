// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The kernel backend's dealings with /dev/ksync: whether it is there and
 * usable, and objects by name.
 *
 * The device is opened for each command and closed again. These commands are
 * rare, and a descriptor kept for the whole process would have to survive
 * programs that close all descriptors at once, after which its number names
 * something else.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend_kernel.h"

#define DEVICE "/dev/ksync"

/* Finds the module where its device is not visible, as in a container. */
static bool module_listed(void)
{
	FILE *misc = fopen("/proc/misc", "re");
	bool found = false;
	char name[64];

	if (!misc)
		return false;
	while (!found && fscanf(misc, "%*u %63s", name) == 1)
		found = !strcmp(name, "ksync");
	fclose(misc);
	return found;
}

bool ksync_kernel_present(void)
{
	struct stat st;

	/* Not to be allowed to look is no reason to think it is not there. */
	if (!stat(DEVICE, &st) || (errno != ENOENT && errno != ENOTDIR))
		return true;
	return module_listed();
}

/* A device node may be missing, or left behind by a module long gone. */
static bool is_no_device(int error)
{
	return error == ENOENT || error == ENOTDIR || error == ENODEV ||
	       error == ENXIO;
}

/* Returns a descriptor of the device, or what ksync_available() is to say. */
static int device_open(struct ksync_device_info *info)
{
	int fd, err;

	fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		if (!is_no_device(errno))
			return -errno;
		return module_listed() ? -ENXIO : -ENODEV;
	}
	memset(info, 0, sizeof(*info));
	err = ksync_kernel_command(fd, KSYNC_IOC_DEV_INFO, info);
	if (err == -ENOTTY || (!err && info->abi != KSYNC_ABI_VERSION))
		err = -EPROTO;
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

/* A descriptor of the device, to be closed, or a negative errno. */
int ksync_kernel_device_open(void)
{
	struct ksync_device_info info;

	return device_open(&info);
}

int ksync_kernel_device_command(unsigned long cmd, void *args)
{
	struct ksync_device_info info;
	int fd, err;

	fd = device_open(&info);
	if (fd < 0)
		return fd;
	err = ksync_kernel_command(fd, cmd, args);
	close(fd);
	return err;
}

int ksync_kernel_available(void)
{
	struct ksync_device_info info;
	int fd = device_open(&info);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

const char *ksync_kernel_version(void)
{
	static char *version;
	char *known, *first = NULL;
	struct ksync_device_info info;
	int fd;

	/* Acquire: the string. Pairs with the release below. */
	known = __atomic_load_n(&version, __ATOMIC_ACQUIRE);
	if (known)
		return known;
	fd = device_open(&info);
	if (fd < 0)
		return "";
	close(fd);
	known = strndup(info.version, sizeof(info.version));
	if (!known)
		return "";
	/*
	 * Kept for good. Release: the string, pairs with the acquire above;
	 * acquire, for who lost a race: pairs with this release.
	 */
	if (__atomic_compare_exchange_n(&version, &first, known, false,
					__ATOMIC_RELEASE, __ATOMIC_ACQUIRE))
		return known;
	free(known);
	return first;
}

int ksync_kernel_unlink(const char *name)
{
	struct ksync_unlink_args args = { 0 };

	memcpy(args.name, name, strlen(name));
	return ksync_kernel_device_command(KSYNC_IOC_DEV_UNLINK, &args);
}

static void convert_info(struct ksync_info *info,
			 const struct ksync_object_info *abi)
{
	*info = (struct ksync_info){
		.type = abi->type,
		.flags = abi->flags,
		.nr = abi->nr,
		.users = abi->users,
		.mode = abi->mode,
		.uid = abi->uid,
		.gid = abi->gid,
	};
	memcpy(info->name, abi->name, sizeof(info->name));
	info->name[sizeof(info->name) - 1] = '\0';
}

int ksync_kernel_query(const char *name, uint32_t index,
		       struct ksync_info *info, struct ksync_status *st)
{
	struct ksync_query_args args = { .status.index = index };
	int err;

	memcpy(args.info.name, name, strlen(name));
	err = ksync_kernel_device_command(KSYNC_IOC_DEV_QUERY, &args);
	if (err)
		return err;
	convert_info(info, &args.info);
	ksync_kernel_convert_status(st, args.info.type, &args.status);
	return 0;
}

int ksync_kernel_list(ksync_list_fn *fn, void *arg)
{
	uint64_t cursor = 0;

	for (;;) {
		struct ksync_query_args args = { .cursor = cursor };
		struct ksync_status st;
		struct ksync_info info;
		int err;

		err = ksync_kernel_device_command(KSYNC_IOC_DEV_LIST, &args);
		if (err)
			return err == -ENOENT ? 0 : err;
		cursor = args.cursor;
		convert_info(&info, &args.info);
		ksync_kernel_convert_status(&st, args.info.type, &args.status);
		err = fn(&info, &st, arg);
		if (err)
			return err;
	}
}

int ksync_kernel_has_name(const char *name)
{
	struct ksync_query_args args = { 0 };
	struct ksync_device_info info;
	int fd, err;

	fd = device_open(&info);
	if (fd == -ENODEV)
		return 0;
	if (fd == -ENOMEM || fd == -EMFILE || fd == -ENFILE)
		return fd;
	if (fd < 0)
		return -EXDEV;
	memcpy(args.info.name, name, strlen(name));
	err = ksync_kernel_command(fd, KSYNC_IOC_DEV_QUERY, &args);
	close(fd);
	/* What the caller may not look at is there all the same. */
	if (!err || err == -EACCES)
		return 1;
	return err == -ENOENT ? 0 : -EXDEV;
}
