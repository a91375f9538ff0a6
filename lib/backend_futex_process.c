// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The futex backend: the objects of this process.
 *
 * Each file is mapped once, and has one slot, however many handles there are:
 * what was locked through one handle can be unlocked through another, and goes
 * with none of them. The last handle leaves the object, if nothing is held;
 * otherwise the last hold does.
 *
 * A child of fork has its parent's handles, but is another process. It gets
 * slots of its own and closes the descriptors that say its parent lives. This
 * is done in the handler of fork; a child that was made behind the C library's
 * back does it at its next call, which it notices by a word that the kernel
 * wipes at fork. (Until then, its parent seems alive while it is.)
 */
#define _FILE_OFFSET_BITS 64
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend_futex.h"

/* How often a thread looks whether another one is through with a fork. */
#define FORKED_NAP_NS	1000000ULL

pthread_mutex_t kfx_lock = PTHREAD_MUTEX_INITIALIZER;
uint64_t *kfx_epoch;

/* kfx_lock: joined objects, and those that are about to be. */
static struct kfx_object *objects, *pending;
static uint64_t epoch = 1;	/* kfx_lock: what *kfx_epoch is, or was */

static void list_add(struct kfx_object **list, struct kfx_object *obj)
{
	obj->next = *list;
	*list = obj;
}

static void list_del(struct kfx_object **list, struct kfx_object *obj)
{
	while (*list && *list != obj)
		list = &(*list)->next;
	if (*list)
		*list = obj->next;
}

/* What threads remember of objects is no longer valid. kfx_lock held. */
static void next_epoch(void)
{
	kfx_store(kfx_epoch, ++epoch);
}

/* A description of its own for the same file, which takes /proc. */
static int reopen(int fd)
{
	char path[32];
	int ret;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ret = kfx_open(AT_FDCWD, path, O_RDWR, 0);
	if (ret == -ENOENT)
		ret = fcntl(fd, F_GETFD) < 0 ? -EBADF : -EOPNOTSUPP;
	return ret;
}

struct kfx_object *kfx_object_new(void)
{
	struct kfx_object *obj = calloc(1, sizeof(*obj));

	if (!obj)
		return NULL;
	obj->live = -1;
	pthread_mutex_init(&obj->gate_mutex, NULL);
	pthread_mutex_lock(&kfx_lock);
	list_add(&pending, obj);
	pthread_mutex_unlock(&kfx_lock);
	return obj;
}

/*
 * Opens the description that will say we live: of the file @fd, or at @path.
 * kfx_lock keeps fork from coming before a child could know of it.
 */
int kfx_object_live(struct kfx_object *obj, int fd, const char *path, int flags,
		    mode_t mode)
{
	int ret;

	pthread_mutex_lock(&kfx_lock);
	ret = path ? kfx_open(AT_FDCWD, path, flags, mode) : reopen(fd);
	if (ret >= 0)
		obj->live = ret;
	pthread_mutex_unlock(&kfx_lock);
	return ret < 0 ? ret : 0;
}

/* Likewise: no child shall have a descriptor that it does not know of. */
static void close_live(struct kfx_object *obj)
{
	pthread_mutex_lock(&kfx_lock);
	kfx_close(obj->live);
	obj->live = -1;
	pthread_mutex_unlock(&kfx_lock);
}

static void free_object(struct kfx_object *obj)
{
	kfx_file_unmap(obj);
	pthread_mutex_destroy(&obj->gate_mutex);
	free(obj->process_map);
	free(obj);
}

/*
 * One that was not attached, or was left. Opens the gate, if it is ours, before
 * the descriptor goes: a child made by a raw clone may have a copy.
 */
void kfx_object_drop(struct kfx_object *obj)
{
	if (obj->live >= 0) {
		kfx_byte_unlock(obj->live, KFX_LOCK_GATE);
		close_live(obj);
	}
	pthread_mutex_lock(&kfx_lock);
	list_del(&pending, obj);
	pthread_mutex_unlock(&kfx_lock);
	free_object(obj);
}

static struct kfx_object *find(uint64_t dev, uint64_t ino, uint64_t nonce)
{
	struct kfx_object *obj;

	for (obj = objects; obj; obj = obj->next)
		if (obj->dev == dev && obj->ino == ino && obj->nonce == nonce)
			return obj;
	return NULL;
}

