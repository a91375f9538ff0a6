#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Every ioctl of the ABI is in a table of the module and driven by a uapi_* test.

set -euo pipefail
. "$(dirname "$0")/../lib/common.sh"
. "$ksync_top/scripts/lib/check.sh"

mapfile -t headers < <(sources uapi | grep '\.h$' || true)
[[ ${#headers[@]} -gt 0 ]] || skip "no header yet"
mapfile -t module < <(sources module | grep '\.c$' || true)
[[ ${#module[@]} -gt 0 ]] || skip "no module yet"

mapfile -t commands < <(sed -n 's/^#[[:space:]]*define[[:space:]]\+\(KSYNC_IOC_[A-Z0-9_]\+\)[[:space:]].*\b_IO[RWC]*[( ].*/\1/p' "${headers[@]}")
[[ ${#commands[@]} -gt 0 ]] || bad "${headers[*]}: no KSYNC_IOC_ command found"
mapfile -t tests < <(sources selftests | grep -E '^selftests/uapi[_.].*[ch]$' || true)
for c in "${commands[@]}"; do
	grep -qE "^[[:space:]]*[A-Z_]+\($c\b|^[[:space:]]*\[.*\b$c\b|^[[:space:]]*\{ *$c\b" "${module[@]}" ||
		bad "$c: in no table of module/*.c"
	grep -qw "$c" /dev/null "${tests[@]}" ||
		bad "$c: in no selftests/uapi_*.c"
done
verdict
