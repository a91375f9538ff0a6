#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The ksync command, on every backend that there is (or on $KSYNC_BACKEND).
# Prints TAP. For any POSIX shell, busybox's included.
#
# Tests wait for a state, not for a time: see within().
#
# shellcheck disable=SC2016  # $ in single quotes is for the inner shell

here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d) || exit 1
prefix=tool-$$
nr=0
failed=0

# Before the function ksync is there to be found.
find_tool()
{
	# The last two: built, seen from the sources and from where tests are
	# installed.
	for tool in "${KSYNC_TOOL:-}" "$(command -v ksync)" \
		"$here/../build/tools/ksync" "$here/../../tools/ksync"; do
		[ ! -x "$tool" ] || return 0
	done
	echo "1..0 # SKIP no ksync command: build it, or set KSYNC_TOOL"
	exit 4
}
find_tool

ksync()
{
	"$tool" "$@"
}

# Start in the background without a shell in between: $! is the tool itself.
cleanup()
{
	for p in $pids; do
		kill -KILL "$p"
	done 2>/dev/null
	wait 2>/dev/null
	pids=
	ksync ls --json | sed -n "s/^ *\"name\": \"\\(${prefix}[^\"]*\\)\".*/\\1/p" |
	while read -r name; do
		ksync unlink "$name"
	done 2>/dev/null
}
pids=
trap 'cleanup; rm -rf "$dir"' EXIT

# Helpers: each says what it expected when it fails.

# within COMMAND...: until it succeeds, 20 seconds at most.
within()
{
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		if [ $tries -gt 400 ]; then
			echo "# never came true: $*"
			return 1
		fi
		sleep 0.05
	done
}

# gives STATUS COMMAND...: its output is in $dir/out and $dir/err.
gives()
{
	expected=$1
	shift
	"$@" >"$dir/out" 2>"$dir/err" </dev/null
	got=$?
	[ $got -eq "$expected" ] && return 0
	echo "# exit status $got instead of $expected: $*"
	sed 's/^/#   /' "$dir/out" "$dir/err"
	return 1
}

# ends STATUS PID: of a process in the background.
ends()
{
	wait "$2"
	got=$?
	[ $got -eq "$1" ] && return 0
	echo "# exit status $got instead of $1 of process $2"
	return 1
}

says()
{
	grep -q -e "$1" "$dir/$2" && return 0
	echo "# nothing like '$1' in $2:"
	sed 's/^/#   /' "$dir/$2"
	return 1
}

# field NAME KEY: from the object's JSON.
field()
{
	ksync show "$1" --json 2>/dev/null |
		sed -n "s/^ *\"$2\": \\([^,]*\\),*\$/\\1/p"
}

is()
{
	[ "$(field "$1" "$2")" = "$3" ]
}

gone()
{
	! ksync show "$1" >/dev/null 2>&1
}

not_running()
{
	# Neither running nor a zombie that nobody has reaped.
	[ ! -e "/proc/$1" ] || grep -q '^State:[[:space:]]*[ZX]' "/proc/$1/status"
}

# The tests.

help_everywhere()
{
	gives 0 ksync --help && says Usage: out || return
	for c in lock sem wg ls show graph status unlink; do
		gives 0 ksync $c --help && says "Usage: ksync $c" out &&
			says "ksync $c " out || return
		ksync --help | grep -q "^  $c " || return
	done
	gives 0 ksync wg x run --help && gives 0 ksync --version &&
		says '^ksync [0-9]' out
}

usage_errors()
{
	long=$(printf '%0128d' 0)

	gives 64 ksync && gives 64 ksync nonsense && gives 64 ksync --nonsense &&
	gives 64 ksync lock && gives 64 ksync lock "$1" &&
	gives 64 ksync lock "$1" --nonsense -- true && says "Try 'ksync lock --help'" err &&
	gives 64 ksync lock "$1" -w -1 true && gives 64 ksync lock "$1" -w x true &&
	gives 64 ksync lock "$1" -w nan true && gives 64 ksync lock "$1" -E 256 true &&
	gives 64 ksync lock a/b true && gives 64 ksync lock '' true &&
	gives 64 ksync lock "$(printf 'a\tb')" true &&
	gives 64 ksync lock "$long" true && gives 0 ksync lock "${long#0}" true &&
	gives 64 ksync sem "$1" -n 0 true && gives 64 ksync sem "$1" -n 1x true &&
	gives 64 ksync sem "$1" -n 4294967297 true &&
	gives 64 ksync wg "$1" && gives 64 ksync wg "$1" nonsense &&
	gives 64 ksync wg "$1" add -1 && gives 64 ksync wg "$1" add 1 2 &&
	gives 64 ksync ls x && gives 64 ksync show && gives 64 ksync show "$1" x &&
	gives 64 ksync unlink && gives 64 ksync status x
}

