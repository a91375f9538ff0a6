// SPDX-License-Identifier: GPL-2.0-only
/* Names: opening, modes, unlinking, listing, and what is left when all die. */

#include "types.h"

#include <dirent.h>

#define NOBODY	65534

FIXTURE(names) {
	void *h;
	struct actor a, b;
	char name[KSYNC_NAME_LEN];
};

FIXTURE_VARIANT(names) {
	const struct type_ops *t;
};

TYPE_VARIANTS(names);

FIXTURE_SETUP(names)
{
	REQUIRE_BACKEND();
	strcpy(self->name, test_name(variant->t->name));
	umask(022);
	ASSERT_EQ(0, actor_begin(&self->a, ACTOR_PROCESS));
	ASSERT_EQ(0, actor_begin(&self->b, ACTOR_PROCESS));
	ASSERT_EQ(-ENOENT, variant->t->open(&self->h, self->name, 0, 0, NULL));
	ASSERT_EQ(NULL, self->h);
}

FIXTURE_TEARDOWN(names)
{
	actor_end(&self->a);
	actor_end(&self->b);
	variant->t->close(self->h);
	ksync_unlink(self->name);
}

#define OPEN(h, oflag) variant->t->open(h, self->name, oflag, 0600, NULL)

/* Jobs get what they need through here; the actors were forked before. */
struct order {
	const struct type_ops *t;
	char name[KSYNC_NAME_LEN];
	int oflag;
	mode_t mode;
};

static long open_as_ordered(void *obj, uint64_t unused)
{
	struct order *o = obj;
	void *h;
	int err = o->t->open(&h, o->name, o->oflag, o->mode, NULL);

	return err ? err : (long)h;
}

static struct order *new_order(const struct type_ops *t, const char *name,
			       int oflag)
{
	struct order *o = shared_memory(sizeof(*o));

	o->t = t;
	o->oflag = oflag;
	o->mode = 0600;
	strcpy(o->name, name);
	return o;
}

TEST_F(names, open_creates)
{
	struct ksync_options opts = { .nr = 5 };
	struct ksync_info info;
	void *again;

	ASSERT_EQ(0, variant->t->open(&self->h, self->name, O_CREAT, 0640,
				      &opts));
	ASSERT_EQ(0, OPEN(&again, 0));
	/* An existing object is what its creator made it. */
	EXPECT_NE(NULL, variant->t->at(again, 4));
	EXPECT_EQ(NULL, variant->t->at(again, 5));
	variant->t->close(again);
	opts.nr = 2;
	ASSERT_EQ(0, variant->t->open(&again, self->name, O_CREAT, 0600,
				      &opts));
	EXPECT_NE(NULL, variant->t->at(again, 4));
	variant->t->close(again);

	ASSERT_EQ(0, ksync_query(self->name, 0, &info, NULL));
	EXPECT_EQ(variant->t->type, info.type);
	EXPECT_EQ(0, info.flags);
	EXPECT_EQ(5, info.nr);
	EXPECT_EQ(0640, info.mode);
	EXPECT_EQ(geteuid(), info.uid);
	EXPECT_EQ(getegid(), info.gid);
	EXPECT_LE(1, info.users);
	EXPECT_STREQ(self->name, info.name);
}

TEST_F(names, open_exclusively)
{
	void *again = &again;

	ASSERT_EQ(0, OPEN(&self->h, O_CREAT | O_EXCL));
	EXPECT_EQ(-EEXIST, OPEN(&again, O_CREAT | O_EXCL));
	EXPECT_EQ(0, OPEN(&again, O_CREAT));
	variant->t->close(again);
	EXPECT_EQ(-EINVAL, OPEN(&again, O_EXCL));
	EXPECT_EQ(-EINVAL, OPEN(&again, O_CREAT | O_TRUNC));
	EXPECT_EQ(-EINVAL, OPEN(&again, -1));
}

TEST_F(names, vanishes_with_its_last_user)
{
	struct order *o = new_order(variant->t, self->name, 0);

	ASSERT_EQ(0, OPEN(&self->h, O_CREAT));
	ASSERT_LT(0, actor_do(&self->a, open_as_ordered, o, 0));
	variant->t->close(self->h);
	/* Somebody else has it still. */
	ASSERT_EQ(0, OPEN(&self->h, 0));
	variant->t->close(self->h);
	actor_kill(&self->a);
	EXPECT_EQ(-ENOENT, OPEN(&self->h, 0));
	EXPECT_EQ(-ENOENT, ksync_query(self->name, 0, NULL, NULL));
}

