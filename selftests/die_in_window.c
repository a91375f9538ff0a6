// SPDX-License-Identifier: GPL-2.0-only
/*
 * Death between any two instructions of a call. For each call of the library a
 * victim is moved by single steps, and killed after none of them, one, two and
 * so on to the last; others come before, meanwhile or afterwards, and must get
 * what they want within the bound, alone, once, and with the right report.
 *
 * Or it is only stopped there while somebody comes, and goes on: then nobody may
 * notice anything.
 *
 *	KSYNC_WINDOW_STRIDE	1: at each instruction, 2: at every second one,
 *				and so on. By default at some of each call: as
 *				many as half of KSYNC_ROUNDS_MS (500) allows, on
 *				an emulated machine a quarter. There only one in
 *				eight calls of the futex backend is tried, which
 *				is the code that the host runs, and one in three
 *				of the module's
 *	KSYNC_WINDOW_LONGEST	the stride is for calls of so many instructions
 *				at most
 *	KSYNC_WINDOW_SECONDS	and each of them is left after so long
 *	KSYNC_SEED		which ones, and who comes when
 */

#include "windows_many.h"
#include "windows_rendezvous.h"

/* Primitives; after so many deaths all is made anew. */
#define SEATS 32

/* A victim dies at most so many instructions after somebody has come... */
#define SOON 40
/* ...and so often at each instruction, when each is tried. */
#define AGAIN (machine_is_slow() ? 1 : 3)

enum moment {
	BEFORE_CALL,		/* the mate waits already */
	AT_STOP,		/* while the victim stands still */
	AFTER_DEATH,
	MOMENTS,
};

/* One stop of one victim. */
struct stop {
	uint64_t at;		/* instructions; more than there are: the end */
	enum moment mate_comes;
	const struct window_role *mate;	/* NULL: nobody */
	bool goes_on;		/* instead of being killed... */
	uint64_t more;		/* ...which it is so many instructions later */
};

/* Shared with the mate, who says that it has begun. */
struct turn {
	const struct window_role *role;
	uint32_t begun;
};

struct scene {
	const struct window *w;
	void *object, *seat[SEATS];
	unsigned int seats_used;
	struct actor keeper, mate;
	struct turn *turn;
	struct victim_notes *notes;
	bool kept;		/* the keeper holds something */
	enum going going;	/* the victim */
	uint64_t random;
	/* What came of it. */
	uint64_t stops, longest, worst_ns;
	struct victim_map map;
	unsigned int told[GIVEN_UP + 1];
	char wrong[256];
};

/* The first thing that was not right. */
static bool __attribute__((format(printf, 3, 4)))
check(struct scene *s, bool right, const char *format, ...)
{
	va_list args;

	if (!right && !*s->wrong) {
		va_start(args, format);
		vsnprintf(s->wrong, sizeof(s->wrong), format, args);
		va_end(args);
	}
	return right;
}

static void *seat(struct scene *s)
{
	return s->seat[s->seats_used];
}

static uint32_t losses(struct scene *s)
{
	const struct type_ops *ops = s->w->type->ops;
	struct ksync_status st = {};

	if (!ops || ops->status(seat(s), &st))
		return 0;
	return s->w->tells == TELLS_LOSSES ? st.lost : st.deaths;
}

static void open_scene(struct scene *s)
{
	const struct window_type *type = s->w->type;
	int i, err;

	err = type->create(&s->object, s->w->flags, SEATS);
	check(s, !err, "create: %s", ksync_strerror(err));
	if (err)
		return;
	/* Before the others are forked, so that they know them, too. */
	for (i = 0; i < SEATS; i++)
		s->seat[i] = type->ops ? type->ops->at(s->object, i) :
					 s->object;
	s->seats_used = 0;
	err = actor_begin(&s->keeper, ACTOR_PROCESS) ?:
	      actor_begin(&s->mate, ACTOR_PROCESS);
	check(s, !err, "no actors: %s", strerror(-err));
}

static void close_scene(struct scene *s)
{
	actor_end(&s->keeper);
	actor_end(&s->mate);
	if (!s->object)
		return;
	if (s->w->type->ops)
		s->w->type->ops->close(s->object);
	else
		unlink_name(s->object, 0);
	s->object = NULL;
}

/* The mate's job, in its own process. */
static long take_turn(void *h, uint64_t turn)
{
	struct turn *t = (void *)turn;

	__atomic_store_n(&t->begun, 1, __ATOMIC_SEQ_CST);
	return t->role->come(h, 0);
}

