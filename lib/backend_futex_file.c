// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The futex backend: making, checking and mapping the file of an object.
 */
#define _FILE_OFFSET_BITS 64
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend_futex.h"

static int write_at(int fd, const void *data, size_t len, size_t at)
{
	const char *p = data;
	ssize_t n;

	while (len) {
		n = pwrite(fd, p, len, at);
		if (n < 0 && errno != EINTR)
			return errno == ENOSPC ? -ENOMEM : -errno;
		if (n > 0) {
			p += n;
			at += n;
			len -= n;
		}
	}
	return 0;
}

/*
 * A file system may be full, and then memory that is mapped cannot be touched:
 * it is asked for first. Where that is not possible, it is hoped for.
 */
static int allocate(int fd, size_t at, size_t len)
{
	int ret;

	do {
		ret = fallocate(fd, 0, at, len) ? -errno : 0;
	} while (ret == -EINTR);
	return ret == -ENOSPC || ret == -EDQUOT ? -ENOMEM : 0;
}

/* Makes sure of the pages with this part of the mapping. Leaves errno alone. */
int kfx_file_back(struct kfx_object *obj, void *p, size_t len)
{
	size_t at = kfx_offset(obj, p);
	int ret, state, saved = errno;

	/* A caller may have locks. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	ret = allocate(obj->live, at, len);
	pthread_setcancelstate(state, NULL);
	errno = saved;
	return ret;
}

/* More than that is a signal, not an error. */
static bool exceeds_limit(size_t size)
{
	struct rlimit limit;

	return !getrlimit(RLIMIT_FSIZE, &limit) &&
	       limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < size;
}

/* Cells that do not begin with zeros. */
static void init_cell(union ksync_cell *cell, const struct ksync_spec *spec)
{
	switch (spec->type) {
	case KSYNC_SEM:
		cell->state = spec->value |
			(uint64_t)spec->max << KSYNC_SEM_MAX_SHIFT;
		break;
	case KSYNC_EVENT:
		if (spec->value)
			cell->state = KSYNC_EVENT_SET + KSYNC_EVENT_CHANGE;
		break;
	case KSYNC_BARRIER:
		cell->barrier.parties = spec->max;
		break;
	}
}

static int init_cells(int fd, const struct ksync_spec *spec)
{
	union ksync_cell cells[64] = { 0 };
	uint32_t i, n;
	int ret = 0;

	for (i = 0; i < 64; i++)
		init_cell(&cells[i], spec);
	for (i = 0; i < spec->nr && !ret; i += n) {
		n = spec->nr - i < 64 ? spec->nr - i : 64;
		ret = write_at(fd, cells, n * sizeof(cells[0]),
			       KFX_CELLS_AT + i * sizeof(cells[0]));
	}
	return ret;
}

/*
 * Makes an object of a file that nobody uses. The file may be an old one, also
 * cut short; it never shrinks, since somebody may be looking at it.
 */
int kfx_file_init(int fd, const struct ksync_spec *spec, const char *name)
{
	struct kfx_header header = {
		.version = KFX_VERSION, .type = spec->type,
		.flags = spec->flags, .nr = spec->nr,
	};
	size_t size = kfx_file_size(spec->nr);
	uint64_t magic = KFX_MAGIC;
	struct stat st;
	int ret = 0;

	if (exceeds_limit(size))
		return -ENOMEM;
	if (fstat(fd, &st))
		return -errno;
	if (st.st_size && fallocate(fd, FALLOC_FL_PUNCH_HOLE |
				    FALLOC_FL_KEEP_SIZE, 0, st.st_size))
		return -errno;
	if ((uint64_t)st.st_size < size && ftruncate(fd, size))
		return errno == ENOSPC ? -ENOMEM : -errno;
	if (name) {
		snprintf(header.name, sizeof(header.name), "%s", name);
		/* And the first line, which everybody looks at. */
		ret = allocate(fd, KFX_CELLS_AT, kfx_lines_at(spec->nr) +
			       KFX_PAGE - KFX_CELLS_AT);
	}
	if (!ret && (spec->value || spec->max))
		ret = init_cells(fd, spec);
	if (getrandom(&header.nonce, sizeof(header.nonce), GRND_NONBLOCK) < 0)
		header.nonce = kfx_now();
	/* Last the magic, which says that the rest is there. */
	if (!ret)
		ret = write_at(fd, &header, sizeof(header), 0);
	if (!ret)
		ret = write_at(fd, &magic, sizeof(magic), 0);
	return ret;
}

static const struct kfx_type *const types[] = {
	[KSYNC_MUTEX]		= &kfx_mutex_type,
	[KSYNC_RWLOCK]		= &kfx_rwlock_type,
	[KSYNC_WAITGROUP]	= &kfx_waitgroup_type,
	[KSYNC_SEM]		= &kfx_sem_type,
	[KSYNC_EVENT]		= &kfx_event_type,
	[KSYNC_COND]		= &kfx_cond_type,
	[KSYNC_BARRIER]		= &kfx_barrier_type,
	[KSYNC_ONCE]		= &kfx_once_type,
};

static bool type_is_known(uint32_t type)
{
	return type < sizeof(types) / sizeof(types[0]) && types[type];
}

/* -EINVAL: not an object, or not yet. */
int kfx_file_check(int fd, struct kfx_header *header)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) ||
	    pread(fd, header, sizeof(*header), 0) != sizeof(*header))
		return -EINVAL;
	if (header->magic != KFX_MAGIC || header->version != KFX_VERSION ||
	    !type_is_known(header->type) ||
	    !header->nr || header->nr > KSYNC_NR_LIMIT ||
	    header->name[KSYNC_NAME_LEN - 1] || strchr(header->name, '/') ||
	    (uint64_t)st.st_size < kfx_file_size(header->nr))
		return -EINVAL;
	return 0;
}

