#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Every file says its licence, and it is the one of its folder.

set -euo pipefail
. "$(dirname "$0")/../lib/common.sh"
. "$ksync_top/scripts/lib/check.sh"

# The first folder that matches decides.
expected()
{
	case $1 in
	uapi/*)		echo 'GPL-2.0-only WITH Linux-syscall-note' ;;
	lib/*)		echo 'LGPL-2.1-or-later OR MIT' ;;
	Documentation/*|*.md|*.rst) echo any ;;
	*)		echo 'GPL-2.0-only' ;;
	esac
}

# How the line begins is the kernel's rule for each kind of file.
comment()
{
	case $1 in
	*.c|*.go)	echo '// ' ;;
	*.h|*.map|*.pml)	echo '/\* ' ;;
	*.md|*.svg)	echo '<!-- ' ;;
	*.rst)		echo '\.\. ' ;;
	*.[1-9])	printf '%s' "[.']\\\\\" " ;;
	*)		echo '# ' ;;
	esac
}

while IFS= read -r f; do
	case $f in
	LICENSES/*|COPYING*|*.json|*.tap|*.png) continue ;;
	esac
	line=$(head -n 3 "$f" | grep -am 1 'SPDX-License-Identifier: ' || true)
	want=$(expected "$f")
	if [[ -z $line ]]; then
		bad "$f: no SPDX-License-Identifier in its first lines (want: $want)"
		continue
	fi
	grep -q "^$(comment "$f")SPDX" <<<"$line" ||
		bad "$f: the SPDX line does not begin as it does in files of this kind: $line"
	have=$(sed -e 's/.*SPDX-License-Identifier: //' -e 's, *\(\*/\|-->\)$,,' <<<"$line")
	[[ $want == any || $have == "$want" ]] ||
		bad "$f: licence is '$have', but '$want' in this folder"
done < <(sources .)
verdict
