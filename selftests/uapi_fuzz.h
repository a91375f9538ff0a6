/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a fuzzer says: a source of random numbers, and arguments for every
 * command, right in every word at first and then wrong in one.
 */
#ifndef UAPI_FUZZ_H
#define UAPI_FUZZ_H

#include "uapi_commands.h"
#include "uapi_kinds.h"

#define NR	4		/* primitives in an object */
#define PAGE	4096

/* xorshift64*; never a zero state. */
struct random {
	__u64 state;
};

static inline struct random random_seed(unsigned long seed)
{
	struct random r = { seed * 0x9e3779b97f4a7c15ULL };

	r.state |= !r.state;
	return r;
}

static inline __u32 rnd(struct random *r, __u32 below)
{
	r->state ^= r->state >> 12;
	r->state ^= r->state << 25;
	r->state ^= r->state >> 27;
	return ((r->state * 0x2545f4914f6cdd1dULL) >> 32) % below;
}

static inline bool one_in(struct random *r, __u32 n)
{
	return rnd(r, n) == 0;
}

static inline __u32 boundary(struct random *r)
{
	static const __u32 values[] = {
		0, 1, 2, 3, 4, 5, 7, 8, 63, 64, 127, 128, 255, 256, 4095, 4096,
		65535, 65536, KSYNC_NR_MAX - 1, KSYNC_NR_MAX, KSYNC_NR_MAX + 1,
		(1U << 30) - 1, 1U << 30, KSYNC_COUNT_MAX - 1, KSYNC_COUNT_MAX,
		1U << 31, (1U << 31) + 1, UINT32_MAX - 1, UINT32_MAX,
	};

	return values[rnd(r, ARRAY_SIZE(values))];
}

/*
 * The words of 32 bits that an argument is made of, one letter for each:
 *
 *	0  zero			>  comes out; whatever goes in
 *	i  index		T  a deadline, two words
 *	c  a small count	s  a small count with a sign
 *	t  type of object	f  its flags
 *	n  its primitives	vm its value and maximum
 *	h  how to open		o  mode of a name
 *	N  a name, 32 words	C  a cursor, two words
 *	p  a pidfd		b  anything
 *	F  flags of a wait	k  the event that cancels it, two words
 *	L  flags of a mutex's
 *	A  flags of a wait for several	I  what for, two words
 *	e  an event's descriptor	M  a mutex's
 *	j  0 or 1		H  how long to keep a grant, two words
 *	x  a pointer to random words	z  size of what it points to
 *
 * Arguments grow: words that this ABI does not have yet are not used.
 */
