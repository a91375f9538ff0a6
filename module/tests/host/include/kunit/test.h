/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * As much of KUnit as our tests use, for a program on the host: Debian's
 * kernels are built without KUnit. Each test file becomes a program that prints
 * TAP.
 */
#ifndef KSYNC_HOST_KUNIT_TEST_H
#define KSYNC_HOST_KUNIT_TEST_H

#include <setjmp.h>
#include <stdio.h>
#include <linux/types.h>

struct kunit {
	int failures;
	jmp_buf end;
};

struct kunit_case {
	void (*run)(struct kunit *test);
	const char *name;
};

struct kunit_suite {
	const char *name;
	struct kunit_case *test_cases;
};

#define KUNIT_CASE(fn) { .run = (fn), .name = #fn }

#define KUNIT_CHECK(test, ok, fatal, text) do {				\
	if (!(ok)) {							\
		printf("# %s:%d: %s\n", __FILE__, __LINE__, text);	\
		(test)->failures++;					\
		if (fatal)						\
			longjmp((test)->end, 1);			\
	}								\
} while (0)

#define KUNIT_EXPECT_EQ(test, a, b) \
	KUNIT_CHECK(test, (a) == (b), 0, #a " == " #b)
#define KUNIT_ASSERT_EQ(test, a, b) \
	KUNIT_CHECK(test, (a) == (b), 1, #a " == " #b)
#define KUNIT_ASSERT_TRUE(test, a)	KUNIT_CHECK(test, (a), 1, #a)
#define KUNIT_ASSERT_FALSE(test, a)	KUNIT_CHECK(test, !(a), 1, "!(" #a ")")

/* How many of the case's checks failed. */
static __attribute__((noinline)) int kunit_host_case(struct kunit_case *c)
{
	static struct kunit test;

	test.failures = 0;
	if (!setjmp(test.end))
		c->run(&test);
	return test.failures;
}

static inline int kunit_host_run(const struct kunit_suite *suite)
{
	int n = 0, failed = 0;

	printf("TAP version 13\n");
	for (struct kunit_case *c = suite->test_cases; c->run; c++) {
		int failures = kunit_host_case(c);

		failed += !!failures;
		printf("%sok %d %s.%s\n", failures ? "not " : "", ++n,
		       suite->name, c->name);
	}
	printf("1..%d\n", n);
	return !!failed;
}

#define kunit_test_suite(suite) \
	int main(void) { return kunit_host_run(&(suite)); }

#endif /* KSYNC_HOST_KUNIT_TEST_H */
