// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The futex backend: two threads that wait for each other's mutex or rwlock.
 *
 *	we ---- wait for ---> q		     q <--- held by --- it
 *	we ---- hold -------> primitive <--- waited for by ---- it
 *
 * Nobody keeps a list of what a thread holds and waits for; it stands in its
 * lines, one for each object. So who has slept for a while and would for ever
 * looks for waiters in the objects in which it holds something, and whether one
 * of them is in its way. Threads are told by a number that all their lines have.
 *
 * A cycle that is found is one: while a thread waits it lets go of nothing. It
 * waits before and after the look at what it holds, in one and the same wait; and
 * we hold what it waits for all the time.
 *
 * Both may find it. The one that came later gives way, if it would wait for ever.
 * It keeps what it found, for who asks why.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backend_futex.h"

/* Lines to look at, at most. Beyond that, a cycle is not found. */
#define LINES_MAX	8192U
/* The other should have given way by now. Its clock may not be ours. */
#define PATIENCE_NS	10000000000ULL

/*
 * left		lines to look at
 * line		ours, in q
 * blocker	0, or line in q of the reader in our way
 * other	line of the one that waits for us, in the object of @t
 */
struct search {
	struct kfx_q *q;
	struct kfx_line *line;
	uint32_t left;
	uint32_t blocker;
	struct kfx_thread *t;
	struct kfx_line *other;
};

/* The cycle that a thread was refused for: our wait, and its. */
struct kfx_cycle {
	struct ksync_edge edge[2];
};

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

/* One that no other thread has, or will have soon; not 0. */
uint64_t kfx_thread_number(uint32_t tid)
{
	if (!kfx_self.number)
		kfx_self.number = mix(mix(kfx_now()) ^
				      (uintptr_t)&kfx_self ^
				      (uint64_t)tid << 40) | 1;
	return kfx_self.number;
}

static uint64_t number_of(struct kfx_line *line)
{
	/* Pairs with the release in kfx_line_claim(). */
	return kfx_load_acquire(&line->kind) == KFX_LINE_THREAD ?
	       kfx_load(&line->thread) : 0;
}

static uint32_t lines_of(struct search *s, struct kfx_object *obj)
{
	uint32_t hi = kfx_load(&obj->header->lines_hi) % (KFX_LINES + 1);

	if (hi > s->left)
		hi = s->left;
	s->left -= hi;
	return hi;
}

static bool line_reads(struct kfx_line *line, uint32_t index)
{
	uint32_t n;

	for (n = kfx_line_holds(line); n-- > 0; )
		if (kfx_load(&kfx_line_hold(line, n)->key) ==
		    ((index + 1) | KFX_HELD_READ))
			return true;
	return false;
}

/* Does thread @number read what we want to write? */
static bool reads(struct search *s, uint64_t number)
{
	struct kfx_object *obj = s->q->obj;
	uint32_t hi = lines_of(s, obj), id, parent;
	struct kfx_line *line;

	for (id = 1; id < hi; id++) {
		line = kfx_line(obj, id);
		parent = id;
		if (kfx_load(&line->kind) == KFX_LINE_MORE)
			parent = kfx_load(&line->parent);
		if (number_of(kfx_line(obj, parent)) == number &&
		    line_reads(line, s->q->index)) {
			s->blocker = id;
			return true;
		}
	}
	return false;
}

static bool in_our_way(struct search *s, uint64_t number)
{
	uint32_t id = kfx_lock_id(kfx_load(&s->q->cell->state));

	s->blocker = 0;
	if (id)
		return id < KFX_LINES &&
		       number_of(kfx_line(s->q->obj, id)) == number;
	return s->q->obj->type == KSYNC_RWLOCK &&
	       kfx_load(&s->line->want) == KFX_WANT_EXCL && reads(s, number);
}

/* Does @line wait for something that we, as @t, hold? */
static bool waits_for_us(struct kfx_thread *t, struct kfx_line *line)
{
	uint32_t index = kfx_load(&line->index), want = kfx_load(&line->want);
	struct ksync_hold *hold;
	uint32_t key;

	if (index >= t->obj->nr)
		return false;
	hold = kfx_hold_find(t, index);
	key = hold ? kfx_load(&hold->key) : 0;
	/* We may only wait for it, too. */
	if (key & KFX_HELD_EXCL)
		return kfx_lock_id(kfx_load(&t->obj->cells[index].state)) ==
		       t->id;
	return (key & KFX_HELD_READ) && want == KFX_WANT_EXCL;
}

/* Or will it? */
static bool gives_way(struct search *s, struct kfx_line *line, uint64_t number)
{
	uint64_t its = kfx_load(&line->since), ours = kfx_load(&s->line->since);

	if (!kfx_load(&line->gives_way) || kfx_now() - ours > PATIENCE_NS)
		return false;
	return its > ours || (its == ours && number > kfx_self.number);
}

/* Is there a thread that waits for us in the object of @t, and we for it? */
static bool cycle_through(struct search *s, struct kfx_thread *t)
{
	uint32_t hi = lines_of(s, t->obj), id;
	struct kfx_line *line;
	uint64_t wait, number;

	for (id = 1; id < hi; id++) {
		line = kfx_line(t->obj, id);
		number = number_of(line);
		if (!number || number == kfx_self.number)
			continue;
		/* What it waits for. Pairs with the release in kfx_q_push(). */
		wait = kfx_load_acquire(&line->wait);
		if ((wait & KFX_WAIT_STATE) != KFX_WAITING ||
		    !waits_for_us(t, line) || !in_our_way(s, number))
			continue;
		/*
		 * Between the looks and this one. Pairs with the release in
		 * kfx_wait_set() by whoever ends the wait.
		 */
		kfx_fence();
		if (kfx_load(&line->wait) == wait && number_of(line) == number &&
		    !gives_way(s, line, number)) {
			s->t = t;
			s->other = line;
			return true;
		}
	}
	return false;
}