TEST_F(names, wrong_type)
{
	int i;

	ASSERT_EQ(0, OPEN(&self->h, O_CREAT));
	for (i = 0; i < ARRAY_SIZE(all_types); i++) {
		void *other = &other;

		if (all_types[i] == variant->t)
			continue;
		EXPECT_EQ(-EPROTOTYPE, all_types[i]->open(&other, self->name, 0,
							  0600, NULL));
		EXPECT_EQ(-EPROTOTYPE,
			  all_types[i]->open(&other, self->name, O_CREAT, 0600,
					     NULL));
	}
}

TEST_F(names, malformed_names)
{
	static const char * const bad[] = {
		"", "a/b", "/a", "a\nb", "a\tb", "\001", "a\177",
	};
	char name[KSYNC_NAME_LEN + 2];
	void *h;
	int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, variant->t->open(&h, bad[i], O_CREAT, 0600,
						    NULL))
			TH_LOG("name %d", i);
		EXPECT_EQ(-EINVAL, ksync_unlink(bad[i]));
		EXPECT_EQ(-EINVAL, ksync_query(bad[i], 0, NULL, NULL));
	}
	EXPECT_EQ(-EINVAL, variant->t->open(&h, NULL, O_CREAT, 0600, NULL));

	memset(name, 'x', sizeof(name));
	snprintf(name, sizeof(name), "%s", self->name);
	name[strlen(name)] = '.';
	name[KSYNC_NAME_LEN] = 0;
	EXPECT_EQ(-ENAMETOOLONG, variant->t->open(&h, name, O_CREAT, 0600,
						  NULL));
	EXPECT_EQ(-ENAMETOOLONG, ksync_unlink(name));
	/* The longest that there is. */
	name[KSYNC_NAME_LEN - 1] = 0;
	ASSERT_EQ(0, variant->t->open(&h, name, O_CREAT | O_EXCL, 0600, NULL));
	EXPECT_EQ(0, ksync_query(name, 0, NULL, NULL));
	variant->t->close(h);
	/* Names are bytes, not files: these two are like any other. */
	ASSERT_EQ(0, variant->t->open(&h, "..", O_CREAT, 0600, NULL));
	variant->t->close(h);
	ASSERT_EQ(0, variant->t->open(&h, ".", O_CREAT, 0600, NULL));
	variant->t->close(h);
}

TEST_F(names, unlink)
{
	struct order *o = new_order(variant->t, self->name, O_CREAT | O_EXCL);
	struct ksync_options opts = { .nr = 3 };
	struct ksync_info info;

	EXPECT_EQ(-ENOENT, ksync_unlink(self->name));
	ASSERT_EQ(0, variant->t->open(&self->h, self->name, O_CREAT, 0600,
				      &opts));
	EXPECT_EQ(0, ksync_unlink(self->name));
	EXPECT_EQ(-ENOENT, ksync_unlink(self->name));
	EXPECT_EQ(-ENOENT, actor_do(&self->b, open_as_ordered,
				    new_order(variant->t, self->name, 0), 0));
	/* The name is free at once, for another object. */
	ASSERT_LT(0, actor_do(&self->a, open_as_ordered, o, 0));
	EXPECT_EQ(0, ksync_query(self->name, 0, &info, NULL));
	EXPECT_EQ(1, info.nr);
	/* The old one lives on for those who have it. */
	EXPECT_NE(NULL, variant->t->at(self->h, 2));
	variant->t->close(self->h);
	self->h = NULL;
	EXPECT_EQ(0, ksync_query(self->name, 0, &info, NULL));
}

TEST_F(names, mode_and_umask)
{
	struct ksync_info info;

	umask(027);
	ASSERT_EQ(0, variant->t->open(&self->h, self->name, O_CREAT, 0666,
				      NULL));
	ASSERT_EQ(0, ksync_query(self->name, 0, &info, NULL));
	EXPECT_EQ(0640, info.mode);
}

static long become_nobody(void *obj, uint64_t unused)
{
	return setgid(NOBODY) || setuid(NOBODY) ? -errno : 0;
}

