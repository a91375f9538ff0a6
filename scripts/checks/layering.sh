#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Who may include and call what: the dependency lines of the design.

set -euo pipefail
. "$(dirname "$0")/../lib/common.sh"
. "$ksync_top/scripts/lib/check.sh"

# none PATTERN WHAT FILE...: no FILE has a line like PATTERN.
none()
{
	local pattern=$1 what=$2
	shift 2
	[[ $# -eq 0 ]] || bad_lines "$what" < <(grep -nHE -- "$pattern" "$@")
}

matching()
{
	sources "$1" | grep -E '\.[ch]$' | grep -E -- "${2:-.}" || true
}

except()
{
	sources "$1" | grep -E '\.[ch]$' | grep -vE -- "$2" || true
}

include='^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"]'

mapfile -t module < <(matching module)
mapfile -t lib < <(matching lib)
mapfile -t uapi < <(matching uapi)
mapfile -t users < <(for d in tools examples bench; do matching $d; done
	except selftests '^selftests/uapi[_.]')
mapfile -t uapi_tests < <(matching selftests '^selftests/uapi[_.]')

none "$include([^>\"]*/)?(lib|tools|selftests|examples)/" \
	'the module knows no user space' "${module[@]}"
none "$include(ksync\.h|[./]*lib/)" 'the module does not include the library' "${module[@]}"
none "$include([^>\"]*/)?module/" 'the library does not include the module' "${lib[@]}"
none "$include([^>\"]*/)?module/" 'only the module includes its headers' \
	"${users[@]}" "${uapi_tests[@]}"
none "$include(ksync|[./]*(lib|module)/)" 'the ABI stands alone' "${uapi[@]}"

mapfile -t files < <(except lib '^lib/(fast|backend_)[^/]*$')
none "${include}linux/ksync\.h" 'only lib/backend_* and lib/fast* know the ABI' "${files[@]}"
mapfile -t files < <(except lib '^lib/backend_kernel[^/]*\.c$')
none '\bioctl[[:space:]]*\(|\bSYS_ioctl\b' 'only lib/backend_kernel*.c calls ioctl' "${files[@]}"
mapfile -t files < <(except lib '^lib/(backend_futex[^/]*|futex/.*)\.[ch]$')
none '\b(SYS|__NR)_futex|\bfutex[[:space:]]*\(|\bFUTEX_[A-Z]+' 'only lib/backend_futex*.c and lib/futex/ use futexes' "${files[@]}"

none "${include}linux/ksync\.h" 'programs use the public header <ksync.h>' "${users[@]}"
none "${include}[./]*lib/" 'programs use the public header <ksync.h>' "${users[@]}"
mapfile -t private < <(sources lib | grep -E '\.h$' | grep -vx 'lib/ksync\.h' |
	sed 's,^lib/,,; s,\.,\\.,g' || true)
for h in "${private[@]}"; do
	none "${include}${h}[>\"]" 'a header inside the library' "${users[@]}" "${uapi_tests[@]}"
done
none "${include}ksync\.h" 'uapi_* tests use <linux/ksync.h> only' "${uapi_tests[@]}"
none '\bKSYNC_IOC_' 'only the library and uapi_* tests talk to the device' "${users[@]}"
verdict