lock_passes_exit_status()
{
	printf 'no program\n' >"$dir/not-executable"
	gives 0 ksync lock "$1" -- true &&
	gives 7 ksync lock "$1" -- sh -c 'exit 7' &&
	gives 7 ksync lock "$1" sh -c 'exit 7' &&
	gives 7 ksync lock -s "$1" -w 5 sh -c 'exit 7' &&
	gives 7 ksync lock -- "$1" sh -c 'exit 7' &&
	gives 143 ksync lock "$1" -- sh -c 'kill -TERM $$' &&
	gives 127 ksync lock "$1" -- "$dir/absent" && says absent err &&
	gives 126 ksync lock "$1" -- "$dir/not-executable" &&
	gives 3 ksync sem "$1" -n 1 -- sh -c 'exit 3' &&
	gives 3 ksync wg "$1" run -- sh -c 'exit 3' &&
	gone "$1"
}

# Starts CMD (default: for ever) under a lock, returns when it is held.
hold()
{
	ksync_name=$1
	shift
	"$tool" lock "$ksync_name" "$@" -- sleep 1000 &
	holder=$!
	pids="$pids $holder"
}

hold_exclusively()
{
	hold "$@"
	within is "$1" held true
}

lock_excludes()
{
	hold_exclusively "$1" &&
	is "$1" holder_pid $holder &&
	gives 1 ksync lock "$1" -n true && ! [ -s "$dir/err" ] &&
	gives 9 ksync lock "$1" -n -E 9 true &&
	gives 1 ksync lock "$1" -s -n true &&
	gives 1 ksync lock "$1" -w 0.1 true &&
	says "ksync: lock '$1': gave up after 100 ms; now locked by $holder" err &&
	gives 0 ksync lock "$1-other" -n true &&
	ksync ls | grep -q "^$1 .*locked .*$holder (ksync:sleep)" || return
	"$tool" lock -q "$1" -- sh -c 'exit 5' &
	waiter=$!
	within is "$1" waiting_writers 1 || return
	kill -TERM $holder
	ends 143 $holder && ends 5 $waiter
}

lock_shared()
{
	hold "$1" --shared; hold "$1" --shared
	within is "$1" readers 2 && is "$1" held false &&
	is "$1" holder_pid null &&
	gives 1 ksync lock "$1" -n true &&
	gives 0 ksync lock "$1" -n -s true &&
	kill -TERM $holder && within is "$1" readers 1
}

lock_passes_signals_on()
{
	# Not INT: a shell starts what it puts in the background deaf to it.
	for s in TERM HUP USR1; do
		rm -f "$dir/ready" "$dir/caught"
		"$tool" lock "$1" -- sh -c "
			trap 'echo $s >$dir/caught; exit 42' $s
			: >$dir/ready
			while :; do sleep 0.05; done" &
		holder=$!
		pids="$pids $holder"
		within [ -e "$dir/ready" ] || return
		kill -$s $holder
		ends 42 $holder && says $s caught || return
	done
}

# The object must outlive the holder: a waiter has it open.
die_holding()
{
	rm -f "$dir/child" "$dir/seen"
	"$tool" lock "$1" -- sh -c "echo \$\$ >$dir/child; exec sleep 1000" &
	holder=$!
	pids="$pids $holder"
	within [ -s "$dir/child" ] || return
	"$tool" lock "$1" -- sh -c "echo died=\$KSYNC_OWNERDEAD >$dir/seen" 2>"$dir/err" &
	waiter=$!
	within is "$1" waiting_writers 1 || return
	kill -KILL $holder
	ends 0 $waiter && says died=1 seen &&
	says "lock '$1': the previous exclusive holder died" err &&
	within not_running "$(cat "$dir/child")" && within gone "$1" &&
	KSYNC_OWNERDEAD=1 gives 0 ksync lock "$1" -- sh -c '[ -z "$KSYNC_OWNERDEAD" ]'
}

orphan_goes_on()
{
	rm -f "$dir/child"
	"$tool" lock "$1" --orphan -- sh -c "echo \$\$ >$dir/child; exec sleep 1000" &
	holder=$!
	within [ -s "$dir/child" ] || return
	kill -KILL $holder
	pids="$pids $(cat "$dir/child")"
	within gone "$1" && ! not_running "$(cat "$dir/child")"
}

check_dead()
{
	hold_exclusively "$1" || return
	"$tool" lock "$1" --check-dead -- true 2>/dev/null &
	first=$!
	"$tool" lock "$1" --check-dead -- true 2>/dev/null &
	second=$!
	within is "$1" waiting_writers 2 || return
	kill -KILL $holder
	# Whoever comes first leaves the report to the other.
	ends 76 $first && ends 76 $second
}