static long unlink_as_ordered(void *obj, uint64_t unused)
{
	return ksync_unlink(((struct order *)obj)->name);
}

static long query_as_ordered(void *obj, uint64_t unused)
{
	return ksync_query(((struct order *)obj)->name, 0, NULL, NULL);
}

static int is_it(const struct ksync_info *info, const struct ksync_status *st,
		 void *name)
{
	return !strcmp(info->name, name);
}

static long list_as_ordered(void *obj, uint64_t unused)
{
	return ksync_list(is_it, ((struct order *)obj)->name);
}

/* Reads and writes by its mode, as a file. */
TEST_F(names, another_user)
{
	struct order *o = new_order(variant->t, self->name, 0);
	static const struct {
		mode_t mode;
		bool may_open, may_see;
	} rows[] = {
		{ 0600, false, false }, { 0640, false, false },
		{ 0604, false, true }, { 0602, false, false },
		{ 0666, true, true },
	};
	long h;
	int i;

	if (geteuid())
		SKIP(return, "needs root to become another user");
	umask(0);
	ASSERT_EQ(0, actor_do(&self->a, become_nobody, NULL, 0));
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		ASSERT_EQ(0, variant->t->open(&self->h, self->name,
					      O_CREAT | O_EXCL, rows[i].mode,
					      NULL));
		h = actor_do(&self->a, open_as_ordered, o, 0);
		EXPECT_EQ(rows[i].may_open ? h > 0 : h == -EACCES, true)
			TH_LOG("mode %o: %ld", rows[i].mode, h);
		EXPECT_EQ(rows[i].may_see ? 0 : -EACCES,
			  actor_do(&self->a, query_as_ordered, o, 0))
			TH_LOG("mode %o", rows[i].mode);
		EXPECT_EQ(rows[i].may_see,
			  actor_do(&self->a, list_as_ordered, o, 0))
			TH_LOG("mode %o", rows[i].mode);
		/* Its name is the owner's, whoever may use it. */
		h = actor_do(&self->a, unlink_as_ordered, o, 0);
		EXPECT_EQ(h == -EPERM || (h == -EACCES && !rows[i].may_open),
			  true)
			TH_LOG("mode %o: %ld", rows[i].mode, h);
		EXPECT_EQ(0, ksync_query(self->name, 0, NULL, NULL));
		variant->t->close(self->h);
		self->h = NULL;
		ksync_unlink(self->name);
	}
}

/* The owner is who made it; root may use and unlink what others made. */
TEST_F(names, of_another_user)
{
	struct order *o = new_order(variant->t, self->name, O_CREAT | O_EXCL);
	struct ksync_info info;

	if (geteuid())
		SKIP(return, "needs root to become another user");
	ASSERT_EQ(0, actor_do(&self->a, become_nobody, NULL, 0));
	ASSERT_LT(0, actor_do(&self->a, open_as_ordered, o, 0));
	EXPECT_EQ(0, ksync_query(self->name, 0, &info, NULL));
	EXPECT_EQ(NOBODY, info.uid);
	EXPECT_EQ(0, OPEN(&self->h, 0));
	EXPECT_EQ(0, ksync_unlink(self->name));
}

struct seen {
	char names[2][KSYNC_NAME_LEN];
	uint32_t type;
	int times[2], all;
};

static int see(const struct ksync_info *info, const struct ksync_status *st,
	       void *arg)
{
	struct seen *seen = arg;
	int i;

	seen->all++;
	for (i = 0; i < 2; i++)
		if (!strcmp(info->name, seen->names[i]) &&
		    info->type == seen->type && st->waiters == 0)
			seen->times[i]++;
	return 0;
}

static int stop_at_once(const struct ksync_info *info,
			const struct ksync_status *st, void *count)
{
	++*(int *)count;
	return -12345;
}

