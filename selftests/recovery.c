// SPDX-License-Identifier: GPL-2.0-only
/*
 * Deaths in the middle of somebody else's look for the dead. A looker is stopped
 * at an instruction; there a resident, who has the object open and never used it,
 * takes a lock for the first time and is killed. The looker goes on. Whatever it
 * had seen until then, the lock must pass on, with the report.
 *
 *	looker    call .....stop............................goes on, stays
 *	resident             takes, is killed
 *	tester                                                takes over
 *
 * The stops: before each system call of the call, since that is where others are
 * looked at (on an emulated machine, before one in four), and at random.
 *
 *	KSYNC_ROUNDS_MS		how long each goes on (500)
 *	KSYNC_SEED		the random ones
 */

#include "stepper.h"
#include "types.h"

/* One thing to hold, and how to see that it was passed on. */
struct asset {
	const struct type_ops *ops;
	struct ksync_options options;
	job_fn take;
	long (*inherit)(void *h);	/* 0 when it came with the right report */
	int (*give)(void *h);
	job_fn keep, try;
};

static long inherit_mutex(void *h)
{
	long err = ksync_mutex_lock_until(h, PATIENTLY);

	return err == -EOWNERDEAD ? ksync_mutex_consistent(h) : err ?: -EBADMSG;
}

static int give_mutex(void *h)
{
	return ksync_mutex_unlock(h);
}

static const struct asset a_mutex = {
	&mutex_ops, { .nr = 2 },
	job_mutex_lock, inherit_mutex, give_mutex,
	job_mutex_lock, job_mutex_trylock,
};

static long inherit_rwlock(void *h)
{
	long err = ksync_rwlock_wrlock_until(h, PATIENTLY);

	return err == -EOWNERDEAD ? ksync_rwlock_consistent(h) :
				    err ?: -EBADMSG;
}

static int give_rwlock(void *h)
{
	return ksync_rwlock_unlock(h);
}

static const struct asset a_rwlock = {
	&rwlock_ops, { .nr = 2 },
	job_wrlock, inherit_rwlock, give_rwlock,
	job_wrlock, job_trywrlock,
};

/* What a reader leaves needs no report. */
static long inherit_from_reader(void *h)
{
	return ksync_rwlock_wrlock_until(h, PATIENTLY);
}

static const struct asset a_read_hold = {
	&rwlock_ops, { .nr = 2 },
	job_rdlock, inherit_from_reader, give_rwlock,
	job_rdlock, job_trywrlock,
};

static long take_permits(void *h, uint64_t unused)
{
	return ksync_sem_acquire(h, 2);
}

static long inherit_permits(void *h)
{
	return ksync_sem_acquire_until(h, 2, PATIENTLY);
}

static int give_permits(void *h)
{
	return ksync_sem_release(h, 2);
}

static long try_permits(void *h, uint64_t unused)
{
	return ksync_sem_tryacquire(h, 2);
}

static const struct asset some_permits = {
	&sem_ops, { .nr = 2, .flags = KSYNC_TRACKED, .value = 2, .max = 2 },
	take_permits, inherit_permits, give_permits,
	take_permits, try_permits,
};

struct scene {
	const struct asset *asset;
	void *object, *other;		/* primitive 0 and 1 */
	struct actor keeper, resident;
	struct victim_notes *notes;
	struct victim_map map;
	uint64_t longest, random;
};

FIXTURE(recovery) {
	struct scene s;
};

FIXTURE_VARIANT(recovery) {
	const struct asset *asset;
};

FIXTURE_VARIANT_ADD(recovery, mutex) { .asset = &a_mutex };
FIXTURE_VARIANT_ADD(recovery, rwlock) { .asset = &a_rwlock };
FIXTURE_VARIANT_ADD(recovery, read_hold) { .asset = &a_read_hold };
FIXTURE_VARIANT_ADD(recovery, permits) { .asset = &some_permits };

/* The looker's, inherited from the test. */
static struct scene *scene;
static int object_fd;

FIXTURE_SETUP(recovery)
{
	REQUIRE_BACKEND();
	REQUIRE(KSYNC_G_PROCESS_DEATH);
	scene = &self->s;
	scene->asset = variant->asset;
	scene->notes = shared_memory(sizeof(*scene->notes));
	scene->random = test_seed();
}

static void end_scene(struct scene *s)
{
	actor_end(&s->keeper);
	actor_end(&s->resident);
	if (!s->object)
		return;
	s->asset->ops->close(s->other);
	s->asset->ops->close(s->object);
	s->object = NULL;
}

FIXTURE_TEARDOWN(recovery)
{
	end_scene(&self->s);
}

static long nothing(void *obj, uint64_t unused)
{
	return 0;
}