/* What the object is. The header is read once: it may change at any time. */
static int describe(struct kfx_object *obj, int fd)
{
	struct kfx_header header;
	int ret = kfx_file_check(fd, &header);

	if (ret)
		return ret;
	obj->size = kfx_file_size(header.nr);
	obj->type = header.type;
	obj->flags = header.flags;
	obj->nr = header.nr;
	memcpy(obj->name, header.name, sizeof(obj->name));
	obj->ops = types[header.type];
	return 0;
}

/* Memory for all of it: the file, or only a copy if that is -1. */
static int map(struct kfx_object *obj, int fd)
{
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE :
			     MAP_SHARED;
	char *base = mmap(NULL, obj->size, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (base == MAP_FAILED)
		return errno == ENODEV || errno == EACCES ? -EINVAL : -ENOMEM;
	obj->base = base;
	obj->header = (void *)base;
	obj->slots = (void *)(base + KFX_SLOTS_AT);
	obj->cells = (void *)(base + KFX_CELLS_AT);
	obj->lines = (void *)(base + kfx_lines_at(obj->nr));
	return 0;
}

int kfx_file_map(struct kfx_object *obj, int fd)
{
	int ret = describe(obj, fd);

	return ret ? ret : map(obj, fd);
}

/* So much of it as there is: the rest stays zero. */
static void copy(struct kfx_object *obj, int fd, void *to, size_t len)
{
	size_t at = kfx_offset(obj, to);
	ssize_t n;

	while (len) {
		n = pread(fd, (char *)obj->base + at, len, at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		at += n;
		len -= n;
	}
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/*
 * A copy of what tells of one primitive, for who only looks: a file that is mapped may be
 * cut short by whoever can write it, and then memory cannot be touched.
 */
int kfx_file_copy(struct kfx_object *obj, int fd, uint32_t index)
{
	int ret = describe(obj, fd);

	if (!ret)
		ret = map(obj, -1);
	if (ret)
		return ret;
	copy(obj, fd, obj->header, sizeof(*obj->header));
	copy(obj, fd, obj->slots, sizeof(obj->slots[0]) *
	     least(obj->header->slots_hi, KFX_SLOTS));
	/* An event is looked at with its ancestors. */
	if (obj->type == KSYNC_EVENT)
		copy(obj, fd, obj->cells, sizeof(obj->cells[0]) * obj->nr);
	else if (index < obj->nr)
		copy(obj, fd, &obj->cells[index], sizeof(obj->cells[0]));
	copy(obj, fd, obj->lines, sizeof(obj->lines[0]) *
	     least(obj->header->lines_hi, KFX_LINES));
	return 0;
}

void kfx_file_unmap(struct kfx_object *obj)
{
	if (obj->base)
		munmap(obj->base, obj->size);
	obj->base = NULL;
}

/* An object without a name: its file, or a negative errno. */
int kfx_file_create(const struct ksync_spec *spec)
{
	int fd = memfd_create("ksync", MFD_CLOEXEC | MFD_ALLOW_SEALING), ret;

	if (fd < 0)
		return -errno;
	ret = kfx_file_init(fd, spec, NULL);
	/* Nobody shall be able to pull it away under the others' feet. */
	if (!ret && fcntl(fd, F_ADD_SEALS,
			  F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		ret = -errno;
	if (ret) {
		kfx_close(fd);
		return ret;
	}
	return fd;
}
