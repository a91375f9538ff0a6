#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A file is about one thing: 500 lines are plenty, above 600 it fails.

set -euo pipefail
. "$(dirname "$0")/../lib/common.sh"
. "$ksync_top/scripts/lib/check.sh"

warn=500
limit=600
while IFS= read -r f; do
	lines=$(wc -l <"$f")
	if [[ $lines -gt $limit ]]; then
		bad "$f: $lines lines; split it (limit $limit)"
	elif [[ $lines -gt $warn ]]; then
		echo "warning: $f: $lines lines; think of splitting it"
	fi
done < <(sources . | grep -E '\.[ch]$|^scripts/|Makefile$')
verdict