/* It has what it wants, or stands still for the lack of it. */
static bool mate_settled(struct scene *s)
{
	struct victim mate = { .pid = s->mate.pid };

	return !actor_busy(&s->mate, 0) ||
	       (__atomic_load_n(&s->turn->begun, __ATOMIC_SEQ_CST) &&
		victim_sleeps(&mate));
}

static void mate_comes(struct scene *s, const struct window_role *role)
{
	s->turn->role = role;
	s->turn->begun = 0;
	actor_start(&s->mate, take_turn, seat(s), (uint64_t)s->turn);
	check(s, WAIT_FOR(mate_settled(s)), "the mate is lost");
}

static uint32_t waiting(struct scene *s)
{
	struct ksync_status st = {};

	s->w->type->ops->status(seat(s), &st);
	return st.waiters + st.waiters_shared;
}

/*
 * A victim that waited is in nobody's way, and others pass it. So nothing may
 * lead to its death but a look at all processes, which a backend that is not
 * told of deaths takes only every so often. Who lives has left by itself.
 */
static bool nobody_waits(struct scene *s, bool somebody_died)
{
	uint64_t bound = somebody_died ? notice_bound_ms() * NSEC_PER_MSEC : 0;
	uint64_t end = now_ns() + bound;

	while (waiting(s)) {
		if (now_ns() >= end)
			return false;
		sleep_ns(NSEC_PER_MSEC / 5);
	}
	return true;
}

/* Within the bound since @begun; its outcome. */
static long in_time(struct scene *s, uint64_t begun, const char *who, long ret)
{
	uint64_t took = now_ns() - begun;

	check(s, ret >= 0, "%s: %s", who,
	      ret == ACTOR_STUCK ? "stuck" : ksync_strerror(ret));
	check(s, took <= notice_bound_ms() * NSEC_PER_MSEC,
	      "%s had to wait for %llu ms", who,
	      (unsigned long long)(took / NSEC_PER_MSEC));
	if (took > s->worst_ns)
		s->worst_ns = took;
	return ret;
}

/* The mate has its turn and leaves; what it was told. */
static long mate_goes(struct scene *s, uint64_t since)
{
	const struct window_role *role = s->turn->role;
	long told = actor_result(&s->mate), err = 0;

	if (told != ACTOR_STUCK)
		told = lock_outcome(told);
	told = in_time(s, since, "mate", told);
	if (told == REPORT)
		err = actor_do(&s->mate, role->repair, seat(s), 0);
	check(s, !err, "mate's repair: %ld", err);
	if (told == NO_REPORT || told == REPORT)
		err = actor_do(&s->mate, role->leave, seat(s), 0);
	check(s, !err, "mate's leave: %ld", err);
	return told;
}

static void keep(struct scene *s)
{
	if (!s->w->keep)
		return;
	s->kept = !actor_do(&s->keeper, s->w->keep, seat(s), 0);
	check(s, s->kept, "the keeper cannot keep");
}

static void let_go(void *scene)
{
	struct scene *s = scene;
	long err = 0;

	if (s->kept && s->w->let_go)
		err = actor_do(&s->keeper, s->w->let_go, seat(s), s->going);
	s->kept = false;
	check(s, !err, "the keeper cannot let go: %ld", err);
}

/* The mate waits, and the victim is not going to change that. */
static bool mate_is_left(struct scene *s, const struct stop *stop,
			 struct victim *v)
{
	int ms = ksync_guarantees() & KSYNC_G_PROMPT ? WATCH_MS : 150;

	if (stop->goes_on)
		WAIT_FOR(victim_is_through(v) || !actor_busy(&s->mate, 0));
	return actor_busy(&s->mate, ms);
}

/* Does what the victim has not; if it was through, it has. */
static void help_mate(struct scene *s, const struct stop *stop,
		      struct victim *v)
{
	long err;

	if (!s->w->instead || (v->over && stop->mate_comes == BEFORE_CALL) ||
	    !mate_is_left(s, stop, v))
		return;
	err = actor_do(&s->keeper, s->w->instead, seat(s), 0);
	check(s, !err, "the keeper cannot help: %ld", err);
}

