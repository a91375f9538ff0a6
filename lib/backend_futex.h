/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The futex backend: what its files share. backend_futex_layout.h has what
 * stands in shared memory; here is what a process keeps for itself.
 *
 *	backend_futex.c		the table; create, import, close
 *	  _mutex _waitgroup _sem	the primitives
 *	  _rwlock _rwlock_ops _rwlock_quick	likewise
 *	  _cond _barrier _once _event _event_tree	likewise
 *	  _spin			waiting for a mutex awake
 *	  _lock			what mutex and rwlock have in common
 *	  _hold			what a thread or process holds
 *	  _thread		threads and their lines
 *	  _memory		what they remember in
 *	  _queue		queue lock, queue, redo
 *	  _wait			sleeping until granted
 *	  _cancel		what ends a wait before; waits that events cancel
 *	  _cycle		two that wait for each other
 *	  _many _agent _all	waits for several primitives
 *	  _dead			who is alive, and what becomes of the dead
 *	  _gate			the gate; claiming and leaving slots
 *	  _process		objects of this process; fork
 *	  _file			making and checking files
 *	  _name			named objects
 *	  _status _query _pid	what people see
 *	  _sys			system calls
 *
 * Locks, outermost first:
 *
 *	obj->gate_mutex		threads of this process that want the gate
 *	the gate		a byte of the file, among processes
 *	queue lock		in the cell; one at a time
 *	kfx_lock		the lists of this process; never held while waiting
 *				for another process
 *
 * Signals are not blocked in between: a handler must not use the library (it is
 * not async-signal-safe), and a handler that ends the process or the image is a
 * death like any other. None of the calls inside is a cancellation point.
 */
#ifndef KSYNC_BACKEND_FUTEX_H
#define KSYNC_BACKEND_FUTEX_H

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

#include "backend.h"
#include "backend_futex_layout.h"
#include "backend_futex_ops.h"
#include "backend_futex_sys.h"

/*
 * Sleepers look after what they sleep on: soon at first, but not before the next
 * tick of the kernel, for a timer that comes first has to be programmed, which
 * takes longer than all the rest of going to sleep. Then in this interval, which
 * grows by itself with every so many waiters in the queue, to a limit.
 */
#define KFX_LOOK_NS		12000000ULL
#define KFX_RECHECK_NS		100000000ULL
#define KFX_RECHECK_WAITERS	256U
#define KFX_RECHECK_MAX_NS	2000000000ULL

/*
 * So the death of a holder is noticed within this time, with fewer than
 * KFX_RECHECK_WAITERS in the queue and KFX_SWEEP_PROCESSES processes.
 */
#define KFX_NOTICE_MS		250U

/*
 * How often all processes of an object are looked at, if any of them waits:
 * less often from so many on, with the square of their number, to a limit.
 */
#define KFX_SWEEP_NS		(KFX_RECHECK_NS / 2)
#define KFX_SWEEP_PROCESSES	256U
#define KFX_SWEEP_MAX_NS	10000000000ULL

/*
 * An object of this process, however many handles there are.
 *
 * next		kfx_lock: in the list of all
 * dev, ino, nonce	what tells files apart
 * refs		handles, and threads that keep it; the last one goes with
 *		kfx_lock. Without any it stays while something is held
 * gate_mutex	threads exclude one another by it before they take the gate
 * live		kfx_lock: descriptor of the description that says we live; -1
 * joined	gate_mutex: we have a slot. Read by anyone
 * slot		valid while joined. Before, in a child: by whose byte it is
 *		seen, see kfx_slot_wait()
 * threads	kfx_lock: threads with a line
 * spare, nr_spare	kfx_lock: of threads that ended, for those to come
 * process_line, process_map	kfx_lock: see backend_futex_hold.c
 */
struct kfx_object {
	struct kfx_object *next;
	uint64_t dev;
	uint64_t ino;
	uint64_t nonce;
	unsigned int refs;
	struct kfx_handle *handles;

	pthread_mutex_t gate_mutex;
	int live;
	bool joined;
	uint32_t slot;

	void *base;
	size_t size;
	struct kfx_header *header;
	struct kfx_slot *slots;
	union ksync_cell *cells;
	struct kfx_line *lines;
	const struct kfx_type *ops;
	uint32_t type;
	uint32_t flags;
	uint32_t nr;
	char name[KSYNC_NAME_LEN];

	struct kfx_thread *threads;
	struct kfx_thread *spare;
	uint32_t nr_spare;
	uint32_t process_line;
	uint32_t *process_map;
};

