#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The kernel's checkpatch --strict, on everything written in C.

set -euo pipefail
. "$(dirname "$0")/../lib/common.sh"
. "$ksync_top/scripts/lib/check.sh"

tree=$(scripts/kselftest-source)
elsewhere=$(mktemp -d)
trap 'rm -rf "$elsewhere"' EXIT
mkdir "$elsewhere/include"
clean=$ksync_cache/checkpatch	# one empty file for each that was found clean
mkdir -p "$clean"

# run IGNORED-TYPES FILE...
run()
{
	local ignore=$1
	shift
	# shellcheck disable=SC2016  # for the inner shell
	[[ $# -eq 0 ]] || printf '%s\n' "$@" |
		ignore=$ignore xargs -P "$(nproc)" -n 1 bash -c 'one "$@"' one
}

# In another directory, for checkpatch leaves a cache where it is.
one()
{
	local stamp report
	stamp=$clean/$( (cat "$tree/version" "$1"; echo "$ignore") | sha256sum | cut -c1-32)

	[[ ! -e $stamp ]] || return 0
	report=$(cd "$elsewhere" &&
		perl "$tree/scripts/checkpatch.pl" --no-tree --root=. --strict \
		--terse --quiet --no-summary --max-line-length=100 --show-types \
		--ignore "$ignore" -f "$ksync_top/$1") || true
	if [[ -z $report ]]; then
		: >"$stamp"
	else
		echo "${report//"$ksync_top/"/}"
	fi
}
export -f one
export tree elsewhere clean ksync_top

code()
{
	sources "$@" | grep -E '\.[ch]$' || true
}

# What is left out, and why.
#
# Everywhere: there is no kernel tree around us to find a maintainer in, and
# checkpatch does not know "LGPL-2.1-or-later OR MIT" (spdx.sh does).
all=FILE_PATH_CHANGES,SPDX_LICENSE_TAG
# The module: it also builds on kernels that have no kzalloc_obj(), and its
# macros that use an argument twice are tables of constants and names of fields.
module=$all,ALLOC_WITH_SIZEOF,MACRO_ARG_REUSE
# Differences between kernels that only their version tells.
compat=$module,LINUX_VERSION_CODE,CONSTANT_COMPARISON
# Trace events are laid out like all of the kernel's.
trace=$module,OPEN_ENDED_LINE,PARENTHESIS_ALIGNMENT
# The ABI header is read by user space, which has no BIT() and no __aligned().
abi=$all,BIT_MACRO,PREFER_DEFINED_ATTRIBUTE_MACRO
# User space has stdint.h and no ARRAY_SIZE() either, writes PRIu64 and
# _Noreturn, says "help" without meaning the function around it, fences by C11
# atomics, asks for system calls that may not be there, has volatile counters,
# no fallthrough, and macros that are tables, declarations or whole functions.
user=$abi,PREFER_KERNEL_TYPES,ARRAY_SIZE,CAMELCASE,EMBEDDED_FUNCTION_NAME,LONG_LINE_STRING
user+=,MEMORY_BARRIER,ENOSYS,PREFER_FALLTHROUGH,VOLATILE
user+=,ARCH_DEFINES,COMPLEX_MACRO,MACRO_ARG_REUSE,LINE_SPACING,MACRO_WITH_FLOW_CONTROL
# Selftests, and what stands in for the kernel in unit tests: macros that leave
# the test, as those of the harness; setups that fill several variables;
# comparisons and strings as they are read.
tests=$user,MACRO_WITH_FLOW_CONTROL,MULTISTATEMENT_MACRO_USE_DO_WHILE,MACRO_ARG_PRECEDENCE
tests+=,MULTIPLE_ASSIGNMENTS,COMPARISON_TO_NULL,STRCPY,MACRO_ARG_UNUSED

mapfile -t files < <(code module | grep -vE '/trace[^/]*\.h$|^module/(tests/host/|compat\.h)' || true)
bad_lines checkpatch < <(run "$module" "${files[@]}")
bad_lines checkpatch < <(run "$compat" module/compat.h)
mapfile -t files < <(code module | grep '/trace[^/]*\.h$' || true)
bad_lines checkpatch < <(run "$trace" "${files[@]}")
mapfile -t files < <(code uapi)
bad_lines checkpatch < <(run "$abi" "${files[@]}")
mapfile -t files < <(code lib tools examples bench)
bad_lines checkpatch < <(run "$user" "${files[@]}")
mapfile -t files < <(code selftests module/tests/host)
bad_lines checkpatch < <(run "$tests" "${files[@]}")
verdict
