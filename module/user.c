// SPDX-License-Identifier: GPL-2.0-only
/*
 * How many objects each user has made. Their memory is charged to memory
 * cgroups; this bounds the rest (ids, names) where no cgroup does.
 */
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/hashtable.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "object.h"

static unsigned int max_objects = 1U << 17;
module_param(max_objects, uint, 0644);
MODULE_PARM_DESC(max_objects, "most objects that one user may have");

/**
 * struct ksync_user - a user with objects
 * @node: in the table
 * @uid: who
 * @objects: how many; with the last one the entry goes
 */
struct ksync_user {
	struct hlist_node node;
	kuid_t uid;
	u32 objects;
};

/* Guards the table and its entries. Nothing is taken inside it. */
static DEFINE_SPINLOCK(ksync_users_lock);
static DEFINE_HASHTABLE(ksync_users, 6);

static struct ksync_user *ksync_user_find_locked(kuid_t uid)
{
	struct ksync_user *user;

	lockdep_assert_held(&ksync_users_lock);
	hash_for_each_possible(ksync_users, user, node, __kuid_val(uid))
		if (uid_eq(user->uid, uid))
			return user;
	return NULL;
}

/* One more object of the caller's: -EDQUOT, -ENOMEM. */
struct ksync_user *ksync_user_charge(void)
{
	struct ksync_user *user, *fresh;
	kuid_t uid = current_fsuid();

	fresh = kzalloc(sizeof(*fresh), GFP_KERNEL_ACCOUNT);
	if (!fresh)
		return ERR_PTR(-ENOMEM);
	fresh->uid = uid;

	spin_lock(&ksync_users_lock);
	user = ksync_user_find_locked(uid);
	if ((user ? user->objects : 0) >= READ_ONCE(max_objects)) {
		user = ERR_PTR(-EDQUOT);
	} else {
		if (!user) {
			hash_add(ksync_users, &fresh->node, __kuid_val(uid));
			swap(user, fresh);
		}
		user->objects++;
	}
	spin_unlock(&ksync_users_lock);
	kfree(fresh);
	return user;
}

void ksync_user_uncharge(struct ksync_user *user)
{
	bool last;

	spin_lock(&ksync_users_lock);
	last = !--user->objects;
	if (last)
		hash_del(&user->node);
	spin_unlock(&ksync_users_lock);
	if (last)
		kfree(user);
}

u32 ksync_user_objects(void)
{
	struct ksync_user *user;
	u32 n;

	spin_lock(&ksync_users_lock);
	user = ksync_user_find_locked(current_fsuid());
	n = user ? user->objects : 0;
	spin_unlock(&ksync_users_lock);
	return n;
}

u32 ksync_user_objects_max(void)
{
	return READ_ONCE(max_objects);
}
