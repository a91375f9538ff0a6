// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Queues: a ring in shared memory, changed with a mutex held, so that it needs
 * no repair. A message is copied first, and one store makes it part of the ring,
 * or no longer so.
 *
 * An event says that there is a message, another that there is room. They may
 * say so in vain, never the other way round: an event is set before what it
 * tells of is there, and reset by who has looked and found nothing, all of it
 * with the mutex. A death in between leaves one who looks in vain. That is why
 * they are neither semaphores nor conditions: a permit, or a signal, would be
 * gone with whoever dies after it took it.
 *
 * So that a push does not wake everybody, those who pop take turns to wait, and
 * so do those who push: a mutex each, which passes on when its holder dies.
 *
 * Peers that share the memory can spoil what is in the queue; whatever they write
 * there, only the ring is read and written.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ksync.h"

#define MAGIC	0x65757175	/* of this layout */
#define SEALS	(F_SEAL_SHRINK | F_SEAL_GROW)

enum { STATE, PUSH_TURN, POP_TURN, MUTEXES };
enum { FILLED, ROOM, EVENTS };

/*
 * @magic, @slots, @size: fixed. The rest is changed with the mutex: @head
 * messages were popped so far, @tail pushed; @ended: nothing is pushed any more.
 * @told: of what is the event surely set?
 */
struct ring {
	uint32_t magic, slots, size, ended;
	uint64_t head, tail;
	uint32_t told[EVENTS];
	unsigned char messages[];
};

struct ksync_queue {
	struct ksync_mutex *mutexes;
	struct ksync_event *events;
	int fd;
	size_t bytes;
	uint32_t slots, size;
	struct ring *ring;
};

static size_t bytes_for(uint32_t slots, uint32_t size)
{
	return sizeof(struct ring) + (size_t)slots * size;
}

static bool possible(uint32_t slots, uint32_t size)
{
	return slots && slots <= KSYNC_QUEUE_SLOTS_MAX && size &&
	       size <= KSYNC_QUEUE_SIZE_MAX;
}

static int map_ring(struct ksync_queue *q)
{
	void *ring = mmap(NULL, q->bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			  q->fd, 0);

	if (ring == MAP_FAILED)
		return -errno;
	q->ring = ring;
	return 0;
}

/* That peers cannot cut off what we have mapped. */
static int make_ring(struct ksync_queue *q)
{
	int err;

	q->bytes = bytes_for(q->slots, q->size);
	q->fd = memfd_create("ksync-queue", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (q->fd < 0 || ftruncate(q->fd, q->bytes) ||
	    fcntl(q->fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL))
		return -errno;
	err = map_ring(q);
	if (err)
		return err;
	q->ring->slots = q->slots;
	q->ring->size = q->size;
	q->ring->magic = MAGIC;
	return 0;
}

static int adopt_ring(struct ksync_queue *q, int fd)
{
	struct stat st;
	int seals, err;

	seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &st) ||
	    st.st_size < (off_t)sizeof(struct ring))
		return -EINVAL;
	q->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (q->fd < 0)
		return -errno;
	q->bytes = st.st_size;
	err = map_ring(q);
	if (err)
		return err;
	q->slots = q->ring->slots;
	q->size = q->ring->size;
	if (q->ring->magic != MAGIC || !possible(q->slots, q->size) ||
	    bytes_for(q->slots, q->size) != q->bytes)
		return -EINVAL;
	return 0;
}

static int new_queue(struct ksync_queue **out)
{
	int saved = errno;

	if (!out)
		return -EINVAL;
	*out = calloc(1, sizeof(**out));
	errno = saved;
	if (!*out)
		return -ENOMEM;
	(*out)->fd = -1;
	return 0;
}

/* @err: what came of making it. @saved: what errno was. */
static int new_queue_end(struct ksync_queue **out, int err, int saved)
{
	if (err) {
		ksync_queue_close(*out);
		*out = NULL;
	}
	errno = saved;
	return err;
}

int ksync_queue_create(struct ksync_queue **out, uint32_t slots, uint32_t size)
{
	const struct ksync_options mutexes = { .nr = MUTEXES };
	const struct ksync_options events = { .nr = EVENTS };
	int saved = errno, err = new_queue(out);

	if (err)
		return err;
	if (!possible(slots, size))
		return new_queue_end(out, -EINVAL, saved);
	(*out)->slots = slots;
	(*out)->size = size;
	err = ksync_mutex_create(&(*out)->mutexes, &mutexes);
	if (!err)
		err = ksync_event_create(&(*out)->events, &events);
	if (!err)
		err = make_ring(*out);
	return new_queue_end(out, err, saved);
}

int ksync_queue_import(struct ksync_queue **out, const int fds[KSYNC_QUEUE_FDS])
{
	int saved = errno, err = new_queue(out);

	if (err)
		return err;
	if (!fds)
		return new_queue_end(out, -EINVAL, saved);
	err = ksync_mutex_import(&(*out)->mutexes, fds[0]);
	if (!err)
		err = ksync_event_import(&(*out)->events, fds[1]);
	if (!err && (!ksync_mutex_at((*out)->mutexes, MUTEXES - 1) ||
		     !ksync_event_at((*out)->events, EVENTS - 1)))
		err = -EINVAL;
	if (!err)
		err = adopt_ring(*out, fds[2]);
	return new_queue_end(out, err, saved);
}

void ksync_queue_fds(const struct ksync_queue *q, int fds[KSYNC_QUEUE_FDS])
{
	fds[0] = ksync_mutex_fd(q ? q->mutexes : NULL);
	fds[1] = ksync_event_fd(q ? q->events : NULL);
	fds[2] = q ? q->fd : -EINVAL;
}