killed_command_is_a_death()
{
	rm -f "$dir/go" "$dir/seen"
	"$tool" lock "$1" -- sh -c "
		until [ -e $dir/go ]; do sleep 0.05; done; kill -KILL \$\$" &
	holder=$!
	pids="$pids $holder"
	within is "$1" held true || return
	"$tool" lock "$1" -- sh -c "echo died=\$KSYNC_OWNERDEAD >$dir/seen" 2>/dev/null &
	waiter=$!
	within is "$1" waiting_writers 1 || return
	: >"$dir/go"
	ends 137 $holder && ends 0 $waiter && says died=1 seen
}

sem_limits()
{
	"$tool" sem "$1" -n 2 -- sleep 1000 &
	pids="$pids $!"
	"$tool" sem "$1" -n 2 -- sleep 1000 &
	holder=$!
	pids="$pids $holder"
	within is "$1" free 0 && is "$1" max 2 &&
	gives 1 ksync sem "$1" -n 2 --nonblock true &&
	gives 8 ksync sem "$1" -w 0.1 -E 8 true && says '0 of 2 free' err || return
	kill -KILL "$holder"
	gives 0 ksync sem "$1" -n 2 true && within is "$1" free 1 &&
	is "$1" lost 1
}

sem_resize()
{
	"$tool" sem "$1" -n 3 -p 2 -- sleep 1000 &
	pids="$pids $!"
	within is "$1" free 1 &&
	gives 65 ksync sem "$1" -n 4 true && says 'has 3 permits, not 4' err &&
	gives 0 ksync sem "$1" -n 4 --resize true && is "$1" max 4 &&
	is "$1" free 2 &&
	gives 75 ksync sem "$1" -n 1 --resize true && is "$1" max 4 &&
	gives 0 ksync sem "$1" true &&
	gives 65 ksync sem "$1" -p 5 true && says 'does not have 5 permits' err
}

wg_round()
{
	gives 0 ksync wg "$1" wait &&
	gives 66 ksync wg "$1" "done" && says "wg '$1'" err &&
	gives 0 ksync wg "$1" add 2 && gives 0 ksync wg "$1" add &&
	is "$1" members 3 &&
	gives 1 ksync wg "$1" wait -n && gives 1 ksync wg "$1" wait -w 0.1 &&
	says '3 members' err &&
	gives 65 ksync wg "$1" "done" 4 && is "$1" members 3 || return
	"$tool" wg "$1" wait &
	waiter=$!
	within is "$1" waiters 3 &&	# and two keepers
	gives 0 ksync wg "$1" "done" && gives 0 ksync wg "$1" "done" 2 &&
	ends 0 $waiter && within gone "$1" && gives 0 ksync wg "$1" wait
}

wg_run()
{
	gives 66 ksync wg "$1" run --added true &&
	gives 0 ksync wg "$1" add &&
	gives 0 ksync wg "$1" run true && is "$1" members 1 || return
	rm -f "$dir/go"
	"$tool" wg "$1" run --added -- sh -c "until [ -e $dir/go ]; do sleep 0.05; done" &
	member=$!
	"$tool" wg "$1" wait &
	waiter=$!
	within is "$1" waiters 2 || return
	: >"$dir/go"
	ends 0 $member && ends 0 $waiter && within gone "$1"
}

wg_member_dies()
{
	"$tool" wg "$1" run -- sleep 1000 &
	member=$!
	pids="$pids $member"
	within is "$1" members 1 || return
	"$tool" wg "$1" wait 2>"$dir/err" &
	waiter=$!
	within is "$1" waiters 1 || return
	kill -KILL $member
	ends 76 $waiter && says 'before they were done: 1' err
}

wg_watches_adder()
{
	sleep 1000 &
	adder=$!
	pids="$pids $adder"
	gives 0 ksync wg "$1" add 2 --with $adder || return
	"$tool" wg "$1" wait 2>"$dir/err" &
	waiter=$!
	within is "$1" waiters 2 || return
	kill -KILL $adder
	ends 76 $waiter && says 'before they were done: 2' err &&
	within gone "$1"
}

unlink_frees_the_name()
{
	gives 66 ksync unlink "$1" && hold_exclusively "$1" &&
	gives 0 ksync unlink "$1" && gives 66 ksync show "$1" &&
	gives 0 ksync lock "$1" -n true && gives 0 ksync wg "$1" add 5 &&
	gives 0 ksync unlink "$1" && gone "$1"
}

