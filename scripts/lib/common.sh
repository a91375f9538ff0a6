# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What every script here needs: where things are, how to complain, and a cache
# in which an entry is either whole or absent.

# shellcheck disable=SC2034  # for those who source this

ksync_top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
ksync_build=$ksync_top/build
# Raise the number when the layout of an entry changes: old entries are dropped.
ksync_cache_root=${KSYNC_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ksync}
ksync_cache=$ksync_cache_root/v1
ksync_kernels="6.1 6.12 7.3"
# Built from source, with the kernel's bug detectors in them.
ksync_debug_kernels="debug-kasan debug-kcsan"

note()
{
	printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die()
{
	note "error: $*"
	exit 1
}

check_kernel()
{
	[[ " $ksync_kernels " == *" $1 "* ]] ||
		die "unknown kernel '$1'; known are: $ksync_kernels"
}

# kernel_tree NAME: the directory of a kernel of either kind; see scripts/kernel.
kernel_tree()
{
	case $1 in
	debug-*)	"$ksync_top/scripts/debug-kernel" "$1" ;;
	*)		"$ksync_top/scripts/kernel" "$1" ;;
	esac
}

# cached NAME FUNCTION [ARG...]: have FUNCTION fill a directory (its first
# argument) unless the entry is there, then publish it by renaming.  Whoever
# comes second waits; whoever is interrupted leaves only NAME.part.
cached()
{
	local entry=$ksync_cache/$1 fill=$2
	shift 2

	[[ -d $entry ]] && return
	mkdir -p "$(dirname "$entry")"
	exec {lock}>"$entry.lock"
	flock "$lock"
	if [[ ! -d $entry ]]; then
		drop_old_layouts
		rm -rf "$entry.part"
		mkdir "$entry.part"
		# A subshell of its own: set -e does not reach into
		# functions that are called in a condition.
		(set -e; "$fill" "$entry.part" "$@")
		mv -T "$entry.part" "$entry"
	fi
	exec {lock}>&-
}

drop_old_layouts()
{
	local old

	for old in "$ksync_cache_root"/v[0-9]*; do
		[[ $old == "$ksync_cache" ]] || rm -rf "$old"
	done
}