static const struct shape {
	unsigned int cmd;
	const char *words;
} shapes[] = {
	{ KSYNC_IOC_DEV_INFO,		">>>>>>>>>>>>" },
	{ KSYNC_IOC_DEV_CREATE,		"tfnvm>" },
	{ KSYNC_IOC_DEV_OPEN,		"tfnvm>hoN" },
	{ KSYNC_IOC_DEV_UNLINK,		"N" },
	{ KSYNC_IOC_DEV_QUERY,		"000000000000Ni0000000000000000000" },
	{ KSYNC_IOC_DEV_LIST,		"C0000000000Z00000000000000000000" },
	{ KSYNC_IOC_DEV_THREAD,		">>" },
	{ KSYNC_IOC_OBJ_INFO,		">>>>>>>>>>N" },
	{ KSYNC_IOC_OBJ_STATUS,		"i>>>>>>>>>>>>>>>>>>>" },
	{ KSYNC_IOC_OBJ_WAKE,		"i0" },
	{ KSYNC_IOC_OBJ_THREAD,		">>" },
	{ KSYNC_IOC_MUTEX_LOCK,		"iLTk" },
	{ KSYNC_IOC_MUTEX_TRYLOCK,	"i0" },
	{ KSYNC_IOC_MUTEX_UNLOCK,	"i0" },
	{ KSYNC_IOC_MUTEX_CONSISTENT,	"i0" },
	{ KSYNC_IOC_RWLOCK_RDLOCK,	"iFTk" },
	{ KSYNC_IOC_RWLOCK_TRYRDLOCK,	"i0" },
	{ KSYNC_IOC_RWLOCK_WRLOCK,	"iFTk" },
	{ KSYNC_IOC_RWLOCK_TRYWRLOCK,	"i0" },
	{ KSYNC_IOC_RWLOCK_UNLOCK,	"i0" },
	{ KSYNC_IOC_RWLOCK_DOWNGRADE,	"i0" },
	{ KSYNC_IOC_RWLOCK_UPGRADE,	"i0" },
	{ KSYNC_IOC_RWLOCK_CONSISTENT,	"i0" },
	{ KSYNC_IOC_RWLOCK_SLOT,	">" },
	{ KSYNC_IOC_WAITGROUP_ADD,	"is" },
	{ KSYNC_IOC_WAITGROUP_WAIT,	"iFT>0k" },
	{ KSYNC_IOC_WAITGROUP_BIND,	"ip" },
	{ KSYNC_IOC_SEM_ACQUIRE,	"iFc0Tk" },
	{ KSYNC_IOC_SEM_TRYACQUIRE,	"i0c00000" },
	{ KSYNC_IOC_SEM_RELEASE,	"i0c00000" },
	{ KSYNC_IOC_SEM_RESIZE,		"i0c00000" },
	{ KSYNC_IOC_EVENT_SET,		"i0" },
	{ KSYNC_IOC_EVENT_RESET,	"i0" },
	{ KSYNC_IOC_EVENT_WAIT,		"iFTk" },
	{ KSYNC_IOC_EVENT_SET_PARENT,	"i0ei" },
	{ KSYNC_IOC_DEV_WAIT,		"IcATk>0" },
	{ KSYNC_IOC_OBJ_REQUEST,	"ijj0H" },
	{ KSYNC_IOC_OBJ_CLAIM,		"ij" },
	{ KSYNC_IOC_DEV_GRAPH,		"xcz0000" },
	{ KSYNC_IOC_DEV_CYCLE,		"xcz0000" },
	{ KSYNC_IOC_COND_WAIT,		"iFMiTk" },
	{ KSYNC_IOC_COND_SIGNAL,	"i0" },
	{ KSYNC_IOC_COND_BROADCAST,	"i0" },
	{ KSYNC_IOC_BARRIER_WAIT,	"iFTk" },
	{ KSYNC_IOC_BARRIER_JOIN,	"i0" },
	{ KSYNC_IOC_BARRIER_LEAVE,	"i0" },
	{ KSYNC_IOC_BARRIER_RESET,	"i0" },
	{ KSYNC_IOC_ONCE_BEGIN,		"iFT>>k" },
	{ KSYNC_IOC_ONCE_COMPLETE,	"i0bb" },
	{ KSYNC_IOC_ONCE_ABANDON,	"i0" },
	{ KSYNC_IOC_ONCE_RESET,		"i0" },
};

#define NAME_WORDS	(KSYNC_NAME_MAX / 4)

static inline int letter_words(char letter)
{
	switch (letter) {
	case 'N':
	case 'Z':		/* no name */
		return NAME_WORDS;
	case 'T':
	case 'C':
	case 'H':
	case 'I':
	case 'k':
	case 'x':
		return 2;
	}
	return 1;
}

static inline unsigned int shape_size(const struct shape *s)
{
	unsigned int words = 0;
	const char *w;

	for (w = s->words; *w; w++)
		words += letter_words(*w);
	return words * 4;
}

/* NULL for a command that the table lacks; a test complains about those. */
static inline const struct shape *shape_of(unsigned int cmd)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(shapes); i++)
		if (shapes[i].cmd == cmd)
			return &shapes[i];
	return NULL;
}

/* What letters choose from. */
struct choice {
	const struct kind *kind;	/* of an object to be made */
	int pidfd, event, mutex;
	char *array;			/* of random words */
	char *items;			/* of struct ksync_wait_item */
	bool cancel;			/* if that can be */
};

static inline const char *some_name(struct random *r)
{
	static const char * const names[] = {
		"uapi-fuzz-a", "uapi-fuzz-b", "uapi-fuzz-c", "uapi-fuzz-d",
		"uapi-fuzz-e", "", "a/b", "\x01", "uapi-fuzz \xff",
	};

	return names[one_in(r, 8) ? rnd(r, ARRAY_SIZE(names)) : rnd(r, 5)];
}

/* A wait for ever is ended by a kill. */
static inline __u64 some_deadline(struct random *r)
{
	if (one_in(r, 300))
		return KSYNC_DEADLINE_NONE;
	return one_in(r, 3) ? LONG_AGO : now_ns() + rnd(r, 2000000);
}