static uint32_t read_count(struct ksync_hold *hold)
{
	return kfx_load(&hold->count) + 1;
}

/* A wait of @line at primitive @index of @obj. */
static void describe_wait(struct ksync_edge *e, struct kfx_object *obj,
			  uint32_t index, struct kfx_line *line)
{
	uint64_t now = kfx_now(), since = kfx_load(&line->since);

	*e = (struct ksync_edge){
		.object = obj->ino,
		.waited_ns = now > since ? now - since : 0,
		.type = obj->type,
		.index = index,
		.want = kfx_load(&line->want) == KFX_WANT_READ ?
			KSYNC_WANTS_SHARED : KSYNC_WANTS_EXCLUSIVE,
		.wanted = 1,
		.held = KSYNC_HELD_EXCLUSIVE,
		.count = 1,
	};
	memcpy(e->name, obj->name, sizeof(e->name));
}

static void describe(struct search *s, struct kfx_cycle *c)
{
	struct kfx_object *obj = s->t->obj;
	uint32_t index = kfx_load(&s->other->index), slot, n;
	struct ksync_hold *hold;
	struct kfx_line *line;

	describe_wait(&c->edge[0], s->q->obj, s->q->index, s->line);
	line = kfx_line(s->q->obj, s->blocker);
	for (n = s->blocker ? kfx_line_holds(line) : 0; n-- > 0; ) {
		hold = kfx_line_hold(line, n);
		if (!kfx_hold_is_for(hold, s->q->index))
			continue;
		c->edge[0].held = KSYNC_HELD_SHARED;
		c->edge[0].count = read_count(hold);
	}
	describe_wait(&c->edge[1], obj, index, s->other);
	hold = kfx_hold_find(s->t, index);
	if (hold && kfx_load(&hold->key) & KFX_HELD_READ) {
		c->edge[1].held = KSYNC_HELD_SHARED;
		c->edge[1].count = read_count(hold);
	}
	slot = kfx_load(&s->other->owner) - 1;
	if (slot < KFX_SLOTS) {
		c->edge[1].waiter_pid = kfx_load(&obj->slots[slot].pid);
		c->edge[1].waiter_tid = kfx_load(&s->other->tid);
		kfx_pid_translate(kfx_load(&obj->slots[slot].pidns),
				  &c->edge[1].waiter_pid,
				  &c->edge[1].waiter_tid);
	}
}

static void read_name(pid_t pid, pid_t tid, char name[16])
{
	char path[64];
	int saved = errno, fd;
	ssize_t len = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", (int)pid,
		 (int)tid);
	fd = pid ? kfx_open(AT_FDCWD, path, O_RDONLY, 0) : -1;
	if (fd >= 0)
		len = syscall(SYS_read, fd, name, 15);
	kfx_close(fd);
	name[len > 0 ? len : 0] = '\0';
	name[strcspn(name, "\n")] = '\0';
	errno = saved;
}

static void name_both(struct kfx_cycle *c)
{
	struct ksync_edge *ours = &c->edge[0], *its = &c->edge[1];

	ours->waiter_pid = getpid();
	ours->waiter_tid = syscall(SYS_gettid);
	its->holder_pid = ours->waiter_pid;
	its->holder_tid = ours->waiter_tid;
	ours->holder_pid = its->waiter_pid;
	ours->holder_tid = its->waiter_tid;
	read_name(ours->waiter_pid, ours->waiter_tid, ours->waiter_name);
	read_name(its->waiter_pid, its->waiter_tid, its->waiter_name);
	memcpy(its->holder_name, ours->waiter_name, sizeof(its->holder_name));
	memcpy(ours->holder_name, its->waiter_name, sizeof(ours->holder_name));
}

/* The thread ends, or is another one, in a child. */
void kfx_cycle_forget(void)
{
	free(kfx_self.cycle);
	kfx_self.cycle = NULL;
}

/*
 * The caller waits at @q, for ever: should it be refused? Costs some
 * microseconds for a thousand threads.
 */
bool kfx_cycle_closes(struct kfx_q *q)
{
	struct search s = {
		.q = q,
		.line = kfx_line(q->obj, q->owner),
		.left = LINES_MAX,
	};
	struct kfx_cycle *c;
	struct kfx_thread *t;
	bool found = false;

	if (q->obj->type != KSYNC_MUTEX && q->obj->type != KSYNC_RWLOCK)
		return false;
	/* Objects in which we hold something stay; others may go. */
	pthread_mutex_lock(&kfx_lock);
	for (t = kfx_self.list; t && !found; t = t->next)
		if (t->obj && (t->obj->type == KSYNC_MUTEX ||
			       t->obj->type == KSYNC_RWLOCK))
			found = cycle_through(&s, t);
	pthread_mutex_unlock(&kfx_lock);
	if (!found)
		return false;
	kfx_cycle_forget();
	c = malloc(sizeof(*c));
	kfx_self.cycle = c;
	if (c) {
		describe(&s, c);
		name_both(c);
	}
	return true;
}

int kfx_last_deadlock(ksync_edge_fn *fn, void *arg)
{
	struct kfx_cycle c;
	int ret;

	if (!kfx_self.cycle)
		return 0;
	/* A copy: @fn may call the library. */
	c = *kfx_self.cycle;
	ret = fn(&c.edge[0], arg);
	return ret ? ret : fn(&c.edge[1], arg);
}