/* Takes all of it, alone, and leaves it as new; the outcome. */
static long seize(struct scene *s)
{
	const struct window_type *type = s->w->type;
	uint64_t begun = now_ns();
	long told, err;

	told = in_time(s, begun, "tester", type->seize(seat(s)));
	if (told < 0 || told == GIVEN_UP)
		return told;
	if (type->intrude) {
		err = actor_do(&s->keeper, type->intrude, seat(s), 0);
		check(s, err == -EBUSY, "held, and held again: %ld", err);
	}
	if (type->give) {
		err = type->give(seat(s), told);
		check(s, !err, "the tester cannot give it back: %ld", err);
	}
	return told;
}

/* The victim is dead: was the right thing told, by whomever, and counted? */
static void judge_death(struct scene *s, struct victim *v, uint32_t lost,
			long told)
{
	const struct window *w = s->w;
	bool done;

	switch (w->tells) {
	case TELLS_ALL:
		check(s, lost == (told == REPORT), "%u deaths, report %ld",
		      lost, told);
		break;
	case TELLS_EARLIER:
		/* Whenever that one was noticed. */
		check(s, lost <= 2, "%u deaths", lost);
		break;
	case TELLS_WRITERS:
		check(s, lost <= 1 && (told != REPORT || lost),
		      "%u deaths, report %ld", lost, told);
		break;
	case TELLS_LOSSES:
		check(s, !told, "report %ld", told);
		told = lost;
		break;
	case TELLS_BREAKS:
		check(s, lost <= (told == REPORT), "%u deaths, report %ld",
		      lost, told);
		break;
	case TELLS_UNBOUND:
		check(s, !lost, "%u deaths of who was not bound", lost);
		break;
	}
	check(s, told == w->before || told == w->after ||
	      (w->between && told <= REPORT),
	      "outcome %ld, neither %ld nor %ld", told, w->before, w->after);
	check(s, v->steps || told == w->before || w->loose,
	      "outcome %ld though it had not begun", told);
	done = v->notes->result != w->may || !w->may;
	check(s, !v->over || told == (done ? w->after : w->before) || w->loose,
	      "outcome %ld though it was through", told);
	if (told >= 0 && told <= GIVEN_UP)
		s->told[told]++;
}

/* The victim was only stopped: nothing may have come of that. */
static void judge_life(struct scene *s, struct victim *v, uint32_t lost,
		       long told)
{
	const struct window *w = s->w;
	long result = v->notes->result;

	check(s, !result || result == w->may ||
	      (w->before == REPORT && result == -EOWNERDEAD),
	      "the victim's call: %s", ksync_strerror(result));
	check(s, !v->notes->cleaned, "the victim's cleaning up: %ld",
	      v->notes->cleaned);
	check(s, lost <= (w->tells == TELLS_EARLIER), "%u deaths of nobody",
	      lost);
	check(s, !told || w->before == REPORT || told == w->after,
	      "report %ld of nobody's death", told);
}

static long worse(long a, long b)
{
	return a < 0 || b < 0 ? (a < b ? a : b) : a > b ? a : b;
}

/* The first one goes to the end, and shows how far that is. */
static void move_on(struct scene *s, const struct stop *stop, struct victim *v)
{
	bool first = !s->longest;

	check(s, victim_go(v, stop->at, first ? NULL : &s->map,
			   first ? &s->map : NULL), "the victim is stuck");
	if (first)
		s->longest = v->steps;
}

/* On with the mate there, for whom it may have to wait: that is as good. */
static void move_more(struct scene *s, const struct stop *stop,
		      struct victim *v)
{
	v->asleep = NULL;
	v->naps = true;
	check(s, victim_go(v, v->steps + stop->more, NULL, NULL) || v->napping,
	      "the victim is stuck when somebody has come");
}

static void make_stop(struct scene *s, const struct stop *stop, struct victim *v)
{
	const struct window_role *mate = stop->mate;
	uint64_t since;
	uint32_t lost;
	long told = NO_REPORT;

	check(s, victim_begin(v, &s->w->calls, seat(s), s->notes),
	      "the victim cannot begin");
	if (!check(s, !s->notes->prepared, "the victim's preparing: %ld",
		   s->notes->prepared))
		return;
	s->going = GOES_NOWHERE;
	keep(s);
	lost = losses(s);
	if (mate && stop->mate_comes == BEFORE_CALL) {
		mate_comes(s, mate);
		check(s, s->w->type->uncounted || WAIT_FOR(waiting(s) == 1),
		      "the mate does not wait");
	}
	v->asleep = s->w->times_out ? NULL : let_go;
	v->asleep_arg = s;
	move_on(s, stop, v);
	if (mate && stop->mate_comes == AT_STOP) {
		mate_comes(s, mate);
		move_more(s, stop, v);
	}

	if (stop->goes_on)
		check(s, victim_release(v), "cannot let it go on");
	else
		victim_kill(v);
	if (stop->goes_on)
		s->going = mate ? GOES_WITH_MATE : GOES_ALONE;
	let_go(s);
	since = now_ns();
	if (mate && stop->mate_comes == AFTER_DEATH)
		mate_comes(s, mate);
	if (mate)
		help_mate(s, stop, v);
	if (mate)
		told = mate_goes(s, since);
	if (stop->goes_on)
		check(s, victim_ends(v), "the victim cannot end");
	told = worse(told, seize(s));
	lost = losses(s) - lost;
	if (stop->goes_on)
		judge_life(s, v, lost, told);
	else
		judge_death(s, v, lost, told);
	if (s->w->type->ops)
		check(s, nobody_waits(s, !stop->goes_on),
		      "somebody still waits");
	s->stops++;
}