/* What the front end has in hand. */
struct kfx_handle {
	struct ksync_object base;
	struct kfx_object *obj;
	struct kfx_handle *next;
};

/*
 * A thread that uses an object; its own, but for what kfx_lock guards.
 *
 * obj		kfx_lock: NULL when the object is gone
 * next		the thread's list; kfx_lock: when it has ended, the object's spare
 *		ones
 * obj_next	kfx_lock: the object's list, and what points to us there
 * obj_pprev
 * id		number of the line
 * last		hold that was used last
 * more		lines with further holds
 * reads	who looks for readers looks at its lines, too
 * full		lines when all places for holds were last found in use
 * given_back	since then, on a slow path
 * met		when somebody was last in its way, see backend_futex_rwlock_ops.c
 * checked	when it last looked whether somebody in its way is dead
 */
struct kfx_thread {
	struct kfx_object *obj;
	struct kfx_thread *next;
	struct kfx_thread *obj_next;
	struct kfx_thread **obj_pprev;
	struct kfx_line *line;
	uint32_t id;
	struct ksync_hold *last;
	uint32_t *more;
	uint32_t nr_more;
	uint32_t full;
	bool reads;
	bool given_back;
	uint64_t met;
	uint64_t checked;
};

/*
 * A thread's own memory. The cache is valid in its epoch, which ends when an
 * object goes, and in a child at fork. number and cycle are for
 * backend_futex_cycle.c; what follows, for backend_futex_spin.c:
 *
 * spun, passed_by	for the lock that is wanted now: spun in vain; and others
 *			have had it again and again meanwhile
 * yield_pause		how often the pause doubled that ends at yield_at
 */
#define KFX_CACHED	4U
#define KFX_TLS		__attribute__((tls_model("initial-exec")))

struct kfx_self {
	uint64_t epoch;
	struct {
		struct kfx_object *obj;
		struct kfx_thread *thread;
	} cache[KFX_CACHED];
	struct kfx_thread *list;
	uint64_t number;
	struct kfx_cycle *cycle;
	uint32_t spin_ns;
	bool spun;
	bool passed_by;
	uint32_t yield_pause;
	uint32_t yields;
	uint64_t yield_at;
};

/*
 * A primitive at work.
 *
 * owner	line in whose name the queue is locked
 * gated	the gate is ours: what the dead left may be taken away
 * writer_left	rwlock: readers have their turn
 * wake		lines to be woken after the unlock
 */
struct kfx_q {
	struct kfx_object *obj;
	union ksync_cell *cell;
	struct kfx_queue *queue;
	uint32_t index;
	uint32_t owner;
	bool gated;
	bool writer_left;
	uint32_t nr_wake;
	uint32_t wake[16];
};

/*
 * What death needs to know of a type. All with the queue locked.
 *
 * advance	sets the flags of the word right and lets in whoever can go
 * drop_wait	a waiter died or was granted and died: undoes that, but for the
 *		queue, which it has left
 * drop_hold	a thread or process died with a hold; @id is the thread's line
 *
 * And without it, NULL if there is nothing to do:
 *
 * check	looks whether those are alive who stand in the way of waiters
 */
struct kfx_type {
	void (*advance)(struct kfx_q *q);
	void (*drop_wait)(struct kfx_q *q, uint32_t id, struct kfx_line *line);
	void (*drop_hold)(struct kfx_q *q, uint32_t id, struct ksync_hold *hold);
	void (*check)(struct kfx_q *q);
};

extern const struct kfx_type kfx_mutex_type, kfx_rwlock_type,
	kfx_waitgroup_type, kfx_sem_type, kfx_event_type, kfx_cond_type,
	kfx_barrier_type, kfx_once_type;

/* backend_futex_process.c */
extern pthread_mutex_t kfx_lock;
extern uint64_t *kfx_epoch;	/* 0 in a child that has not noticed yet */

int kfx_process_init(void);
void kfx_process_forked(void);
struct kfx_object *kfx_object_new(void);
int kfx_object_live(struct kfx_object *obj, int fd, const char *path, int flags,
		    mode_t mode);
void kfx_object_drop(struct kfx_object *obj);
int kfx_object_attach(struct kfx_object *obj, uint32_t type,
		      struct kfx_object **out);
void kfx_object_put(struct kfx_object *obj);
int kfx_object_join(struct kfx_object *obj);

/* First in every operation: notices a fork that went past the C library. */
static inline void kfx_process_check_fork(void)
{
	/* Acquire: what another thread of the child did about it. */
	if (!kfx_load_acquire(kfx_epoch))
		kfx_process_forked();
}

