/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints: who waits, for what, with which outcome, and who died.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM ksync

#if !defined(KSYNC_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define KSYNC_TRACE_H

#include <linux/tracepoint.h>

TRACE_EVENT(ksync_wait,
	TP_PROTO(u64 object, u32 index, u32 want),
	TP_ARGS(object, index, want),
	TP_STRUCT__entry(
		__field(u64, object)
		__field(u32, index)
		__field(u32, want)
	),
	TP_fast_assign(
		__entry->object = object;
		__entry->index = index;
		__entry->want = want;
	),
	TP_printk("object=%llu index=%u want=%s", __entry->object,
		  __entry->index, __entry->want ? "shared" : "exclusive")
);

TRACE_EVENT(ksync_waited,
	TP_PROTO(u64 object, u32 index, int result),
	TP_ARGS(object, index, result),
	TP_STRUCT__entry(
		__field(u64, object)
		__field(u32, index)
		__field(int, result)
	),
	TP_fast_assign(
		__entry->object = object;
		__entry->index = index;
		__entry->result = result;
	),
	TP_printk("object=%llu index=%u result=%d", __entry->object,
		  __entry->index, __entry->result)
);

TRACE_EVENT(ksync_death,
	TP_PROTO(u64 object, u32 index, u32 id, u32 kind, u32 count),
	TP_ARGS(object, index, id, kind, count),
	TP_STRUCT__entry(
		__field(u64, object)
		__field(u32, index)
		__field(u32, id)
		__field(u32, kind)
		__field(u32, count)
	),
	TP_fast_assign(
		__entry->object = object;
		__entry->index = index;
		__entry->id = id;
		__entry->kind = kind;
		__entry->count = count;
	),
	TP_printk("object=%llu index=%u thread=%u kind=%u count=%u",
		  __entry->object, __entry->index, __entry->id, __entry->kind,
		  __entry->count)
);

/* A search that was made: how much it looked at, 0 or why not or -EDEADLK. */
TRACE_EVENT(ksync_deadlock_check,
	TP_PROTO(u64 object, u32 index, u32 steps, int result),
	TP_ARGS(object, index, steps, result),
	TP_STRUCT__entry(
		__field(u64, object)
		__field(u32, index)
		__field(u32, steps)
		__field(int, result)
	),
	TP_fast_assign(
		__entry->object = object;
		__entry->index = index;
		__entry->steps = steps;
		__entry->result = result;
	),
	TP_printk("object=%llu index=%u steps=%u result=%d", __entry->object,
		  __entry->index, __entry->steps, __entry->result)
);

/* One for each edge of a cycle, PIDs as the host sees them. */
TRACE_EVENT(ksync_deadlock,
	TP_PROTO(u32 edge, u32 edges, u64 object, u32 index, u32 held,
		 pid_t waiter, pid_t holder),
	TP_ARGS(edge, edges, object, index, held, waiter, holder),
	TP_STRUCT__entry(
		__field(u32, edge)
		__field(u32, edges)
		__field(u64, object)
		__field(u32, index)
		__field(u32, held)
		__field(pid_t, waiter)
		__field(pid_t, holder)
	),
	TP_fast_assign(
		__entry->edge = edge;
		__entry->edges = edges;
		__entry->object = object;
		__entry->index = index;
		__entry->held = held;
		__entry->waiter = waiter;
		__entry->holder = holder;
	),
	TP_printk("edge=%u/%u waiter=%d object=%llu index=%u held=%u holder=%d",
		  __entry->edge, __entry->edges, __entry->waiter,
		  __entry->object, __entry->index, __entry->held,
		  __entry->holder)
);

#endif /* KSYNC_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
