// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names. They live in network namespaces, told by their cookies, which are
 * never reused, and go with the object's last file.
 */
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/hashtable.h>
#include <linux/jhash.h>
#include <linux/mutex.h>
#include <linux/nsproxy.h>
#include <linux/once.h>
#include <linux/sched.h>
#include <linux/stat.h>
#include <net/net_namespace.h>

#include "object.h"

/* Guards the table and the objects' name_node. Nothing is taken inside it. */
static DEFINE_MUTEX(ksync_names_lock);
static DEFINE_HASHTABLE(ksync_names, 12);

static u64 ksync_net(void)
{
	return current->nsproxy->net_ns->net_cookie;
}

static u32 ksync_name_hash(u64 net, const char *name)
{
	static u32 seed;

	/* Users choose names: they must not be able to make them collide. */
	get_random_once(&seed, sizeof(seed));
	return jhash(name, strlen(name), seed ^ (u32)net);
}

/* Is that a name, and the rest of the array zero? */
int ksync_name_check(const char *name)
{
	size_t len = strnlen(name, KSYNC_NAME_MAX), i;

	if (!len || len == KSYNC_NAME_MAX)
		return -EINVAL;
	for (i = 0; i < len; i++)
		if ((u8)name[i] < 0x20 || name[i] == 0x7f || name[i] == '/')
			return -EINVAL;
	return memchr_inv(name + len, 0, KSYNC_NAME_MAX - len) ? -EINVAL : 0;
}

/* Has the caller @cap over what belongs to the object's owner? */
static bool ksync_capable(const struct ksync_object *obj, int cap)
{
	struct user_namespace *ns = current_user_ns();

	return from_kuid(ns, obj->uid) != (uid_t)-1 &&
	       from_kgid(ns, obj->gid) != (gid_t)-1 && ns_capable(ns, cap);
}

static bool ksync_may(const struct ksync_object *obj, umode_t want)
{
	umode_t mode = obj->mode;

	if (uid_eq(current_fsuid(), obj->uid))
		mode >>= 6;
	else if (in_group_p(obj->gid))
		mode >>= 3;
	return (mode & want) == want || ksync_capable(obj, CAP_DAC_OVERRIDE);
}

/*
 * With a reference. An object that has just lost its last one is as good as
 * gone: its name is free.
 */
static struct ksync_object *ksync_name_find_locked(const char *name)
{
	struct ksync_object *obj;
	struct hlist_node *tmp;
	u64 net = ksync_net();

	lockdep_assert_held(&ksync_names_lock);
	hash_for_each_possible_safe(ksync_names, obj, tmp, name_node,
				    ksync_name_hash(net, name)) {
		if (obj->net != net || strcmp(obj->name, name))
			continue;
		if (ksync_object_tryget(obj))
			return obj;
		hash_del(&obj->name_node);
	}
	return NULL;
}

static int ksync_name_may_open(const struct ksync_object *obj, u32 how,
			       const struct ksync_ops *ops)
{
	if (how & KSYNC_OPEN_EXCL)
		return -EEXIST;
	if (!ksync_may(obj, 06))
		return -EACCES;
	return obj->ops == ops ? 0 : -EPROTOTYPE;
}

/*
 * The object by that name, with a reference. If there is none, @fresh gets the
 * name, and is returned with another reference; without @fresh -ENOENT.
 */
struct ksync_object *ksync_name_open(struct ksync_object *fresh, u32 how,
				     const char *name,
				     const struct ksync_ops *ops)
{
	struct ksync_object *obj;
	int ret = 0;

	mutex_lock(&ksync_names_lock);
	obj = ksync_name_find_locked(name);
	if (obj) {
		ret = ksync_name_may_open(obj, how, ops);
	} else if (fresh) {
		fresh->net = ksync_net();
		strscpy(fresh->name, name, sizeof(fresh->name));
		hash_add(ksync_names, &fresh->name_node,
			 ksync_name_hash(fresh->net, name));
		ksync_object_mark_named(fresh);
		ksync_object_tryget(fresh);
		obj = fresh;
	}
	mutex_unlock(&ksync_names_lock);

	if (!obj)
		return ERR_PTR(-ENOENT);
	if (ret) {
		ksync_object_put(obj);
		return ERR_PTR(ret);
	}
	return obj;
}

int ksync_name_unlink(const char *name)
{
	struct ksync_object *obj;
	int ret = 0;

	mutex_lock(&ksync_names_lock);
	obj = ksync_name_find_locked(name);
	if (!obj)
		ret = -ENOENT;
	else if (!uid_eq(current_fsuid(), obj->uid) &&
		 !ksync_capable(obj, CAP_FOWNER))
		ret = -EPERM;
	else
		hash_del(&obj->name_node);
	mutex_unlock(&ksync_names_lock);
	if (obj)
		ksync_object_put(obj);
	return ret;
}

/* An object by name to look at, with a reference. */
struct ksync_object *ksync_name_read(const char *name)
{
	struct ksync_object *obj;

	mutex_lock(&ksync_names_lock);
	obj = ksync_name_find_locked(name);
	mutex_unlock(&ksync_names_lock);
	if (!obj)
		return ERR_PTR(-ENOENT);
	if (!ksync_may(obj, 04)) {
		ksync_object_put(obj);
		return ERR_PTR(-EACCES);
	}
	return obj;
}

/* The first readable named object after @cursor, with a reference. */
struct ksync_object *ksync_name_next(u64 cursor)
{
	struct ksync_object *obj;

	while ((obj = ksync_object_next_named(cursor))) {
		if (obj->net == ksync_net() && ksync_may(obj, 04) &&
		    ksync_name_get(obj, NULL))
			return obj;
		cursor = obj->id;
		ksync_object_put(obj);
		if (fatal_signal_pending(current))
			return NULL;
		cond_resched();
	}
	return NULL;
}

/* Does it have a name? Copied to @name, which may be NULL. */
bool ksync_name_get(struct ksync_object *obj, char *name)
{
	bool named;

	mutex_lock(&ksync_names_lock);
	named = hash_hashed(&obj->name_node);
	if (named && name)
		strscpy(name, obj->name, KSYNC_NAME_MAX);
	mutex_unlock(&ksync_names_lock);
	return named;
}

/* May the caller see it among the waits of others? */
bool ksync_object_visible(struct ksync_object *obj)
{
	if (uid_eq(current_fsuid(), obj->uid) ||
	    ksync_capable(obj, CAP_DAC_OVERRIDE))
		return true;
	return obj->name[0] && obj->net == ksync_net() && ksync_may(obj, 04);
}

/* The object goes, and its name with it. */
void ksync_name_drop(struct ksync_object *obj)
{
	if (!obj->name[0])
		return;
	mutex_lock(&ksync_names_lock);
	if (hash_hashed(&obj->name_node))
		hash_del(&obj->name_node);
	mutex_unlock(&ksync_names_lock);
}