TEST_F(names, list)
{
	struct seen seen = { .type = variant->t->type };
	int count = 0;
	void *second;

	strcpy(seen.names[0], self->name);
	strcpy(seen.names[1], test_name("second"));
	ASSERT_EQ(0, OPEN(&self->h, O_CREAT));
	ASSERT_EQ(0, variant->t->open(&second, seen.names[1], O_CREAT, 0600,
				      NULL));
	EXPECT_EQ(0, ksync_list(see, &seen));
	EXPECT_EQ(1, seen.times[0]);
	EXPECT_EQ(1, seen.times[1]);
	EXPECT_EQ(-12345, ksync_list(stop_at_once, &count));
	EXPECT_EQ(1, count);
	variant->t->close(second);
	EXPECT_EQ(0, ksync_list(see, &seen));
	EXPECT_EQ(2, seen.times[0]);
	EXPECT_EQ(1, seen.times[1]);
}

TEST_F(names, query)
{
	struct ksync_options opts = { .nr = 4 };
	struct ksync_status st, here;
	struct ksync_info info;

	ASSERT_EQ(0, variant->t->open(&self->h, self->name, O_CREAT, 0600,
				      &opts));
	EXPECT_EQ(0, ksync_query(self->name, 3, &info, &st));
	EXPECT_EQ(0, variant->t->status(variant->t->at(self->h, 3), &here));
	EXPECT_EQ(here.value, st.value);
	EXPECT_EQ(here.max, st.max);
	EXPECT_EQ(here.held, st.held);
	EXPECT_EQ(here.token, st.token);
	EXPECT_EQ(here.waiters, st.waiters);
	EXPECT_EQ(here.acquisitions, st.acquisitions);
	EXPECT_EQ(0, ksync_query(self->name, 3, NULL, &st));
	EXPECT_EQ(0, ksync_query(self->name, 3, &info, NULL));
	EXPECT_EQ(0, ksync_query(self->name, 3, NULL, NULL));
	EXPECT_EQ(-EINVAL, ksync_query(self->name, 4, &info, &st));
	EXPECT_EQ(-EINVAL, ksync_query(self->name, UINT32_MAX, &info, &st));
}

/* Every file under /dev/shm with @part in its name, one folder deep. */
static int count_files(const char *folder, const char *part, int depth)
{
	struct dirent *e;
	char path[PATH_MAX];
	int n = 0;
	DIR *dir = opendir(folder);

	while (dir && (e = readdir(dir))) {
		if (e->d_name[0] == '.' && strchr("./", e->d_name[1] ?: '/'))
			continue;
		n += strstr(e->d_name, part) != NULL;
		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		if (depth && e->d_type == DT_DIR)
			n += count_files(path, part, depth - 1);
	}
	if (dir)
		closedir(dir);
	return n;
}

/* Everybody crashes: no object stays, and no file after the next use. */
TEST_F(names, leftovers)
{
	struct order *o = new_order(variant->t, self->name, O_CREAT);
	void *other;

	ASSERT_LT(0, actor_do(&self->a, open_as_ordered, o, 0));
	ASSERT_LT(0, actor_do(&self->b, open_as_ordered, o, 0));
	EXPECT_EQ(0, OPEN(&self->h, 0));
	variant->t->close(self->h);
	self->h = NULL;
	actor_kill(&self->a);
	actor_kill(&self->b);
	EXPECT_EQ(-ENOENT, ksync_query(self->name, 0, NULL, NULL));
	EXPECT_EQ(0, ksync_list(is_it, self->name));
	EXPECT_EQ(-ENOENT, OPEN(&self->h, 0));
	ASSERT_EQ(0, variant->t->open(&other, test_name("other"), O_CREAT, 0600,
				      NULL));
	EXPECT_EQ(0, count_files("/dev/shm", self->name, 1));
	variant->t->close(other);
	EXPECT_EQ(0, count_files("/dev/shm", test_name("other"), 1));
}

/* Who may not open what it makes, by the mode, leaves nothing behind. */
TEST_F(names, shut_out)
{
	struct order *o = new_order(variant->t, self->name, O_CREAT | O_EXCL);
	long h;

	o->mode = 0400;
	if (!geteuid())
		ASSERT_EQ(0, actor_do(&self->a, become_nobody, NULL, 0));
	h = actor_do(&self->a, open_as_ordered, o, 0);
	EXPECT_TRUE(h > 0 || h == -EACCES)
		TH_LOG("error %ld", h);
	if (h < 0)
		EXPECT_EQ(0, count_files("/dev/shm", self->name, 1));
	EXPECT_EQ(h > 0 ? 0 : -ENOENT, ksync_query(self->name, 0, NULL, NULL));
}

TEST_HARNESS_MAIN
