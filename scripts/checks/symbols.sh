#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What the library exports, by its map and in fact, its header declares and its man
# pages name: the same.

set -euo pipefail
. "$(dirname "$0")/../lib/common.sh"
. "$ksync_top/scripts/lib/check.sh"

map=lib/libksync.map
header=lib/ksync.h
[[ -e $map && -e $header ]] || skip "no $map or $header yet"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

sed 's,/\*.*\*/,,; s,#.*,,' "$map" | tr -s ':;{}' '\n' |
	grep -oE '^[[:space:]]*ksync_[a-z0-9_]+' | tr -d '[:blank:]' | sort -u >"$work/map"
# The compiler's view of the header: declarations marked KSYNC_API.
gcc -E -P -DKSYNC_API=KSYNC_MARK -Ilib -Iuapi -x c "$header" |
	tr '\n' ' ' | tr -s ';{}' '\n' | grep -w KSYNC_MARK |
	grep -oE '\bksync_[a-z0-9_]+[[:space:]]*(\(|__attribute__)' |
	sed 's/[[:space:](].*//; s/__attribute__//' |
	sort -u >"$work/header"
[[ -s $work/header ]] || bad "$header: declares no function with KSYNC_API"

# The NAME section: "a, b \- what they do", or .Nm and .Nd of mdoc.
for page in Documentation/man/*.3; do
	[[ -e $page ]] || continue
	awk '/^\.S[Hh] "?NAME/ { on = 1; next } /^\.S[Hh]/ { on = 0 } on && !/^\.Nd/' "$page" |
		sed 's/\\-/-/g; s/\\f[BRIP]//g; s/ - .*//' |
		grep -oE '\bksync_[a-z0-9_]+' || true
done | sort -u >"$work/man"

compare()
{
	local f
	for f in $(comm -23 "$work/$1" "$work/$2"); do
		bad "$f: $3"
	done
}
compare header map "declared in $header, not exported by $map"
compare map header "exported by $map, not declared in $header"
compare header man "declared in $header, in no NAME section of Documentation/man/*.3"
compare man header "has a man page, is not declared in $header"
# One that is older than the map was built from another.
library=build/lib/libksync.so
if [[ $library -nt $map ]]; then
	nm -D --defined-only "$library" 2>/dev/null |
		grep -oE '\bksync_[a-z0-9_]+' | sort -u >"$work/library" || true
	compare map library "exported by $map, not by $library"
	compare library map "exported by $library, not by $map"
fi
verdict
