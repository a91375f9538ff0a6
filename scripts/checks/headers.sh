#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The public header compiles by itself as C11 and C++17, the ABI header also for 32 bit.

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
# Anonymous structs, as many kernel headers have, are not pedantic C++.
compiles linux/ksync.h -Iuapi
verdict