static inline void put_long(__u32 *word, __u64 value)
{
	memcpy(word, &value, sizeof(value));
}

#ifdef KSYNC_WAIT_CANCEL
#define CANCEL	KSYNC_WAIT_CANCEL
#else
#define CANCEL	0
#endif
#ifdef KSYNC_WAIT_ALL
#define ALL	KSYNC_WAIT_ALL
#else
#define ALL	0
#endif
#ifdef KSYNC_GRAPH_ROOM_MAX
#define ITEM_SIZE sizeof(struct ksync_graph_edge)
#else
#define ITEM_SIZE 0
#endif

static inline void fill_word(struct random *r, const struct choice *choice,
			     char letter, __u32 *word)
{
	switch (letter) {
	case 'i':
		*word = rnd(r, NR);
		break;
	case 'c':
		*word = 1 + rnd(r, 3);
		break;
	case 's':
		*word = rnd(r, 5) - 2;
		break;
	case 't':
		*word = choice->kind->type;
		break;
	case 'f':
		*word = rnd(r, 256) & choice->kind->flags;
		break;
	case 'n':
		*word = 1 + rnd(r, NR);
		break;
	case 'v':
		*word = choice->kind->value;
		break;
	case 'm':
		*word = choice->kind->max;
		break;
	case 'h':
		*word = rnd(r, 4);
		break;
	case 'o':
		*word = rnd(r, 01000);
		break;
	case 'p':
		*word = choice->pidfd;
		break;
	case 'b':
		*word = boundary(r);
		break;
	case 'j':
		*word = rnd(r, 2);
		break;
	case 'F':
		*word = choice->cancel ? CANCEL : 0;
		break;
	case 'L':
		*word = (choice->cancel ? CANCEL : 0) |
			(one_in(r, 4) ? KSYNC_LOCK_IN_LINE : 0);
		break;
	case 'A':
		*word = (choice->cancel ? CANCEL : 0) | (rnd(r, 2) * ALL);
		break;
	case 'k':
		if (!CANCEL || !choice->cancel)
			break;
		word[0] = choice->event;
		word[1] = rnd(r, NR);
		break;
	case 'e':
		*word = one_in(r, 4) ? KSYNC_NO_FD : choice->event;
		break;
	case 'M':
		*word = choice->mutex;
		break;
	case 'z':
		*word = ITEM_SIZE;
		break;
	case 'H':
		put_long(word, one_in(r, 2) ? 1 : 1 + rnd(r, 20000000));
		break;
	case 'I':
		put_long(word, (unsigned long)choice->items);
		break;
	case '>':
		*word = rnd(r, 3);
		break;
	case 'N':
		set_name((char *)word, some_name(r));
		break;
	case 'T':
		put_long(word, some_deadline(r));
		break;
	case 'C':
		put_long(word, rnd(r, 1000));
		break;
	case 'x':
		put_long(word, (unsigned long)choice->array);
		break;
	}
}

/* Nobody but the killed waits for ever. */
static inline void limit_wait(struct random *r, const char *words, __u32 *word)
{
	for (; *words; word += letter_words(*words++)) {
		if (*words != 'T')
			continue;
		put_long(word, some_deadline(r));
		break;
	}
}

/* A command without a shape gets small numbers. */
static inline void fill(struct random *r, const struct command *k,
			const struct choice *choice, union uapi_args *a)
{
	const struct shape *shape = shape_of(k->cmd);
	unsigned int size = _IOC_SIZE(k->cmd), i;
	__u32 words[sizeof(*a) / 4 + NAME_WORDS] = { 0 };
	__u32 *word = words;
	const char *w;

	if (shape)
		for (w = shape->words; *w; word += letter_words(*w++))
			fill_word(r, choice, *w, word);
	else
		for (i = 0; i < size / 4; i++)
			word[i] = rnd(r, 4);
	memset(a, 0, sizeof(*a));
	memcpy(a, words, size);
	word = (__u32 *)a;
	if (one_in(r, 8))
		word[rnd(r, size / 4)] = boundary(r);
	if (one_in(r, 32))
		word[rnd(r, size / 4)] = boundary(r);
	if (one_in(r, 64))
		((__u8 *)a)[rnd(r, size)] ^= 1 << rnd(r, 8);
	if (shape)
		limit_wait(r, shape->words, word);
}

#endif /* UAPI_FUZZ_H */
