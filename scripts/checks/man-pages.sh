#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Man pages are well-formed.

set -euo pipefail
. "$(dirname "$0")/../lib/common.sh"
. "$ksync_top/scripts/lib/check.sh"

mapfile -t pages < <(sources Documentation/man | grep -E '\.[1-9]$' || true)
[[ ${#pages[@]} -gt 0 ]] || skip "no man pages yet"
bad_lines mandoc < <(mandoc -T lint -W warning "${pages[@]}" 2>&1 || true)
verdict