/*
 * A mapping keeps the description through which it was made, and a child has
 * the mapping for as long as it has the object. So that is another than the one
 * that says we live, or we would seem to live as long as our children.
 */
static int map(struct kfx_object *obj)
{
	int fd, ret;

	pthread_mutex_lock(&kfx_lock);
	fd = reopen(obj->live);
	ret = fd < 0 ? fd : kfx_file_map(obj, fd);
	kfx_close(fd);
	pthread_mutex_unlock(&kfx_lock);
	return ret;
}

static int attach_new(struct kfx_object *obj)
{
	int ret = map(obj);

	if (!ret)
		ret = kfx_slot_claim(obj);
	if (ret)
		return ret;
	pthread_mutex_lock(&kfx_lock);
	list_del(&pending, obj);
	obj->refs = 1;
	list_add(&objects, obj);
	pthread_mutex_unlock(&kfx_lock);
	return 0;
}

/*
 * Makes a pending object, behind its gate, one of ours, or finds that it is one
 * already: that one has a reference more then. Opens the gate, in any case.
 */
int kfx_object_attach(struct kfx_object *obj, uint32_t type,
		      struct kfx_object **out)
{
	struct kfx_object *known = NULL;
	struct kfx_header header;
	struct stat st;
	int ret;

	ret = kfx_file_check(obj->live, &header);
	if (!ret && header.type != type)
		ret = -EPROTOTYPE;
	if (!ret && fstat(obj->live, &st))
		ret = -errno;
	if (!ret) {
		obj->dev = st.st_dev;
		obj->ino = st.st_ino;
		obj->nonce = header.nonce;
		pthread_mutex_lock(&kfx_lock);
		known = find(st.st_dev, st.st_ino, header.nonce);
		if (known)
			kfx_add(&known->refs, 1);
		pthread_mutex_unlock(&kfx_lock);
	}
	if (!ret && !known)
		ret = attach_new(obj);
	kfx_byte_unlock(obj->live, KFX_LOCK_GATE);
	if (ret || known)
		kfx_object_drop(obj);
	*out = known ? known : obj;
	return ret;
}

static void leave(struct kfx_object *obj)
{
	struct kfx_line *line;
	uint32_t id, hi = kfx_load(&obj->header->lines_hi);

	/* Permits and members are gone; their lines are left. */
	for (id = 1; obj->process_line && id < hi && id < KFX_LINES; id++) {
		line = &obj->lines[id];
		if (kfx_load(&line->owner) == obj->slot + 1)
			kfx_line_free(line);
	}
	kfx_store_release(&obj->slots[obj->slot].used, 0);
	/*
	 * Before anybody asks who is alive: a child that was just forked has a
	 * copy, and no slot yet. By the copy it is seen.
	 */
	close_live(obj);
	if (obj->name[0])
		kfx_name_left(obj);
}

/* One handle less, or one thread less that kept it. */
void kfx_object_put(struct kfx_object *obj)
{
	bool last;

	pthread_mutex_lock(&kfx_lock);
	last = kfx_add(&obj->refs, -1) == 1 && !kfx_holding(obj);
	if (last) {
		list_del(&objects, obj);
		if (obj->joined)
			kfx_threads_leave(obj);
		next_epoch();
		/* Until its descriptor is closed, a fork must find it. */
		list_add(&pending, obj);
	}
	pthread_mutex_unlock(&kfx_lock);
	if (!last)
		return;
	if (obj->joined)
		leave(obj);
	kfx_object_drop(obj);
}

/* A description of the file @fd by which we are seen until we have a slot. */
static int arrive(struct kfx_object *obj, int fd)
{
	int ret = kfx_object_live(obj, fd, NULL, 0, 0);

	if (!ret)
		ret = kfx_slot_wait(obj);
	if (ret)
		close_live(obj);
	return ret;
}

/* Claims a slot after that. gate_mutex held, or nobody else is here. */
static int join(struct kfx_object *obj)
{
	uint32_t seen_by = obj->slot;
	int ret = kfx_byte_lock(obj->live, KFX_LOCK_GATE, true);

	if (!ret)
		ret = kfx_slot_claim(obj);
	kfx_byte_unlock(obj->live, KFX_LOCK_GATE);
	if (ret)
		close_live(obj);
	else if (obj->slot != seen_by)
		kfx_byte_unlock(obj->live, KFX_LOCK_SLOT + seen_by);
	return ret;
}