wrong_type()
{
	hold_exclusively "$1" &&
	gives 65 ksync sem "$1" -n 1 true && says 'of another type (rwlock)' err &&
	gives 65 ksync wg "$1" add
}

# valid_json FILE EXPRESSION: with whatever there is to read it.
valid_json()
{
	if command -v python3 >/dev/null; then
		python3 -c "import json, sys; d = json.load(open(sys.argv[1], encoding='utf-8')); assert $2, d" "$1"
	elif command -v jq >/dev/null; then
		jq -e . "$1" >/dev/null
	fi
}

json_output()
{
	hold_exclusively "$1" &&
	gives 0 ksync ls --json && valid_json "$dir/out" \
		"[o for o in d if o['name'] == '$1' and o['type'] == 'rwlock' and o['holder_pid'] == $holder]" &&
	gives 0 ksync show "$1" --json && valid_json "$dir/out" "d['held'] is True" &&
	gives 0 ksync status --json && valid_json "$dir/out" "d['backend'] == '$KSYNC_BACKEND'" &&
	gives 0 ksync show "$1" && says "^holder  *$holder" out
}

odd_names()
{
	odd=$(printf '%s "q" \\ \303\244 \302\233 \377 \355\240\200' "$1")
	hold_exclusively "$odd" &&
	gives 0 ksync show "$odd" --json && valid_json "$dir/out" \
		"bytes.fromhex(d['name_hex']).endswith(b'\xed\xa0\x80') and d['name'].startswith('$1 \"q\" \\\\ ä ')" &&
	gives 0 ksync ls --json && valid_json "$dir/out" d &&
	gives 0 ksync ls && says "^$1 \"q\" .x5c .* .xc2.x9b .xff .xed.xa0.x80 " out
}

status_tells_backend()
{
	gives 0 ksync status && says "^backend  *$KSYNC_BACKEND" out &&
	says '^kernel  *Linux' out && says '  yes  what a dead process held' out &&
	KSYNC_BACKEND=nonsense gives 78 ksync status &&
	KSYNC_BACKEND=nonsense gives 78 ksync lock "$1" true &&
	says "must be 'kernel' or 'futex'" err
}

# A holder that does not wait, and one that waits for it.
graph_tells_who_waits()
{
	if [ "$KSYNC_BACKEND" = futex ]; then
		gives 69 ksync graph && says 'cannot' err
		return
	fi
	"$tool" lock "$1" sleep 100 &
	pids="$pids $!"
	within is "$1" held true || return
	"$tool" lock "$1" true &
	pids="$pids $!"
	within is "$1" waiting_writers 1 &&
	gives 0 ksync graph && says "waits .* for rwlock '$1'" out &&
	says 'held by [0-9]* (ksync' out &&
	gives 0 ksync graph --dot && says '^digraph ksync {' out &&
	says "shape=box, label=\"rwlock '$1'\"" out &&
	says '-> thread_[0-9]*_0 \[label="exclusive"\]' out &&
	gives 0 ksync graph --json && says "\"name\": \"$1\"" out &&
	says '"held": "exclusive"' out && gives 64 ksync graph too many
}

missing_module()
{
	[ ! -e /sys/module/ksync ] || return 0
	KSYNC_BACKEND=kernel gives 69 ksync lock "$1" true && says modprobe err
}

lost_output()
{
	[ ! -e /dev/full ] || gives 74 sh -c "'$tool' status >/dev/full"
}

nothing_left()
{
	ksync ls >"$dir/out"
	! grep "^$prefix" "$dir/out"
}

tests="help_everywhere usage_errors lock_passes_exit_status lock_excludes
	lock_shared lock_passes_signals_on die_holding orphan_goes_on check_dead
	killed_command_is_a_death sem_limits sem_resize wg_round wg_run
	wg_member_dies wg_watches_adder unlink_frees_the_name wrong_type
	json_output odd_names status_tells_backend graph_tells_who_waits
	missing_module lost_output
	nothing_left"

backends()
{
	if [ -n "${KSYNC_BACKEND:-}" ]; then
		echo "$KSYNC_BACKEND"
	elif [ -e /dev/ksync ]; then
		echo futex kernel
	else
		echo futex
	fi
}

chosen=${*:-$tests}
echo "TAP version 13"
for KSYNC_BACKEND in $(backends); do
	export KSYNC_BACKEND
	for t in $chosen; do
		nr=$((nr + 1))
		if $t "$prefix-$t"; then
			echo "ok $nr $KSYNC_BACKEND.$t"
		else
			echo "not ok $nr $KSYNC_BACKEND.$t"
			failed=$((failed + 1))
		fi
		cleanup
	done
done
echo "1..$nr"
[ $failed -eq 0 ]
