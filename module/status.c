// SPDX-License-Identifier: GPL-2.0-only
/*
 * What people and programs can see of an object.
 */
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/ktime.h>
#include <linux/seq_file.h>
#include <linux/user_namespace.h>

#include "lock_word.h"
#include "commands.h"
#include "owner.h"
#include "word.h"

#define KSYNC_FDINFO_PRIMITIVES 64

void ksync_object_info(struct ksync_object *obj, struct ksync_object_info *info)
{
	memset(info, 0, sizeof(*info));
	info->id = obj->id;
	info->type = obj->ops->id;
	info->flags = obj->flags;
	info->nr = obj->nr;
	info->mode = obj->mode;
	info->uid = from_kuid_munged(current_user_ns(), obj->uid);
	info->gid = from_kgid_munged(current_user_ns(), obj->gid);
	info->users = atomic_read(&obj->files);
	ksync_name_get(obj, info->name);
}

/* What mutexes and rwlocks have in common. Bucket locked. */
void ksync_lock_status(struct ksync_queue *q, struct ksync_primitive_status *st)
{
	struct ksync_lock_cell *cell = &q->cell->lock;
	u64 word = ksync_cell_read(q->cell);
	u64 since, now = ktime_get_coarse_ns();

	ksync_lock_noticed(q);
	since = READ_ONCE(cell->since);
	st->holder_id = lock_word_id(word);
	st->value = !!st->holder_id;
	if (st->holder_id) {
		ksync_thread_pids(st->holder_id, &st->holder_pid,
				  &st->holder_tid);
		st->held_ns = now > since ? now - since : 0;
	}
	if (word & KSYNC_LOCK_DEAD)
		st->flags |= KSYNC_STATUS_DEAD;
	if (word & KSYNC_LOCK_LOST)
		st->flags |= KSYNC_STATUS_LOST;
	st->token = READ_ONCE(cell->token);
	st->deaths = READ_ONCE(cell->deaths);
	st->contended = READ_ONCE(cell->contended);
}

/* Of the primitive st->index; -EINVAL if there is none. */
int ksync_object_status(struct ksync_object *obj, struct ksync_primitive_status *st)
{
	struct ksync_queue q;
	u32 index = st->index;

	if (ksync_queue_init(&q, obj, index))
		return -EINVAL;
	memset(st, 0, sizeof(*st));
	st->index = index;
	ksync_queue_lock(&q);
	st->waiters_exclusive = ksync_count_waiters(&q, KSYNC_WANT_EXCLUSIVE);
	st->waiters_shared = ksync_count_waiters(&q, KSYNC_WANT_SHARED);
	obj->ops->status(&q, st);
	ksync_queue_unlock(&q);
	return 0;
}

static void ksync_show_primitive(struct seq_file *m, struct ksync_object *obj,
				 u32 index)
{
	struct ksync_primitive_status st = { .index = index };

	if (ksync_object_status(obj, &st))
		return;
	seq_printf(m, "ksync-%u:\tvalue %u", index, st.value);
	if (st.max)
		seq_printf(m, " of %u", st.max);
	if (st.holder_id)
		seq_printf(m, " pid %u tid %u for %llu ns", st.holder_pid,
			   st.holder_tid, st.held_ns);
	seq_printf(m, " readers %u waiters %u+%u token %llu", st.readers,
		   st.waiters_exclusive, st.waiters_shared, st.token);
	seq_printf(m, " acquired %llu contended %llu deaths %u lost %u%s%s\n",
		   st.acquisitions, st.contended, st.deaths, st.lost,
		   st.flags & KSYNC_STATUS_DEAD ? " inconsistent" : "",
		   st.flags & KSYNC_STATUS_LOST ? " unrecoverable" : "");
}

/* /proc/PID/fdinfo/FD, as seen from the namespaces of who reads it. */
void ksync_object_show(struct seq_file *m, struct file *file)
{
	struct ksync_object *obj = file->private_data;
	struct ksync_object_info info;
	u32 i;

	ksync_object_info(obj, &info);
	seq_printf(m, "ksync-type:\t%s\nksync-id:\t%llu\nksync-name:\t",
		   obj->ops->name, info.id);
	seq_puts(m, info.name);
	seq_printf(m, "\nksync-nr:\t%u\nksync-flags:\t0x%x\nksync-users:\t%u\n",
		   info.nr, info.flags, info.users);
	for (i = 0; i < min_t(u32, obj->nr, KSYNC_FDINFO_PRIMITIVES); i++)
		ksync_show_primitive(m, obj, i);
}