/* False, with the place of it in s->wrong, when something was not right. */
static bool try_stop(struct scene *s, const struct stop *stop)
{
	struct victim v = {};
	size_t n;

	if (!s->object || s->seats_used == SEATS) {
		close_scene(s);
		open_scene(s);
	}
	if (!*s->wrong)
		make_stop(s, stop, &v);
	s->seats_used++;
	victim_kill(&v);
	if (!*s->wrong)
		return true;
	n = strlen(s->wrong);
	snprintf(s->wrong + n, sizeof(s->wrong) - n,
		 " (%s after %llu instructions%s, mate %s)",
		 stop->goes_on ? "stopped" : "killed",
		 (unsigned long long)v.steps, v.over ? ", at the end" : "",
		 !stop->mate ? "absent" :
		 stop->mate_comes == BEFORE_CALL ? "before" :
		 stop->mate_comes == AT_STOP ? "meanwhile" : "afterwards");
	return false;
}

/* Without a mate, or with one that goes on, some moments are the same. */
static bool makes_sense(const struct window *w, const struct stop *stop)
{
	switch (stop->mate_comes) {
	case BEFORE_CALL:
		return stop->mate && w->queue;
	case AT_STOP:
		return stop->mate;
	default:
		return !stop->mate || !stop->goes_on;
	}
}

/* There is room for chance in who comes and when. */
static bool stop_at(struct scene *s, uint64_t at, bool may_go_on)
{
	struct stop stop = { .at = at };

	stop.goes_on = may_go_on && next_random(&s->random) % 4 == 0;
	stop.mate = s->w->mate[next_random(&s->random) % 2];
	do {
		stop.mate_comes = next_random(&s->random) % MOMENTS;
	} while (!makes_sense(s->w, &stop));
	if (stop.mate_comes == AT_STOP && !stop.goes_on)
		stop.more = next_random(&s->random) % SOON;
	return try_stop(s, &stop);
}

#include "window_places.h"

FIXTURE(window) {
	struct scene scene;
};

FIXTURE_VARIANT(window) {
	struct window w;
};

#include "window_list.h"

FIXTURE_SETUP(window)
{
	struct scene *s = &self->scene;

	REQUIRE_BACKEND();
	REQUIRE(KSYNC_G_PROCESS_DEATH | variant->w.needs);
	s->w = &variant->w;
	s->turn = shared_memory(sizeof(*s->turn));
	s->notes = shared_memory(sizeof(*s->notes));
	s->random = test_seed();
}

FIXTURE_TEARDOWN(window)
{
	close_scene(&self->scene);
}

TEST_F_TIMEOUT(window, die_in_window, 7200)
{
	struct scene *s = &self->scene;
	unsigned long stride;

	if (!getenv("KSYNC_WINDOW_STRIDE") && is_left_out(s)) {
		printf("# left out this time\n");
		return;
	}
	if (stop_at(s, UINT64_MAX, false) && stop_at(s, 0, false)) {
		stride = stride_of(s);
		if (stride)
			stop_everywhere(s, stride);
		else
			stop_somewhere(s);
	}
	printf("# %llu stops in %llu instructions; outcomes %u, %u, %u; at most %llu ms\n",
	       (unsigned long long)s->stops, (unsigned long long)s->longest,
	       s->told[0], s->told[1], s->told[2],
	       (unsigned long long)(s->worst_ns / NSEC_PER_MSEC));
	EXPECT_EQ('\0', *s->wrong)
		TH_LOG("%s", s->wrong);
}

TEST_HARNESS_MAIN