/* For a child in which that failed at fork: now, or an error. */
int kfx_object_join(struct kfx_object *obj)
{
	int fd = -1, ret = 0;

	if (__atomic_load_n(&obj->joined, __ATOMIC_ACQUIRE))
		return 0;
	pthread_mutex_lock(&obj->gate_mutex);
	if (!obj->joined) {
		pthread_mutex_lock(&kfx_lock);
		if (obj->handles)
			fd = obj->handles->base.fd;
		pthread_mutex_unlock(&kfx_lock);
		ret = arrive(obj, fd);
		if (!ret)
			ret = join(obj);
	}
	pthread_mutex_unlock(&obj->gate_mutex);
	return ret;
}

/* What a child has of an object is the mapping and the handles. */
static void renew(struct kfx_object *obj)
{
	struct kfx_handle *h;
	int old = obj->live;

	/* Threads that kept it otherwise are not here. */
	obj->refs = 0;
	for (h = obj->handles; h; h = h->next)
		obj->refs++;
	kfx_threads_forget(obj);
	free(obj->process_map);
	obj->process_map = NULL;
	obj->process_line = 0;
	obj->joined = false;
	obj->live = -1;
	pthread_mutex_init(&obj->gate_mutex, NULL);
	if (!obj->refs) {
		/* It was kept for what the parent holds. */
		list_del(&objects, obj);
		free_object(obj);
	} else if (old >= 0) {
		/* Before the old one goes: somebody is alive all the time. */
		arrive(obj, old);
	}
	kfx_close(old);
}

/* This process is a child, and nothing in it is its own yet. */
static void renew_all(void)
{
	struct kfx_object *obj, *next;

	kfx_memory_renew();
	kfx_self_forget();
	kfx_barrier_init();
	for (obj = pending; obj; obj = next) {
		next = obj->next;
		kfx_close(obj->live);
		/* Its memory is lost: a thread was at it that is not here. */
	}
	pending = NULL;
	for (obj = objects; obj; obj = next) {
		next = obj->next;
		renew(obj);
	}
	/*
	 * Only now that nothing is left of the parent: it may die having the
	 * gate, or a queue locked that the owner of the gate waits for, and has
	 * to be seen dead before we get through.
	 */
	for (obj = objects; obj; obj = obj->next)
		if (obj->live >= 0)
			join(obj);
	/* Pairs with the acquire in kfx_process_check_fork(). */
	kfx_store_release(kfx_epoch, ++epoch);
}

/*
 * It was made without the handlers below, so any thread may have the lock. The
 * first one of the child to come here renews everything; the others wait.
 */
void kfx_process_forked(void)
{
	uint64_t *begun = kfx_epoch + 1, none = 0;

	if (kfx_cas(begun, &none, 1)) {
		pthread_mutex_init(&kfx_lock, NULL);
		renew_all();
	}
	while (!kfx_load_acquire(kfx_epoch))
		kfx_nap(FORKED_NAP_NS);
}

static void before_fork(void)
{
	pthread_mutex_lock(&kfx_lock);
}

static void after_fork(void)
{
	pthread_mutex_unlock(&kfx_lock);
}

static void after_fork_in_child(void)
{
	int saved = errno;

	pthread_mutex_unlock(&kfx_lock);
	renew_all();
	errno = saved;
}

static int init_ret;

static void init_once(void)
{
	long page = sysconf(_SC_PAGESIZE);
	void *p = mmap(NULL, page, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	init_ret = p == MAP_FAILED ? -ENOMEM : kfx_thread_init();
	if (!init_ret)
		init_ret = -pthread_atfork(before_fork, after_fork,
					   after_fork_in_child);
	if (init_ret)
		return;
	kfx_barrier_init();
	/*
	 * The epoch, and whether somebody is at it in a child. Without the
	 * advice the handlers of fork must do.
	 */
	madvise(p, page, MADV_WIPEONFORK);
	kfx_epoch = p;
	*kfx_epoch = epoch;
}

/* Before the first object. */
int kfx_process_init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, init_once);
	return init_ret;
}
