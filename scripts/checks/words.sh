#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Nothing in the tree that only means something on one machine.

set -euo pipefail
. "$(dirname "$0")/../lib/common.sh"
. "$ksync_top/scripts/lib/check.sh"

# A path of one person's machine; conflict markers; notes left behind.
patterns=(
	'/(home|Users)/[a-z]+/' '(^|[^a-zA-Z.])/root/[a-zA-Z]' '(^|[^a-zA-Z.}])/work/'
	'^(<<<<<<<|>>>>>>>) ' '\b(FIXME|XXX)\b'
)
while IFS= read -r f; do
	[[ $f != scripts/checks/words.sh ]] || continue
	for p in "${patterns[@]}"; do
		bad_lines "must not be here" < <(grep -nHIE -- "$p" "$f")
	done
	bad_lines "space at the end of the line" < <(grep -nHIE -- '[[:blank:]]+$' "$f")
done < <(sources .)
verdict
