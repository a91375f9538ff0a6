// SPDX-License-Identifier: GPL-2.0-only
/*
 * Malformed input, for every command of the ABI: each rejection must have the
 * errno of the contract and must change nothing.
 *
 * Every command has a primitive of its own (its index is the low part of the
 * command's number) in a state in which the well-formed call would succeed, so
 * that a rejection that does something after all is seen.
 */
#include "uapi_commands.h"
#include "uapi_peer.h"

#define FDS		64		/* more than are ever open here */
#define LARGEST		_IOC_SIZEMASK	/* argument that a command can say */

struct state {
	struct ksync_primitive_status st[NR_FDS][PRIMITIVES];
	__u32 objects;
	bool open[FDS];
	int named, new_named;
};

FIXTURE(bad_input)
{
	int fds[NR_FDS];
	int pidfd;
	char *page;	/* followed by one that is not accessible */
	struct state before;
};

static int fd_of(const int *fds, const struct command *k)
{
	return fds[k->on < 0 ? MUTEX_FD : k->on];
}

static void look(const int *fds, struct state *s)
{
	int type, fd;
	__u32 i;

	memset(s, 0, sizeof(*s));
	for (type = MUTEX_FD; type < NR_FDS; type++) {
		for (i = 0; i < PRIMITIVES; i++) {
			s->st[type][i] = status_of(fds[type], i);
			s->st[type][i].held_ns = 0;
		}
	}
	s->objects = device_info(fds[DEVICE_FD]).objects;
	for (fd = 0; fd < FDS; fd++)
		s->open[fd] = fcntl(fd, F_GETFD) != -1;
	s->named = me(query_call(fds[DEVICE_FD], NAME, 0));
	s->new_named = me(query_call(fds[DEVICE_FD], NEW_NAME, 0));
}

