#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Every selftest program is built and run: no list of them kept by hand.

set -euo pipefail
. "$(dirname "$0")/../lib/common.sh"
. "$ksync_top/scripts/lib/check.sh"

makefile=selftests/Makefile
[[ -e $makefile ]] || skip "no $makefile yet"

# What kselftest would install and run, by the makefile's own account.
tree=$(scripts/kselftest-source)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$tree/tools" "$tree/scripts" "$work/"
cp -r selftests "$work/tools/testing/selftests/ksync"
make -s --no-print-directory -C "$work/tools/testing/selftests/ksync" \
	KSYNC_TOP="$ksync_top" OUTPUT="$work/out" COLLECTION=ksync emit_tests |
	sed -n 's/^ksync://p' | sort >"$work/run"

# A program is a source with a main, or with the harness's.
mapfile -t sources < <(sources selftests | grep '\.c$' || true)
while IFS= read -r f; do
	name=$(basename "$f" .c)
	grep -qx "$name" "$work/run" || grep -qx "${name}_32" "$work/run" ||
		bad "$f: a program that 'make run_tests' does not run"
done < <(grep -lE '^TEST_HARNESS_MAIN|^int main\(|^main\(' /dev/null "${sources[@]}")
while IFS= read -r f; do
	[[ ! -x $f ]] || grep -qx "$(basename "$f")" "$work/run" ||
		bad "$f: a script that 'make run_tests' does not run"
done < <(sources selftests | grep '\.sh$' || true)
verdict
