# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A Debian 13 with nothing but what builds kernel modules, for kernels that the
# host's compiler is too old for.  Packages are only unpacked, which takes
# seconds and needs neither root nor debootstrap; nothing in them wants their
# installation scripts.
#
# Needs common.sh and apt.sh.

toolchain_packages=(
	gcc-14 make pahole kmod libelf1t64 libssl3t64 zlib1g
	bash dash coreutils sed grep mawk findutils diffutils perl-base
)

# unpack_toolchain ROOT WORK
unpack_toolchain()
{
	local root=$1 work=$2 d

	# In a subshell: the private apt of the caller stays as it is.
	(
		apt_open "$work/apt" trixie
		apt_fetch_all "$work/debs" "${toolchain_packages[@]}"
	)
	# Since Debian 12 these are links; base-files would make them.
	mkdir -p "$root"/usr/{bin,sbin,lib,lib64} "$root"/{dev,tmp,build}
	for d in bin sbin lib lib64; do
		ln -s "usr/$d" "$root/$d"
	done
	unpack "$root" "$work"/debs/*.deb
	ln -sf dash "$root/usr/bin/sh"
	ln -sf mawk "$root/usr/bin/awk"
	if [[ $(id -u) -eq 0 ]]; then
		mknod -m 666 "$root/dev/null" c 1 3 2>/dev/null || true
	fi
	[[ -e $root/dev/null ]] || : >"$root/dev/null"
	# objtool asks where its stack is, for its crash handler's message only.
	# A true /proc would take the right to mount.
	mkdir -p "$root/proc/self"
	echo '7ffffffde000-7ffffffff000 rw-p 00000000 00:00 0 [stack]' \
		>"$root/proc/self/maps"
}

# in_toolchain ROOT COMMAND...: run a command inside.
in_toolchain()
{
	local root=$1 map=()
	shift

	set -- env -i PATH=/usr/sbin:/usr/bin HOME=/tmp LC_ALL=C "$@"
	if [[ $(id -u) -eq 0 && -c $root/dev/null ]]; then
		chroot "$root" "$@"
		return
	fi
	[[ $(id -u) -eq 0 ]] || map=(--map-root-user)
	unshare "${map[@]}" --mount true 2>/dev/null ||
		die "cannot enter $root: user namespaces are off (sysctl kernel.unprivileged_userns_clone=1), or run as root"
	# shellcheck disable=SC2016  # expanded by the inner shell
	unshare "${map[@]}" --mount sh -c \
		'root=$1; shift; mount --bind /dev/null "$root/dev/null" && exec chroot "$root" "$@"' \
		sh "$root" "$@"
}