/* Two who have it open, and have not used it: one for good and one to die. */
static long begin_scene(struct scene *s)
{
	const struct asset *asset = s->asset;
	long err;

	err = asset->ops->create(&s->object, &asset->options);
	if (err)
		return err;
	s->other = asset->ops->at(s->object, 1);
	err = actor_begin(&s->keeper, ACTOR_PROCESS) ?:
	      actor_begin(&s->resident, ACTOR_PROCESS);
	return err ?: actor_do(&s->keeper, nothing, NULL, 0) ?:
	       actor_do(&s->resident, nothing, NULL, 0);
}

/* A newcomer looks at who is there when it opens the object. */
static long forget_object(void *unused, uint64_t unused_too)
{
	object_fd = dup(scene->asset->ops->fd(scene->object));
	scene->asset->ops->close(scene->other);
	scene->asset->ops->close(scene->object);
	return object_fd < 0 ? -errno : 0;
}

static long open_object(void *unused, uint64_t unused_too)
{
	void *h;

	return scene->asset->ops->import(&h, object_fd);
}

/* Alive, so that nobody finds out by its end what it has overlooked. */
static long stay(void *unused, uint64_t unused_too)
{
	for (;;)
		pause();
	return 0;
}

static const struct victim_calls newcomer = {
	.prepare = forget_object, .call = open_object, .clean = stay,
};

/* Who finds something taken looks whether its holder lives. */
static long try_other(void *unused, uint64_t unused_too)
{
	long err = scene->asset->try(scene->other, 0);

	return err == -EBUSY ? 0 : err ?: -EBADMSG;
}

static const struct victim_calls seeker = {
	.call = try_other, .clean = stay,
};

/* 0, or the first that went wrong, @what. The looker stops @at. */
static long look_until(struct scene *s,
		       const struct victim_calls *calls, uint64_t at,
		       const char **what)
{
	const struct asset *asset = s->asset;
	bool first = !s->longest;
	struct victim v = {};
	uint64_t begun;
	long err;

	*what = "begin";
	err = begin_scene(s);
	if (!err && calls == &seeker)
		err = actor_do(&s->keeper, asset->keep, s->other, 0);
	if (err)
		return err;
	*what = "the looker does not get there";
	if (!victim_begin(&v, calls, NULL, s->notes) ||
	    s->notes->prepared ||
	    !victim_go(&v, at, first ? NULL : &s->map,
		       first ? &s->map : NULL)) {
		victim_kill(&v);
		return s->notes->prepared ?: -ESRCH;
	}
	if (first)
		s->longest = v.steps;

	*what = "the resident cannot take it";
	err = actor_do(&s->resident, asset->take, s->object, 0);
	actor_kill(&s->resident);
	if (!victim_release(&v) && !err)
		err = -ESRCH;
	begun = now_ns();
	if (!err) {
		*what = "the tester cannot take it over";
		err = asset->inherit(s->object) ?: asset->give(s->object);
		if (!err &&
		    now_ns() - begun > notice_bound_ms() * NSEC_PER_MSEC)
			err = -ETIME;
	}
	if (!err) {
		*what = "the looker cannot go on";
		WAIT_FOR(s->notes->result != VICTIM_NOT_YET);
		err = s->notes->result;
	}
	victim_kill(&v);
	if (!err)
		end_scene(s);
	return err;
}

static void look_everywhere(struct __test_metadata *_metadata,
			    struct scene *s,
			    const struct victim_calls *calls)
{
	unsigned int step = machine_is_slow() ? 4 : 1, n = 0;
	uint64_t until = now_ns() + rounds_ns(), at = UINT64_MAX;
	unsigned int call = next_random(&s->random) % step;
	const char *what;
	long err;

	/* The first one goes to the end and shows where the system calls are. */
	for (;; n++) {
		err = look_until(s, calls, at, &what);
		ASSERT_EQ(0, err)
			TH_LOG("%s (stop after %llu of %llu instructions)", what,
			       (unsigned long long)at,
			       (unsigned long long)s->longest);
		if (call >= s->map.nr && now_ns() >= until)
			break;
		at = call < s->map.nr ? s->map.at[call] :
		     next_random(&s->random) % s->longest;
		call += step;
	}
	printf("# %u stops in %llu instructions with %u system calls\n", n + 1,
	       (unsigned long long)s->longest, s->map.nr);
}

TEST_F_TIMEOUT(recovery, by_newcomer, 120)
{
	look_everywhere(_metadata, &self->s, &newcomer);
}

TEST_F_TIMEOUT(recovery, by_seeker, 120)
{
	look_everywhere(_metadata, &self->s, &seeker);
}

TEST_HARNESS_MAIN
