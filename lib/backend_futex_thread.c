// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The futex backend: threads, and their lines in the objects that they use.
 *
 * A thread gets its line at first use and gives it back when it ends, or when
 * the object goes. What it holds when it ends is passed on as after a death.
 *
 * Some lines of threads that held nothing stay with the process, for its next
 * threads: to clear a line, and to allocate what belongs to it, takes several
 * times as long as all the rest of a thread's end here.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backend_futex.h"

#define LINES_A_PAGE	(KFX_PAGE / sizeof(struct kfx_line))

/*
 * Lines that a process keeps of an object for threads to come, at most. All
 * together keep none of the upper half: that is for those who need one now.
 */
#define SPARE_LINES	64U
#define SPARE_BELOW	(KFX_LINES / 2)

/* No epoch is this one, nor what a child finds that has not noticed yet. */
#define NO_EPOCH	UINT64_MAX

__thread struct kfx_self kfx_self KFX_TLS;

static pthread_key_t exit_key;

static bool claim(struct kfx_object *obj, uint32_t id)
{
	uint32_t free = 0;

	return kfx_load(&obj->lines[id].owner) == 0 &&
	       kfx_cas(&obj->lines[id].owner, &free, obj->slot + 1);
}

/* As many more lines as there are in a page. @hi: how many there were. */
static int grow_lines(struct kfx_object *obj, uint32_t hi)
{
	int ret;

	if (hi + LINES_A_PAGE > KFX_LINES)
		return -ENOMEM;
	ret = kfx_file_back(obj, &obj->lines[hi], KFX_PAGE);
	if (!ret)
		kfx_cas(&obj->header->lines_hi, &hi, hi + LINES_A_PAGE);
	return ret;
}

/* A line of this process in which all else is 0. */
static void begin_line(struct kfx_line *line, enum kfx_line_kind kind,
		       uint32_t parent)
{
	kfx_store(&line->parent, parent);
	kfx_store(&line->tid, syscall(SYS_gettid));
	/* Release: who sees the kind sees whose it is. */
	kfx_store_release(&line->kind, kind);
}

/* A line for this process, from those of the dead and the gone if possible. */
int kfx_line_claim(struct kfx_object *obj, enum kfx_line_kind kind,
		   uint32_t parent, uint32_t *out)
{
	struct kfx_header *header = obj->header;
	uint32_t hi, id, n;
	int ret;

	for (;;) {
		hi = kfx_load(&header->lines_hi);
		if (hi > KFX_LINES)
			return -ENOMEM;
		id = kfx_load(&header->line_hint);
		for (n = 0; n < hi; n++, id++) {
			if (id >= hi)
				id = 0;
			if (id && claim(obj, id))
				break;
		}
		if (n < hi)
			break;
		ret = grow_lines(obj, hi);
		if (ret)
			return ret;
		kfx_store(&header->line_hint, hi);
	}
	kfx_store(&header->line_hint, id + 1);
	begin_line(&obj->lines[id], kind, parent);
	*out = id;
	return 0;
}

/* Nothing in it means anything any more, but whose it is. */
static void clear_line(struct kfx_line *line)
{
	typedef uint64_t __attribute__((__may_alias__)) word_t;
	word_t *word = (word_t *)line;
	const uint32_t words = sizeof(*line) / sizeof(*word);
	const uint32_t wait = offsetof(struct kfx_line, wait) / sizeof(*word);
	uint32_t n;

	kfx_store(&line->parent, 0);
	/* Waits go on being numbered, and last the owner, which is in the first. */
#pragma GCC unroll 32
	for (n = 1; n < words; n++)
		if (n != wait)
			kfx_store(&word[n], 0);
	kfx_wait_set(line, KFX_IDLE);
}

void kfx_line_free(struct kfx_line *line)
{
	clear_line(line);
	kfx_store_release(&line->owner, 0);
}

/*
 * The list of an object's threads. Thousands may end at the same time: each must
 * be found in it at once.
 */
static void link_thread(struct kfx_object *obj, struct kfx_thread *t)
{
	t->obj_next = obj->threads;
	t->obj_pprev = &obj->threads;
	if (t->obj_next)
		t->obj_next->obj_pprev = &t->obj_next;
	obj->threads = t;
}