/* backend_futex_gate.c */
int kfx_gate_lock(struct kfx_object *obj, bool wait);
void kfx_gate_unlock(struct kfx_object *obj);
int kfx_slot_wait(struct kfx_object *obj);
int kfx_slot_claim(struct kfx_object *obj);

/* backend_futex_dead.c */
bool kfx_slot_alive(struct kfx_object *obj, uint32_t slot);
bool kfx_line_check(struct kfx_object *obj, uint32_t id);
void kfx_adopt(struct kfx_object *obj, uint32_t id);
void kfx_bury_wait(struct kfx_object *obj, struct kfx_line *line,
		   uint32_t owner);
void kfx_bury_holds(struct kfx_object *obj, struct kfx_line *line,
		    uint32_t owner);
void kfx_recover(struct kfx_object *obj, uint32_t slot);
void kfx_recover_gated(struct kfx_object *obj, uint32_t slot);
void kfx_sweep(struct kfx_object *obj);

/* backend_futex_thread.c */
extern __thread struct kfx_self kfx_self KFX_TLS;

int kfx_thread_find(struct kfx_object *obj, struct kfx_thread **t);
int kfx_line_claim(struct kfx_object *obj, enum kfx_line_kind kind,
		   uint32_t parent, uint32_t *id);
void kfx_line_free(struct kfx_line *line);
void kfx_threads_leave(struct kfx_object *obj);
void kfx_threads_forget(struct kfx_object *obj);
void kfx_self_forget(void);
int kfx_thread_init(void);
void kfx_fast_join(void);

static inline unsigned int kfx_cache_of(struct kfx_object *obj)
{
	return ((uintptr_t)obj >> 6) % KFX_CACHED;
}

/* The caller, as a user of @obj, if that is at hand; or NULL. */
static inline struct kfx_thread *kfx_thread_cached(struct kfx_object *obj)
{
	unsigned int c = kfx_cache_of(obj);

	if (kfx_self.cache[c].obj == obj &&
	    kfx_self.epoch == kfx_load(kfx_epoch))
		return kfx_self.cache[c].thread;
	return NULL;
}

/* The same, made if need be. */
static inline int kfx_thread_get(struct kfx_object *obj, struct kfx_thread **t)
{
	*t = kfx_thread_cached(obj);
	return *t ? 0 : kfx_thread_find(obj, t);
}

/* backend_futex_hold.c */
struct ksync_hold *kfx_hold_find_other(struct kfx_thread *t, uint32_t index);
int kfx_hold_get_other(struct kfx_thread *t, uint32_t index,
		       struct ksync_hold **hold);
void kfx_hold_reads(struct kfx_thread *t);
int kfx_process_hold(struct kfx_object *obj, uint32_t index,
		     struct ksync_hold **hold);
struct ksync_hold *kfx_process_hold_find(struct kfx_object *obj, uint32_t index);
void kfx_reads_flush(struct kfx_object *obj, struct ksync_hold *hold);
bool kfx_holding(struct kfx_object *obj);

static inline struct ksync_hold *kfx_line_hold(struct kfx_line *line, uint32_t n)
{
	return n < KFX_HOLDS ? &line->hold[n] : &line->more[n - KFX_HOLDS];
}

static inline uint32_t kfx_line_holds(const struct kfx_line *line)
{
	uint32_t top = kfx_load(&line->top);
	uint32_t max = kfx_load(&line->kind) == KFX_LINE_THREAD ?
		KFX_HOLDS : KFX_HOLDS_MORE;

	return top < max ? top : max;
}

static inline bool kfx_hold_is_for(struct ksync_hold *hold, uint32_t index)
{
	return (kfx_load(&hold->key) & KFX_KEY_INDEX) == index + 1;
}

/* The thread's hold of the primitive, or what is kept for it; or NULL. */
static inline struct ksync_hold *kfx_hold_find(struct kfx_thread *t,
					       uint32_t index)
{
	if (t->last && kfx_hold_is_for(t->last, index))
		return t->last;
	return kfx_hold_find_other(t, index);
}

/* The same, made if need be. */
static inline int kfx_hold_get(struct kfx_thread *t, uint32_t index,
			       struct ksync_hold **hold)
{
	*hold = t->last;
	if (*hold && kfx_hold_is_for(*hold, index))
		return 0;
	return kfx_hold_get_other(t, index, hold);
}

static inline uint32_t kfx_offset(struct kfx_object *obj, void *p)
{
	return (char *)p - (char *)obj->base;
}

