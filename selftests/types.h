/* SPDX-License-Identifier: GPL-2.0-only */
/* What all types have in common, so that one test does for all of them. */
#ifndef KSYNC_SELFTEST_TYPES_H
#define KSYNC_SELFTEST_TYPES_H

#include "actor.h"

struct type_ops {
	const char *name;
	uint32_t type;
	int (*create)(void **h, const struct ksync_options *o);
	int (*open)(void **h, const char *name, int oflag, mode_t mode,
		    const struct ksync_options *o);
	int (*import)(void **h, int fd);
	int (*fd)(void *h);
	void (*close)(void *h);
	void *(*at)(void *h, uint32_t index);
	int (*status)(void *h, struct ksync_status *st);
};

#define DEFINE_TYPE(id, number)						\
static int type_##id##_create(void **h, const struct ksync_options *o)	\
{									\
	struct ksync_##id *typed = NULL;				\
	int err = ksync_##id##_create(&typed, o);			\
									\
	*h = typed;							\
	return err;							\
}									\
									\
static int type_##id##_open(void **h, const char *name, int oflag,	\
			    mode_t mode, const struct ksync_options *o)	\
{									\
	struct ksync_##id *typed = NULL;				\
	int err = ksync_##id##_open(&typed, name, oflag, mode, o);	\
									\
	*h = typed;							\
	return err;							\
}									\
									\
static int type_##id##_import(void **h, int fd)				\
{									\
	struct ksync_##id *typed = NULL;				\
	int err = ksync_##id##_import(&typed, fd);			\
									\
	*h = typed;							\
	return err;							\
}									\
									\
static int type_##id##_fd(void *h)					\
{									\
	return ksync_##id##_fd(h);					\
}									\
									\
static void type_##id##_close(void *h)					\
{									\
	ksync_##id##_close(h);						\
}									\
									\
static void *type_##id##_at(void *h, uint32_t index)			\
{									\
	return ksync_##id##_at(h, index);				\
}									\
									\
static int type_##id##_status(void *h, struct ksync_status *st)		\
{									\
	return ksync_##id##_status(h, st);				\
}									\
									\
static const struct type_ops id##_ops = {				\
	.name = #id, .type = number,					\
	.create = type_##id##_create,					\
	.open = type_##id##_open,					\
	.import = type_##id##_import,					\
	.fd = type_##id##_fd,						\
	.close = type_##id##_close,					\
	.at = type_##id##_at,						\
	.status = type_##id##_status,					\
}

DEFINE_TYPE(mutex, KSYNC_MUTEX);
DEFINE_TYPE(rwlock, KSYNC_RWLOCK);
DEFINE_TYPE(waitgroup, KSYNC_WAITGROUP);
DEFINE_TYPE(sem, KSYNC_SEM);
DEFINE_TYPE(event, KSYNC_EVENT);
DEFINE_TYPE(cond, KSYNC_COND);
DEFINE_TYPE(barrier, KSYNC_BARRIER);
DEFINE_TYPE(once, KSYNC_ONCE);

static const struct type_ops * const all_types[] __maybe_unused = {
	&mutex_ops, &rwlock_ops, &waitgroup_ops, &sem_ops, &event_ops,
	&cond_ops, &barrier_ops, &once_ops,
};

/* Variants of a fixture with the member @t. */
#define TYPE_VARIANTS(fixture)						\
	FIXTURE_VARIANT_ADD(fixture, mutex) { .t = &mutex_ops };	\
	FIXTURE_VARIANT_ADD(fixture, rwlock) { .t = &rwlock_ops };	\
	FIXTURE_VARIANT_ADD(fixture, waitgroup) { .t = &waitgroup_ops }; \
	FIXTURE_VARIANT_ADD(fixture, sem) { .t = &sem_ops };		\
	FIXTURE_VARIANT_ADD(fixture, event) { .t = &event_ops };		\
	FIXTURE_VARIANT_ADD(fixture, cond) { .t = &cond_ops };		\
	FIXTURE_VARIANT_ADD(fixture, barrier) { .t = &barrier_ops };	\
	FIXTURE_VARIANT_ADD(fixture, once) { .t = &once_ops }

#endif /* KSYNC_SELFTEST_TYPES_H */