static void unlink_thread(struct kfx_thread *t)
{
	*t->obj_pprev = t->obj_next;
	if (t->obj_next)
		t->obj_next->obj_pprev = t->obj_pprev;
}

static void free_thread(struct kfx_thread *t)
{
	free(t->more);
	free(t);
}

static void flush_line(struct kfx_object *obj, struct kfx_line *line)
{
	uint32_t n;

	for (n = kfx_line_holds(line); n-- > 0; )
		kfx_reads_flush(obj, kfx_line_hold(line, n));
}

static void free_lines(struct kfx_thread *t)
{
	struct kfx_object *obj = t->obj;
	uint32_t i;

	for (i = 0; i < t->nr_more; i++) {
		struct kfx_line *more = kfx_line(obj, t->more[i]);

		flush_line(obj, more);
		kfx_line_free(more);
	}
	flush_line(obj, t->line);
	kfx_line_free(t->line);
}

/*
 * Its thread has ended, and its line holds nothing. What the line has counted
 * remains there; nobody must take it for that of a thread. False: there are
 * enough, or it has more than one. kfx_lock held.
 */
static bool keep_spare(struct kfx_thread *t)
{
	struct kfx_object *obj = t->obj;

	if (obj->nr_spare >= SPARE_LINES || t->id >= SPARE_BELOW ||
	    t->nr_more)
		return false;
	kfx_store(&t->line->thread, 0);
	kfx_store(&t->line->tid, 0);
	t->next = obj->spare;
	obj->spare = t;
	obj->nr_spare++;
	return true;
}

/*
 * One for the calling thread, with a line as if just claimed; or NULL.
 * kfx_lock held.
 */
static struct kfx_thread *take_spare(struct kfx_object *obj)
{
	struct kfx_thread *t = obj->spare;

	if (!t)
		return NULL;
	obj->spare = t->next;
	obj->nr_spare--;
	flush_line(obj, t->line);
	clear_line(t->line);
	begin_line(t->line, KFX_LINE_THREAD, 0);
	*t = (struct kfx_thread){
		.obj = obj, .line = t->line, .id = t->id, .more = t->more,
	};
	return t;
}

static void free_spare(struct kfx_object *obj)
{
	struct kfx_thread *t;

	while ((t = obj->spare)) {
		obj->spare = t->next;
		free_thread(t);
	}
	obj->nr_spare = 0;
}

/* The object goes, and nobody holds anything. kfx_lock held. */
void kfx_threads_leave(struct kfx_object *obj)
{
	struct kfx_thread *t;

	for (t = obj->threads; t; t = t->obj_next) {
		free_lines(t);
		/* Its thread frees it, in find_thread() or at its end. */
		t->obj = NULL;
	}
	obj->threads = NULL;
	for (t = obj->spare; t; t = t->next)
		free_lines(t);
	free_spare(obj);
}

/* In a child: the lines are the parent's, and its threads are not here. */
void kfx_threads_forget(struct kfx_object *obj)
{
	struct kfx_thread *t, *next;

	for (t = obj->threads; t; t = next) {
		next = t->obj_next;
		free_thread(t);
	}
	obj->threads = NULL;
	free_spare(obj);
}

/* In a child: what was the list of the thread that forked. */
void kfx_self_forget(void)
{
	kfx_cycle_forget();
	memset(&kfx_self, 0, sizeof(kfx_self));
}

/* kfx_lock held. */
static struct kfx_thread *find_thread(struct kfx_object *obj)
{
	struct kfx_thread *t, **p = &kfx_self.list, *found = NULL;

	while ((t = *p)) {
		if (!t->obj) {
			*p = t->next;
			free_thread(t);
			continue;
		}
		if (t->obj == obj)
			found = t;
		p = &t->next;
	}
	return found;
}

/* Lets the caller remember primitives for which it needs no line. */
void kfx_fast_join(void)
{
	kfx_process_check_fork();
	pthread_mutex_lock(&kfx_lock);
	/* Without an end, what it remembers would never be free. */
	if (!pthread_setspecific(exit_key, &kfx_self))
		kfx_memory_join();
	pthread_mutex_unlock(&kfx_lock);
}