/* What was held is given back, and keeps its place. */
static inline void kfx_hold_end(struct kfx_thread *t, struct ksync_hold *hold,
				uint32_t index)
{
	t->given_back = true;
	/* Release: after the word let go of us, or what we read. */
	kfx_store_release(&hold->key, index + 1);
}

/* backend_futex_memory.c */
void kfx_memory_join(void);
void kfx_memory_leave(void);
void kfx_memory_renew(void);

/* backend_futex_queue.c */
void kfx_q_init(struct kfx_q *q, struct kfx_object *obj, uint32_t index,
		uint32_t owner);
void kfx_q_lock(struct kfx_q *q);
void kfx_q_unlock(struct kfx_q *q);
void kfx_q_push(struct kfx_q *q, uint32_t id);
void kfx_q_remove(struct kfx_q *q, uint32_t id);
void kfx_q_rebuild(struct kfx_q *q);
void kfx_q_wake(struct kfx_q *q, uint32_t id);
uint32_t kfx_q_next(struct kfx_q *q, uint32_t id);
void kfx_q_commit(struct kfx_q *q, const struct kfx_redo *redo);
void kfx_q_redo(struct kfx_q *q);

static inline struct kfx_line *kfx_line(struct kfx_object *obj, uint32_t id)
{
	return &obj->lines[id % KFX_LINES];
}

/* For those who may wait for the thread: where it runs. */
static inline void kfx_line_here(struct kfx_line *line)
{
	uint32_t cpu = kfx_cpu();

	if (kfx_load(&line->cpu) != cpu)
		kfx_store(&line->cpu, cpu);
}

/* The first waiter, 0 for none. */
static inline uint32_t kfx_q_first(struct kfx_q *q)
{
	uint32_t id = kfx_load(&q->queue->head);

	return id < KFX_LINES ? id : 0;
}

static inline enum kfx_wait_state kfx_wait_state(struct kfx_line *line)
{
	/* Acquire: what the granter did. Pairs with the release of whoever
	 * sets it.
	 */
	return kfx_load_acquire(&line->wait) & KFX_WAIT_STATE;
}

static inline void kfx_wait_set(struct kfx_line *line, enum kfx_wait_state to)
{
	uint64_t wait = kfx_load(&line->wait);

	kfx_store_release(&line->wait, (wait & ~KFX_WAIT_STATE) | to);
}

/* backend_futex_wait.c */
void kfx_wait_begin(struct kfx_q *q, enum kfx_want want, uint32_t n,
		    void *hold, struct kfx_limit *limit);
int kfx_wait(struct kfx_q *q, struct kfx_limit *limit,
	     bool (*poll)(struct kfx_q *q));
void kfx_q_admit(struct kfx_q *q, uint32_t id, enum kfx_wait_state state);
void kfx_q_leave(struct kfx_q *q);
void kfx_q_drop_dead(struct kfx_q *q);
void kfx_look(struct kfx_q *q, struct kfx_thread *t);
void kfx_wait_look(struct kfx_q *q);
void kfx_wait_in_vain(struct kfx_q *q);
uint64_t kfx_pace(uint32_t waiters);

/* backend_futex_event_tree.c */
bool kfx_event_raise(struct kfx_object *obj, struct ksync_event_cell *cell,
		     uint64_t old);
uint64_t kfx_event_word(struct kfx_object *obj, uint32_t index);
uint64_t kfx_event_peek(struct kfx_object *obj, uint32_t index);
void kfx_event_watch(struct kfx_object *obj, uint32_t index,
		     struct kfx_futexes *f);

/*
 * What ends a wait that is not over.
 *
 * deadline	CLOCK_MONOTONIC in ns
 * event	that cancels, number index of the object obj; NULL: nothing does
 * begun	the wait has, or is about to
 * changes	of the event when it did; one less if it was set then
 * stays	it must end with what it waits for, whatever comes
 */
struct kfx_limit {
	uint64_t deadline;
	struct kfx_object *obj;
	struct ksync_event_cell *event;
	uint32_t index;
	bool begun;
	uint32_t changes;
	bool stays;
};

/* backend_futex_cancel.c */
int kfx_limit_init(struct kfx_limit *limit, const struct ksync_limit *from);
void kfx_limit_begin(struct kfx_limit *limit);
void kfx_limit_end(struct kfx_limit *limit);
void kfx_limit_sleep(const struct kfx_limit *limit, struct kfx_futexes *f,
		     uint64_t until);

/* Nothing ends the wait: a cycle would be for ever. */
static inline bool kfx_limit_is_none(const struct kfx_limit *limit)
{
	return limit->deadline == KSYNC_FOREVER && !limit->event &&
	       !limit->stays;
}