FIXTURE_SETUP(bad_input)
{
	struct peer victim;
	struct call c;
	int *fds = self->fds;
	int pidfd, type;

	fds[DEVICE_FD] = device_open();
	ASSERT_LE(0, fds[DEVICE_FD]);
	c = open_call(fds[DEVICE_FD], NAME, KSYNC_TYPE_MUTEX, KSYNC_OPEN_CREATE,
		      0600);
	c.arg.open.nr = PRIMITIVES;
	ASSERT_EQ(0, call_run(&c));
	fds[MUTEX_FD] = c.arg.open.fd;
	fds[RWLOCK_FD] = create(fds[0], KSYNC_TYPE_RWLOCK, 0, PRIMITIVES);
	fds[WAITGROUP_FD] = create(fds[0], KSYNC_TYPE_WAITGROUP, 0, PRIMITIVES);
	c = create_call(fds[0], KSYNC_TYPE_SEM, 0, PRIMITIVES);
	c.arg.create.value = 2;
	c.arg.create.max = 4;
	ASSERT_EQ(0, call_run(&c));
	fds[SEM_FD] = c.arg.create.fd;
	fds[COND_FD] = create(fds[0], KSYNC_TYPE_COND, 0, PRIMITIVES);
	fds[BARRIER_FD] = create_barrier(fds[0], 0, PRIMITIVES, 1);
	fds[ONCE_FD] = create(fds[0], KSYNC_TYPE_ONCE, 0, PRIMITIVES);
	/* A number that no type has. */
	for (type = DEVICE_FD; type < NR_FDS; type++)
		if (!fds[type])
			fds[type] = open("/dev/null", O_RDWR | O_CLOEXEC);
	mutex_of_waits = fds[MUTEX_FD];
	fds[EVENT_FD] = create_event(fds[0], 0, PRIMITIVES, 0);
	several[0] = (struct ksync_wait_item){
		.fd = fds[SEM_FD], .index = 7, .count = 1,
	};

	ASSERT_EQ(0, me(at(_IOC_NR(KSYNC_IOC_OBJ_CLAIM) & 7,
			   request(fds[SEM_FD], 0, 1, KSYNC_KEEP_MAX))));

	ASSERT_EQ(0, peer_fork(&victim));
	self->pidfd = syscall(SYS_pidfd_open, getpid(), 0);
	pidfd = syscall(SYS_pidfd_open, victim.pid, 0);
	ASSERT_LE(0, self->pidfd);
	ASSERT_LE(0, pidfd);
#define INDEX(name)	(_IOC_NR(KSYNC_IOC_##name) & 7)
#define MUTEX(name, c)	at(INDEX(MUTEX_##name), c)
#define RWLOCK(name, c)	at(INDEX(RWLOCK_##name), c)
#define WG(name, c)	at(INDEX(WAITGROUP_##name), c)
#define BARRIER(name, c) at(INDEX(BARRIER_##name), c)
#define ONCE(name, c)	at(INDEX(ONCE_##name), c)
	ASSERT_EQ(0, me(at(COND_MUTEX, mutex_trylock(fds[MUTEX_FD]))));
	ASSERT_EQ(0, me(BARRIER(LEAVE, barrier_join(fds[BARRIER_FD]))));
	ASSERT_EQ(0, me(BARRIER(RESET, barrier_join(fds[BARRIER_FD]))));
	ASSERT_EQ(0, me(BARRIER(RESET, barrier_leave(fds[BARRIER_FD]))));
	ASSERT_EQ(0, me(ONCE(BEGIN, once_begin(fds[ONCE_FD], NEVER))));
	ASSERT_EQ(0, me(ONCE(BEGIN, once_complete(fds[ONCE_FD], 1))));
	ASSERT_EQ(0, me(ONCE(COMPLETE, once_begin(fds[ONCE_FD], NEVER))));
	ASSERT_EQ(0, me(ONCE(ABANDON, once_begin(fds[ONCE_FD], NEVER))));
	ASSERT_EQ(0, me(ONCE(RESET, once_begin(fds[ONCE_FD], NEVER))));
	ASSERT_EQ(0, me(ONCE(RESET, once_complete(fds[ONCE_FD], 1))));
	ASSERT_EQ(0, me(at(INDEX(EVENT_WAIT), event_set(fds[EVENT_FD]))));
	ASSERT_EQ(0, me(WG(WAIT, waitgroup_add(fds[WAITGROUP_FD], 1))));
	ASSERT_EQ(0, me(WG(BIND, waitgroup_add(fds[WAITGROUP_FD], 1))));
	ASSERT_EQ(0, me(WG(WAIT, waitgroup_bind(fds[WAITGROUP_FD], pidfd))));
	ASSERT_EQ(0, me(MUTEX(UNLOCK, mutex_trylock(fds[MUTEX_FD]))));
	ASSERT_EQ(0, ask(&victim, MUTEX(CONSISTENT,
					mutex_trylock(fds[MUTEX_FD]))));
	ASSERT_EQ(0, me(RWLOCK(UNLOCK, rwlock_trywrlock(fds[RWLOCK_FD]))));
	ASSERT_EQ(0, me(RWLOCK(DOWNGRADE, rwlock_trywrlock(fds[RWLOCK_FD]))));
	ASSERT_EQ(0, me(RWLOCK(UPGRADE, rwlock_tryrdlock(fds[RWLOCK_FD]))));
	ASSERT_EQ(0, ask(&victim, RWLOCK(CONSISTENT,
					 rwlock_trywrlock(fds[RWLOCK_FD]))));
	peer_kill(&victim);
	close(pidfd);
	ASSERT_EQ(-EOWNERDEAD, me(MUTEX(CONSISTENT,
					mutex_lock(fds[MUTEX_FD], soon()))));
	ASSERT_EQ(-EOWNERDEAD, me(RWLOCK(CONSISTENT,
					 rwlock_wrlock(fds[RWLOCK_FD], soon()))));
	ASSERT_TRUE(UNTIL(!status_of(fds[WAITGROUP_FD],
				     INDEX(WAITGROUP_WAIT)).value));

	self->page = mmap(NULL, 0x10000, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_TRUE(self->page != MAP_FAILED);
	ASSERT_EQ(0, munmap(self->page + 0x8000, 0x8000));
	look(fds, &self->before);
}

FIXTURE_TEARDOWN(bad_input)
{
	peers_end();
}

/* A well-formed argument, at the end of what is mapped, with @extra zeros. */
static void *good(const char *page, int pidfd, const struct command *k,
		  unsigned int extra)
{
	unsigned int size = _IOC_SIZE(k->cmd);
	union uapi_args a = well_formed(k, pidfd);
	char *arg = (char *)page + 0x8000 - size - extra;

	memset(arg, 0, size + extra);
	memcpy(arg, &a, size);
	return arg;
}

static unsigned int resized(unsigned int cmd, unsigned int size)
{
	return _IOC(_IOC_DIR(cmd), _IOC_TYPE(cmd), _IOC_NR(cmd), size);
}

/* Adds to *@bad, and says so, unless the call fails as it must. */
#define REJECT(bad, expected, fd, cmd, arg, what, ...)			\
do {									\
	struct state after_;						\
	int ret_ = ioctl(fd, cmd, arg) < 0 ? -errno : 0;		\
	look(self->fds, &after_);					\
	if (ret_ == (expected) &&					\
	    !memcmp(&after_, &self->before, sizeof(after_)))		\
		break;							\
	(bad)++;							\
	TH_LOG("%s: " what ": %s, and the state has %schanged", k->name,	\
	       ##__VA_ARGS__, ret_ ? strerror(-ret_) : "accepted",	\
	       memcmp(&after_, &self->before, sizeof(after_)) ? "" : "not "); \
	self->before = after_;						\
} while (0)

/* All that follows would mean little if this did not work. */
static int run_good(const int *fds, const char *page, int pidfd,
		    const struct state *before, unsigned int extra)
{
	struct state last = *before, now;
	const struct command *k;
	unsigned int more;
	int bad = 0, ret;

	FOR_EACH(k) {
		more = extra == LARGEST ? LARGEST - _IOC_SIZE(k->cmd) : extra;
		ret = ioctl(fd_of(fds, k), resized(k->cmd, _IOC_SIZE(k->cmd) +
						   more),
			    good(page, pidfd, k, more));
		if (ret < 0)
			ret = -errno;
		look(fds, &now);
		if (ret == k->result &&
		    !memcmp(&now, &last, sizeof(now)) == !k->changes) {
			last = now;
			continue;
		}
		fprintf(stderr, "# %s: %s\n", k->name, strerror(-ret));
		last = now;
		bad++;
	}
	return bad;
}

TEST_F(bad_input, well_formed_is_accepted)
{
	EXPECT_EQ(0, run_good(self->fds, self->page, self->pidfd,
			      &self->before, 0));
}

TEST_F(bad_input, longer_with_zeros_is_accepted)
{
	EXPECT_EQ(0, run_good(self->fds, self->page, self->pidfd,
			      &self->before, 8));
}

TEST_F(bad_input, the_longest_with_zeros_is_accepted)
{
	EXPECT_EQ(0, run_good(self->fds, self->page, self->pidfd,
			      &self->before, LARGEST));
}

TEST_F(bad_input, longer_with_something_in_it)
{
	static const unsigned int extras[] = { 1, 2, 8, 100, 5000 };
	const struct command *k;
	unsigned int size;
	int bad = 0;
	char *arg;
	size_t i;

	FOR_EACH(k) {
		if (!(_IOC_DIR(k->cmd) & _IOC_WRITE))
			continue;	/* it is not looked at */
		for (i = 0; i < ARRAY_SIZE(extras); i++) {
			size = _IOC_SIZE(k->cmd);
			arg = good(self->page, self->pidfd, k, extras[i]);
			arg[size] = 1;
			REJECT(bad, -E2BIG, fd_of(self->fds, k),
			       resized(k->cmd, size + extras[i]), arg,
			       "first of %u bytes more", extras[i]);
			arg[size] = 0;
			arg[size + extras[i] - 1] = 0x80;
			REJECT(bad, -E2BIG, fd_of(self->fds, k),
			       resized(k->cmd, size + extras[i]), arg,
			       "last of %u bytes more", extras[i]);
		}
	}
	EXPECT_EQ(0, bad);
}

TEST_F(bad_input, shorter)
{
	const struct command *k;
	unsigned int size;
	int bad = 0;

	FOR_EACH(k)
		for (size = 0; size < size_min(k);
		     size += size + 5 < _IOC_SIZE(k->cmd) ? 4 : 1)
			REJECT(bad, -EINVAL, fd_of(self->fds, k),
			       resized(k->cmd, size),
			       good(self->page, self->pidfd, k, 0),
			       "%u bytes", size);
	EXPECT_EQ(0, bad);
}

/* As programs have them that were built before the argument grew. */
TEST_F(bad_input, as_first_published)
{
	struct state last = self->before, now;
	const struct command *k;
	unsigned int less;
	int bad = 0, ret;
	char *arg;

	FOR_EACH(k) {
		less = _IOC_SIZE(k->cmd) - size_min(k);
		if (!less)
			continue;
		arg = good(self->page, self->pidfd, k, 0);
		memmove(arg + less, arg, size_min(k));
		ret = ioctl(fd_of(self->fds, k), resized(k->cmd, size_min(k)),
			    arg + less);
		if (ret < 0)
			ret = -errno;
		look(self->fds, &now);
		if (ret != k->result ||
		    !memcmp(&now, &last, sizeof(now)) != !k->changes) {
			TH_LOG("%s: %s", k->name, strerror(-ret));
			bad++;
		}
		last = now;
	}
	EXPECT_EQ(0, bad);
}

TEST_F(bad_input, flags_and_padding)
{
	const struct command *k;
	int bad = 0, bit;
	const int *field;
	__u32 value;
	char *arg;

	FOR_EACH(k) {
		for (field = k->zero; *field != END; field++) {
			for (bit = 0; bit < 32; bit++) {
				value = 1U << bit;
				arg = good(self->page, self->pidfd, k, 0);
				memcpy(arg + *field, &value, sizeof(value));
				REJECT(bad, -EINVAL, fd_of(self->fds, k),
				       k->cmd, arg, "bit %d at offset %d", bit,
				       *field);
			}
		}
	}
	EXPECT_EQ(0, bad);
}

TEST_F(bad_input, index_out_of_range)
{
	static const __u32 indexes[] = {
		PRIMITIVES, PRIMITIVES + 1, 1U << 26, 1U << 31, UINT32_MAX,
	};
	const struct command *k;
	int bad = 0;
	__u32 *arg;
	size_t i;

	FOR_EACH(k) {
		if (k->on == DEVICE_FD || k->cmd == KSYNC_IOC_OBJ_INFO ||
		    k->cmd == KSYNC_IOC_OBJ_THREAD ||
		    k->cmd == KSYNC_IOC_RWLOCK_SLOT)
			continue;
		for (i = 0; i < ARRAY_SIZE(indexes); i++) {
			arg = good(self->page, self->pidfd, k, 0);
			*arg = indexes[i];
			REJECT(bad, -EINVAL, fd_of(self->fds, k), k->cmd, arg,
			       "index %u", indexes[i]);
		}
	}
	EXPECT_EQ(0, bad);
}

TEST_F(bad_input, bad_pointers)
{
	void *kernel = (void *)(sizeof(long) == 8 ? (unsigned long)
				0xffffffff81000000ULL : 0xfffff000UL);
	const struct command *k;
	int bad = 0, cut;
	char *arg;

	FOR_EACH(k) {
		int fd = fd_of(self->fds, k);

		REJECT(bad, -EFAULT, fd, k->cmd, NULL, "NULL");
		REJECT(bad, -EFAULT, fd, k->cmd, (void *)-8L, "the last bytes");
		REJECT(bad, -EFAULT, fd, k->cmd, kernel, "in the kernel");
		REJECT(bad, -EFAULT, fd, k->cmd, self->page + 0x8000,
		       "not mapped");
		for (cut = 4; cut < (int)_IOC_SIZE(k->cmd); cut += cut) {
			arg = good(self->page, self->pidfd, k, 0);
			memmove(arg + cut, arg, _IOC_SIZE(k->cmd) - cut);
			REJECT(bad, -EFAULT, fd, k->cmd, arg + cut,
			       "without its last %d bytes", cut);
		}
	}
	EXPECT_EQ(0, bad);
}

/* Nothing is made that could not be told of. */
TEST_F(bad_input, results_into_read_only_memory)
{
	const struct command *k;
	int bad = 0;
	void *arg;

	FOR_EACH(k) {
		if (!(_IOC_DIR(k->cmd) & _IOC_READ))
			continue;
		arg = good(self->page, self->pidfd, k, 0);
		ASSERT_EQ(0, mprotect(self->page, 0x8000, PROT_READ));
		REJECT(bad, -EFAULT, fd_of(self->fds, k), k->cmd, arg,
		       "read-only");
		ASSERT_EQ(0, mprotect(self->page, 0x8000,
				      PROT_READ | PROT_WRITE));
	}
	EXPECT_EQ(0, bad);
}

TEST_F(bad_input, on_another_kind_of_object)
{
	const struct command *k;
	int bad = 0, on;

	FOR_EACH(k) {
		for (on = 0; on < NR_FDS; on++) {
			if (on == k->on || (on && for_any_object(k)))
				continue;
			REJECT(bad, -ENOTTY, self->fds[on], k->cmd,
			       good(self->page, self->pidfd, k, 0),
			       "on descriptor %d", on);
			REJECT(bad, -ENOTTY, self->fds[on], k->cmd, NULL,
			       "on descriptor %d, NULL", on);
		}
	}
	EXPECT_EQ(0, bad);
}

TEST_F(bad_input, commands_that_do_not_exist)
{
	static const unsigned int sizes[] = { 0, 4, 8, 16, 24, 256, LARGEST };
	const struct command *k;
	unsigned int nr, dir;
	int bad = 0, on;
	size_t i;

	for (nr = 0; nr < 256; nr++) {
		FOR_EACH(k)
			if (_IOC_NR(k->cmd) == nr)
				break;
		if (k < commands + ARRAY_SIZE(commands))
			continue;
		for (on = 0; on < NR_FDS; on++) {
			for (i = 0; i < ARRAY_SIZE(sizes); i++) {
				dir = (nr + i) & 3;
				if (ioctl(self->fds[on],
					  _IOC(dir, KSYNC_IOC_MAGIC, nr,
					       sizes[i]), self->page) == -1 &&
				    errno == ENOTTY)
					continue;
				TH_LOG("number %#x on %d", nr, on);
				bad++;
			}
		}
	}
	EXPECT_EQ(0, bad);
}

/* Of another driver, and in another direction. */
TEST_F(bad_input, commands_that_look_alike)
{
	const struct command *k;
	unsigned int dir, magic;
	int bad = 0;

	FOR_EACH(k) {
		for (magic = 0xd6; magic <= 0xd8; magic++) {
			for (dir = 0; dir < 4; dir++) {
				if (magic == KSYNC_IOC_MAGIC &&
				    dir == _IOC_DIR(k->cmd))
					continue;
				REJECT(bad, -ENOTTY, fd_of(self->fds, k),
				       _IOC(dir, magic, _IOC_NR(k->cmd),
					    _IOC_SIZE(k->cmd)),
				       good(self->page, self->pidfd, k, 0),
				       "magic %#x, direction %u", magic, dir);
			}
		}
	}
	EXPECT_EQ(0, bad);
}

TEST_F(bad_input, descriptors_that_are_none)
{
	int path = open(DEVICE, O_PATH | O_CLOEXEC);
	const struct command *k;
	int bad = 0;

	ASSERT_LE(0, path);
	look(self->fds, &self->before);
	FOR_EACH(k) {
		void *arg = good(self->page, self->pidfd, k, 0);

		REJECT(bad, -EBADF, -1, k->cmd, arg, "descriptor -1");
		REJECT(bad, -EBADF, FDS, k->cmd, arg, "closed descriptor");
		REJECT(bad, -EBADF, path, k->cmd, arg, "O_PATH descriptor");
	}
	EXPECT_EQ(0, bad);
}

UAPI_MAIN