/* With a line that is nobody's yet. */
static int make_thread(struct kfx_object *obj, struct kfx_thread **out)
{
	struct kfx_thread *t = calloc(1, sizeof(*t));
	int ret;

	if (!t)
		return -ENOMEM;
	ret = kfx_line_claim(obj, KFX_LINE_THREAD, 0, &t->id);
	if (ret) {
		free(t);
		return ret;
	}
	t->obj = obj;
	t->line = kfx_line(obj, t->id);
	*out = t;
	return 0;
}

/* kfx_lock held. */
static int new_thread(struct kfx_object *obj, struct kfx_thread **out)
{
	struct kfx_thread *t;
	int ret;

	if (pthread_setspecific(exit_key, &kfx_self))
		return -ENOMEM;
	t = take_spare(obj);
	if (!t) {
		ret = make_thread(obj, &t);
		if (ret)
			return ret;
	}
	kfx_memory_join();
	kfx_store(&t->line->thread, kfx_thread_number(kfx_load(&t->line->tid)));
	t->next = kfx_self.list;
	kfx_self.list = t;
	link_thread(obj, t);
	*out = t;
	return 0;
}

/* The caller, as a user of @obj: looks it up, or makes it one. */
int kfx_thread_find(struct kfx_object *obj, struct kfx_thread **out)
{
	int ret;

	kfx_process_check_fork();
	ret = kfx_object_join(obj);
	if (ret)
		return ret;
	pthread_mutex_lock(&kfx_lock);
	if (kfx_self.epoch != kfx_load(kfx_epoch)) {
		memset(kfx_self.cache, 0, sizeof(kfx_self.cache));
		kfx_self.epoch = kfx_load(kfx_epoch);
	}
	*out = find_thread(obj);
	if (!*out)
		ret = new_thread(obj, out);
	pthread_mutex_unlock(&kfx_lock);
	if (!ret) {
		kfx_self.cache[kfx_cache_of(obj)].obj = obj;
		kfx_self.cache[kfx_cache_of(obj)].thread = *out;
	}
	return ret;
}

/* Or may hold. The lines are the caller's. */
static bool holds_something(const struct kfx_thread *t)
{
	struct ksync_hold *hold;
	uint32_t n;

	for (n = kfx_line_holds(t->line); n-- > 0; ) {
		hold = kfx_line_hold(t->line, n);
		if (kfx_load(&hold->key) & ~KFX_KEY_INDEX ||
		    kfx_load(&hold->count))
			return true;
	}
	return t->nr_more;
}

/* It is no user of the object any more. kfx_lock held. */
static void leave(struct kfx_thread *t)
{
	unlink_thread(t);
	if (keep_spare(t))
		return;
	free_lines(t);
	free_thread(t);
}

/*
 * What it still holds is as if it had died. kfx_lock held, but not all the time:
 * the object is kept meanwhile.
 */
static void leave_holding(struct kfx_thread *t)
{
	struct kfx_object *obj = t->obj;
	uint32_t i;

	kfx_add(&obj->refs, 1);
	pthread_mutex_unlock(&kfx_lock);
	for (i = t->nr_more; i-- > 0; )
		kfx_bury_holds(obj, kfx_line(obj, t->more[i]), t->id);
	kfx_bury_holds(obj, t->line, t->id);

	pthread_mutex_lock(&kfx_lock);
	leave(t);
	pthread_mutex_unlock(&kfx_lock);
	kfx_object_put(obj);
	pthread_mutex_lock(&kfx_lock);
}

/* The thread ends. Other destructors may still use the library after this. */
static void thread_exit(void *unused)
{
	struct kfx_thread *t;

	kfx_memory_leave();
	pthread_mutex_lock(&kfx_lock);
	while ((t = kfx_self.list)) {
		kfx_self.list = t->next;
		if (!t->obj)
			free_thread(t);
		else if (holds_something(t))
			leave_holding(t);
		else
			leave(t);
	}
	pthread_mutex_unlock(&kfx_lock);
	if (kfx_self.cycle)
		kfx_cycle_forget();
	kfx_self.epoch = NO_EPOCH;
}

int kfx_thread_init(void)
{
	return -pthread_key_create(&exit_key, thread_exit);
}