void ksync_queue_close(struct ksync_queue *q)
{
	if (!q)
		return;
	if (q->ring)
		munmap(q->ring, q->bytes);
	if (q->fd >= 0)
		close(q->fd);
	ksync_event_close(q->events);
	ksync_mutex_close(q->mutexes);
	free(q);
}

/* There is nothing to repair. */
static int enter(struct ksync_queue *q, uint32_t which,
		 const struct ksync_wait *w)
{
	struct ksync_mutex *m = ksync_mutex_at(q->mutexes, which);
	int err = ksync_mutex_lock_until(m, w);

	return err == -EOWNERDEAD ? ksync_mutex_consistent(m) : err;
}

static void leave(struct ksync_queue *q, uint32_t which)
{
	ksync_mutex_unlock(ksync_mutex_at(q->mutexes, which));
}

/* The event is set before the ring says so, and is not reset before that. */
static int tell(struct ksync_queue *q, uint32_t what)
{
	int err;

	if (__atomic_load_n(&q->ring->told[what], __ATOMIC_RELAXED))
		return 0;
	err = ksync_event_set(ksync_event_at(q->events, what));
	if (!err)
		__atomic_store_n(&q->ring->told[what], 1, __ATOMIC_RELEASE);
	return err;
}

static int tell_no_more(struct ksync_queue *q, uint32_t what)
{
	__atomic_store_n(&q->ring->told[what], 0, __ATOMIC_SEQ_CST);
	return ksync_event_reset(ksync_event_at(q->events, what));
}

static uint64_t count(const struct ksync_queue *q)
{
	uint64_t head = __atomic_load_n(&q->ring->head, __ATOMIC_ACQUIRE);

	return __atomic_load_n(&q->ring->tail, __ATOMIC_ACQUIRE) - head;
}

static unsigned char *message_at(struct ksync_queue *q, uint64_t nr)
{
	return q->ring->messages + nr % q->slots * q->size;
}

/* With the mutex: -EAGAIN when there is no room. */
static int put(struct ksync_queue *q, const void *message)
{
	uint64_t tail = q->ring->tail, n = count(q);
	int err;

	if (q->ring->ended)
		return -EPIPE;
	if (n > q->slots)
		return -ENOTRECOVERABLE;
	if (n == q->slots) {
		err = tell_no_more(q, ROOM);
		return err ? err : -EAGAIN;
	}
	err = tell(q, FILLED);
	if (err)
		return err;
	memcpy(message_at(q, tail), message, q->size);
	__atomic_store_n(&q->ring->tail, tail + 1, __ATOMIC_RELEASE);
	return 0;
}

/* Likewise, when there is nothing. */
static int get(struct ksync_queue *q, void *message)
{
	uint64_t head = q->ring->head, n = count(q);
	int err;

	if (n > q->slots)
		return -ENOTRECOVERABLE;
	if (!n && q->ring->ended)
		return -EPIPE;
	if (!n) {
		err = tell_no_more(q, FILLED);
		return err ? err : -EAGAIN;
	}
	err = tell(q, ROOM);
	if (err)
		return err;
	memcpy(message, message_at(q, head), q->size);
	__atomic_store_n(&q->ring->head, head + 1, __ATOMIC_RELEASE);
	return 0;
}

/* @out or @in is NULL. In turn. */
static int try_until(struct ksync_queue *q, const void *in, void *out,
		     const struct ksync_wait *w)
{
	struct ksync_event *event;
	int err;

	event = ksync_event_at(q->events, in ? ROOM : FILLED);
	for (;;) {
		err = enter(q, STATE, w);
		if (err)
			return err;
		err = in ? put(q, in) : get(q, out);
		leave(q, STATE);
		if (err != -EAGAIN)
			return err;
		err = ksync_event_wait_until(event, w);
		if (err)
			return err;
	}
}

int ksync_queue_push_until(struct ksync_queue *q, const void *message,
			   const struct ksync_wait *w)
{
	int err;

	if (!q || !message)
		return -EINVAL;
	err = enter(q, PUSH_TURN, w);
	if (err)
		return err;
	err = try_until(q, message, NULL, w);
	leave(q, PUSH_TURN);
	return err;
}

int ksync_queue_pop_until(struct ksync_queue *q, void *message,
			  const struct ksync_wait *w)
{
	int err;

	if (!q || !message)
		return -EINVAL;
	err = enter(q, POP_TURN, w);
	if (err)
		return err;
	err = try_until(q, NULL, message, w);
	leave(q, POP_TURN);
	return err;
}

int ksync_queue_push(struct ksync_queue *q, const void *message)
{
	return ksync_queue_push_until(q, message, NULL);
}

int ksync_queue_pop(struct ksync_queue *q, void *message)
{
	return ksync_queue_pop_until(q, message, NULL);
}

int ksync_queue_end(struct ksync_queue *q)
{
	int err;

	if (!q)
		return -EINVAL;
	err = enter(q, STATE, NULL);
	if (err)
		return err;
	err = tell(q, FILLED);
	if (!err)
		err = tell(q, ROOM);
	if (!err)
		__atomic_store_n(&q->ring->ended, 1, __ATOMIC_RELEASE);
	leave(q, STATE);
	return err;
}

uint32_t ksync_queue_length(const struct ksync_queue *q)
{
	uint64_t n = q ? count(q) : 0;

	/* Both may have moved between the two looks. */
	return !q || n <= q->slots ? n : q->slots;
}
