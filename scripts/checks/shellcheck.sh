#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Every shell script passes shellcheck.

set -euo pipefail
. "$(dirname "$0")/../lib/common.sh"
. "$ksync_top/scripts/lib/check.sh"

mapfile -t scripts < <(
	while IFS= read -r f; do
		case $f in
		*.sh)	echo "$f" ;;
		*.c|*.h|*.rst|*.md) ;;
		*)	if head -n 1 "$f" | grep -qE '^#!.*\b(ba)?sh\b'; then
				echo "$f"
			fi ;;
		esac
	done < <(sources .)
)
[[ ${#scripts[@]} -gt 0 ]] || bad "no shell script found"
# 1090, 1091: sourced files are checked by themselves.
# 2154: variables that those set.
bad_lines shellcheck < <(shellcheck --exclude=SC1090,SC1091,SC2154 \
	--format=gcc "${scripts[@]}" || true)
verdict
