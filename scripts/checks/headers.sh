#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The public header compiles by itself as C11 and C++17, the ABI header also for 32 bit.
# Programs have the fast path in them, unless they do not want that.

set -euo pipefail
. "$(dirname "$0")/../lib/common.sh"
. "$ksync_top/scripts/lib/check.sh"

try()
{
	local out
	if ! out=$("$@" -Wall -Wextra -Werror -fsyntax-only 2>&1); then
		bad "$*"
		echo "$out" | head -n 5
	fi
}

[[ -e lib/ksync.h && -e uapi/linux/ksync.h ]] || skip "no headers yet"
# compiles HEADER OPTION...: alone, and twice, so that its guard is seen to hold.
compiles()
{
	local code m
	code=$(printf '#include <%s>\n#include <%s>\nint x;\n' "$1" "$1")
	shift
	for m in -m64 -m32; do
		try gcc "$m" -std=c11 "$@" -x c - <<<"$code"
		try g++ "$m" -std=c++17 "$@" -x c++ - <<<"$code"
	done
}
compiles ksync.h -Ilib -Wpedantic
compiles ksync.h -Ilib -Wpedantic -O2
# Anonymous structs, as many kernel headers have, are not pedantic C++.
compiles linux/ksync.h -Iuapi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/calls" <<'EOF'
#include <ksync.h>
typedef int lock_fn(struct ksync_mutex *);
lock_fn *the_lock(void);
lock_fn *the_lock(void) { return ksync_mutex_lock; }
int all(struct ksync_mutex *, struct ksync_rwlock *, struct ksync_sem *,
	struct ksync_waitgroup *);
int all(struct ksync_mutex *m, struct ksync_rwlock *rw, struct ksync_sem *s,
	struct ksync_waitgroup *wg)
{
	return ksync_mutex_lock(m) | ksync_mutex_trylock(m) |
		ksync_mutex_unlock(m) | ksync_rwlock_rdlock(rw) |
		ksync_rwlock_tryrdlock(rw) | ksync_rwlock_unlock(rw) |
		ksync_sem_acquire(s, 1) | ksync_sem_tryacquire(s, 2) |
		ksync_sem_release(s, 1) | ksync_waitgroup_add(wg, 1) |
		ksync_waitgroup_done(wg);
}
EOF
# calls SLOW OTHERS COMPILER OPTION...: as many of each are left to the library.
calls()
{
	local slow=$1 others=$2 found out
	shift 2
	if ! out=$("$@" -Ilib -Wall -Wextra -Wpedantic -Werror -Wundef -c \
		   -o "$work/calls.o" "$work/calls" 2>&1); then
		bad "$*"
		echo "$out" | head -n 5
		return
	fi
	found="$(nm "$work/calls.o" | grep -c ' U ksync_slow_') $(
		nm "$work/calls.o" | grep ' U ksync_' | grep -vcE "ksync_(slow_|fast_self)")"
	[[ $found == "$slow $others" ]] ||
		bad "$*: calls of the library: $found, not $slow $others"
}
# Elsewhere everything is a call.
case $(uname -m) in
x86_64|aarch64)
	;;
*)
	verdict
	exit
	;;
esac
for c in 'gcc -std=c11 -x c' 'gcc -std=gnu11 -x c' 'g++ -std=c++17 -x c++' \
	 'clang -std=c11 -x c' 'clang++ -std=c++17 -x c++'; do
	read -ra c <<<"$c"
	command -v "${c[0]}" >/dev/null || continue
	# The one whose address is taken is always one of the library's.
	for o in -Og -O2; do
		calls 9 1 "${c[0]}" "$o" "${c[@]:1}"
	done
	calls 0 11 "${c[0]}" -O0 "${c[@]:1}"
	calls 0 11 "${c[0]}" -Os "${c[@]:1}"
	calls 0 11 "${c[0]}" -O2 -DKSYNC_NO_INLINE "${c[@]:1}"
done
verdict