/* Is the event set, before the wait begins? */
static inline bool kfx_limit_is_set(const struct kfx_limit *limit)
{
	return limit->event &&
	       (kfx_event_word(limit->obj, limit->index) & KSYNC_EVENT_SET);
}

/* Was it, since? */
static inline bool kfx_limit_was_set(const struct kfx_limit *limit)
{
	return limit->event &&
	       kfx_event_word(limit->obj, limit->index) / KSYNC_EVENT_CHANGE !=
	       limit->changes;
}

/* 0, or why the wait is to end. */
static inline int kfx_limit_over(const struct kfx_limit *limit, uint64_t now)
{
	if (kfx_limit_was_set(limit))
		return -ECANCELED;
	return now >= limit->deadline ? -ETIMEDOUT : 0;
}

/* backend_futex_cycle.c */
bool kfx_cycle_closes(struct kfx_q *q);
void kfx_cycle_forget(void);
int kfx_last_deadlock(ksync_edge_fn *fn, void *arg);
uint64_t kfx_thread_number(uint32_t tid);

/* backend_futex_lock.c: what mutexes and rwlocks share */
uint64_t kfx_lock_flags(struct kfx_q *q);
bool kfx_lock_grant(struct kfx_q *q, uint32_t id);
void kfx_lock_grant_done(struct kfx_q *q);
bool kfx_lock_pass_on(struct kfx_q *q, uint32_t id);
void kfx_lock_hand_on(struct kfx_q *q, uint32_t id);
void kfx_lock_fail_all(struct kfx_q *q);
bool kfx_lock_die(struct kfx_q *q, uint32_t id);
int kfx_lock_consistent(struct ksync_object *base, uint32_t index);
uint64_t kfx_lock_token(struct ksync_object *base, uint32_t index);
void kfx_fast_fill_lock(struct ksync_object *base, uint32_t index,
			struct kfx_thread *t, struct ksync_hold *hold);

static inline uint32_t kfx_lock_id(uint64_t word)
{
	return word & KSYNC_LOCK_ID;
}

/* backend_futex_file.c */
int kfx_file_init(int fd, const struct ksync_spec *spec, const char *name);
int kfx_file_check(int fd, struct kfx_header *header);
int kfx_file_map(struct kfx_object *obj, int fd);
int kfx_file_copy(struct kfx_object *obj, int fd, uint32_t index);
void kfx_file_unmap(struct kfx_object *obj);
int kfx_file_create(const struct ksync_spec *spec);
int kfx_file_back(struct kfx_object *obj, void *at, size_t len);

/* backend_futex_name.c */
int kfx_name_open(const char *name, int oflag, mode_t mode,
		  const struct ksync_spec *spec, struct kfx_object **out);
void kfx_name_left(struct kfx_object *obj);
int kfx_name_unlink(const char *name);
void kfx_name_sweep(void);
int kfx_name_alive(int fd);

#define KFX_DIR		"/dev/shm"
#define KFX_PREFIX	"ksync."
#define KFX_PATH_LEN	(sizeof(KFX_DIR "/" KFX_PREFIX) + KSYNC_NAME_LEN)

void kfx_name_path(char path[KFX_PATH_LEN], const char *name);

/* backend_futex_query.c */
int kfx_query(const char *name, uint32_t index, struct ksync_info *info,
	      struct ksync_status *st);
int kfx_list(ksync_list_fn *fn, void *arg);

/* backend_futex_pid.c */
uint64_t kfx_pid_namespace(void);
void kfx_pid_translate(uint64_t ns, pid_t *pid, pid_t *tid);

/* backend_futex_status.c */
int kfx_status(struct kfx_object *obj, uint32_t index, struct ksync_status *st);
int kfx_object_status(struct ksync_object *base, uint32_t index,
		      struct ksync_status *st);
uint32_t kfx_users(struct kfx_object *obj);

static inline struct kfx_object *kfx_obj(struct ksync_object *base)
{
	return ((struct kfx_handle *)base)->obj;
}

/* What the thread needs for the fast path, for semaphores and wait groups. */
static inline void kfx_fast_fill(struct ksync_object *base, uint32_t index)
{
	if (!ksync_fast_used())
		kfx_fast_join();
	ksync_fast_word_is(ksync_fast_tag(base->serial, index),
			   kfx_load(&base->cells[index].state));
}

#include "backend_futex_rwlock.h"

#endif /* KSYNC_BACKEND_FUTEX_H */
