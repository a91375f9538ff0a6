# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# One line of result per program, and a last line with the numbers.
#
# Needs common.sh.

# open_results DIR: start anew, with logs in DIR.
open_results()
{
	log=$1
	results=$log/results
	rm -rf "$log"
	mkdir -p "$log"
	: >"$results"
}

# result VERDICT PLACE NAME [REASON]
result()
{
	printf '%s  %-12s  %s%s\n' "$1" "$2" "$3" "${4:+  ($4)}"
	echo "$1" >>"$results"
}

show()
{
	tail -n "${2:-25}" "$1" | sed 's/^/      | /'
	echo "      all of it: $1"
}

# stage NAME COMMAND...: for the record of times.
stage()
{
	local name=$1 begin=$SECONDS status=0
	shift
	"$@" || status=$?
	printf '%4d s  %s\n' $((SECONDS - begin)) "$name" >>"$log/times"
	[[ -z $verbose ]] || note "$name: $((SECONDS - begin)) s"
	return "$status"
}

# limit NUMBER: of what goes on together, so many at the same time.
limit()
{
	local i

	mkfifo "$log/turns"
	exec {turns}<>"$log/turns"
	rm "$log/turns"
	for ((i = 0; i < $1; i++)); do
		printf . >&"$turns"
	done
}

turns=
in_turn()
{
	local status=0

	[[ -z $turns ]] || read -r -n 1 -u "$turns"
	"$@" || status=$?
	[[ -z $turns ]] || printf . >&"$turns"
	return "$status"
}

# together STAGE=FUNCTION...: all at the same time.  What each prints comes out as it
# comes, but one after another, in this order.
together()
{
	local part pids=() files=() i

	for part in "$@"; do
		files+=("$log/${part%%=*}.out")
		: >"${files[-1]}"
		# One that fails must not end the others.
		# shellcheck disable=SC2086  # a function with its arguments
		(set +e; in_turn stage "${part%%=*}" ${part#*=}) >"${files[-1]}" 2>&1 &
		pids+=($!)
		# Those who read from a pipe are served in the order they came.
		[[ -z $turns ]] || sleep 0.1
	done
	for i in "${!pids[@]}"; do
		tail -q -n +1 -s 0.2 -f --pid="${pids[i]}" "${files[i]}"
		wait "${pids[i]}" || true
		rm "${files[i]}"
	done
}

# attempt PLACE NAME COMMAND...: one result from a command's exit status.  4 says that
# something is missing that it needs; with KSYNC_CI=1 that is a failure.
attempt()
{
	local place=$1 name=$2 file=$log/$1-$2.log status=0
	shift 2
	"$@" >"$file" 2>&1 || status=$?
	[[ $status -ne 4 || -z ${KSYNC_CI:-} ]] || status=1
	case $status in
	0)	result PASS "$place" "$name" ;;
	4)	result SKIP "$place" "$name" "$(tail -n 1 "$file")" ;;
	*)	result FAIL "$place" "$name"
		show "$file" ;;
	esac
	[[ $status -eq 0 || $status -eq 4 ]]
}

build_user_space()
{
	attempt build library-and-tools make --no-print-directory -j"$(nproc)" all &&
		attempt build selftests scripts/build-selftests
}

# The installed programs, comma-separated: all, or without those like PATTERN.  What
# is named X_deep takes long and is for KSYNC_DEEP=1, which test-deep sets.
# shellcheck disable=SC2120  # callers are in other files
programs()
{
	local deep='_deep(_32)?(\.sh)?$'

	[[ -z ${KSYNC_DEEP:-} ]] || deep='^$'
	sed -n 's/^ksync://p' "$ksync_build/kselftest/kselftest-list.txt" |
		grep -vE "$deep" | grep -v "${1:-^$}" | paste -sd,
}

# Sizes and seeds that the selftests take from the environment, as NAME=VALUE.
guest_settings()
{
	local name

	for name in KSYNC_STORM_SECONDS KSYNC_FUZZ_SECONDS KSYNC_FUZZ_SEED \
		KSYNC_HOSTILE_SECONDS KSYNC_LIMITS KSYNC_ROUNDS_MS KSYNC_SEED \
		KSYNC_WINDOW_STRIDE KSYNC_WINDOW_LONGEST \
		KSYNC_WINDOW_SECONDS KSYNC_GRAPHS KSYNC_TEST_TIMEOUT; do
		[[ -z ${!name:-} ]] || echo "$name=${!name}"
	done
}

# selftests_in_guest KERNEL PASS... [-- VM-OPTION...]: one result per program and
# one for the guest.  PASS is what scripts/guest/run-tests and run-debug take.
# Several at once with the same kernel are told apart by $guest_name.
selftests_in_guest()
{
	local k=$1 passes=() expect=() run=run-tests settings status anew
	local name=${guest_name:-$1}
	shift

	if [[ ! -e $ksync_build/$k/ksync.ko ]]; then
		result FAIL "$name" guest "there is no module to load"
		return
	fi
	while [[ $# -gt 0 && $1 != -- ]]; do
		passes+=("$1")
		expect+=(--expect "$1")
		shift
	done
	[[ $k != debug-* ]] || run="run-debug"
	# With two backends, half a minute of random kills for each kernel.
	mapfile -t settings < <(KSYNC_STORM_SECONDS=${KSYNC_STORM_SECONDS:-15} guest_settings)
	# shellcheck disable=SC2094  # logs are read when all has been written
	scripts/vm -k "$k" --timeout "${KSYNC_GUEST_TIMEOUT:-1500}" \
		--log "$log/$name-console.log" \
		--add scripts/guest/run-tests:/usr/bin/run-tests \
		--add scripts/guest/run-debug:/usr/bin/run-debug "${@:2}" \
		-- env "KSYNC_DEEP=${KSYNC_DEEP:-}" \
		"KSYNC_ONE_CPU=${KSYNC_ONE_CPU:-}" \
		"${settings[@]}" \
		"$run" "${passes[@]}" 2>"$log/$name-vm.log" |
		tee "$log/$name.tap" |
		scripts/tap-results --place "$k" --device --logs "$log" \
			--why "$log/$name-vm.log" --why "$log/$name-console.log" \
			--results "$results" "${expect[@]}"
	status=${PIPESTATUS[0]}
	# The tests have told their own failures; 125 is about the guest.
	if [[ $status -ne 125 ]]; then
		anew=$(grep -c 'starting anew' "$log/$name-vm.log" || true)
		[[ $anew -eq 0 ]] || anew="; started anew: $anew, see $log/$name-vm.log"
		result PASS "$name" guest "clean kernel log, module unloads${anew#0}"
	else
		result FAIL "$name" guest
		show "$log/$name-vm.log"
		scripts/klog-check "$log/$name-console.log" | head -n 5 | sed 's/^/      | /' || true
	fi
}

summary()
{
	local pass fail skip
	pass=$(grep -c PASS "$results" || true)
	fail=$(grep -c FAIL "$results" || true)
	skip=$(grep -c SKIP "$results" || true)
	echo "$pass passed, $fail failed, $skip skipped"
	[[ $fail -eq 0 && $pass -gt 0 ]]
}
