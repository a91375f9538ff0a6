# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A private apt: Debian suites of our choice, beside and without touching the
# host's configuration.  apt checks the signature of what it downloads against
# Debian's archive keyring.
#
# Needs common.sh.

ksync_mirror=${KSYNC_MIRROR:-http://deb.debian.org/debian}
ksync_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# apt_open DIR SUITE...: make DIR a private apt root and read the indices.
apt_open()
{
	local dir=$1 suite
	shift

	[[ -r $ksync_keyring ]] ||
		die "$ksync_keyring is missing; install debian-archive-keyring"
	mkdir -p "$dir"/{state/lists/partial,cache/archives/partial}
	: >"$dir/status"
	for suite in "$@"; do
		printf 'deb [signed-by=%s arch=amd64] %s %s main\n' \
			"$ksync_keyring" "$ksync_mirror" "$suite"
	done >"$dir/sources.list"
	apt_options=(
		-qq
		-o "Dir::State=$dir/state"
		-o "Dir::State::status=$dir/status"
		-o "Dir::Cache=$dir/cache"
		-o "Dir::Cache::archives=$dir/cache/archives"
		-o "Dir::Etc::SourceList=$dir/sources.list"
		-o Dir::Etc::SourceParts=/dev/null
		-o Dir::Etc::Preferences=/dev/null
		-o Dir::Etc::PreferencesParts=/dev/null
		-o APT::Architecture=amd64
		-o APT::Sandbox::User=root
		-o Acquire::Languages=none
		-o Acquire::Retries=3
		-o APT::Update::Error-Mode=any
		-o APT::Get::AllowUnauthenticated=false
		-o Acquire::AllowInsecureRepositories=false
		-o Debug::NoLocking=1
	)
	apt-get "${apt_options[@]}" update ||
		die "cannot read $ksync_mirror ($*); is the network up, and debian-archive-keyring up to date? KSYNC_MIRROR= chooses another mirror"
}

# apt_closure PACKAGE...: the names that these depend on, one a line.
apt_closure()
{
	apt-cache "${apt_options[@]}" depends --recurse --no-recommends \
		--no-suggests --no-conflicts --no-breaks --no-replaces \
		--no-enhances "$@" | sed -n 's/^\([a-z0-9].*\)/\1/p' | sort -u
}

# apt_version PACKAGE: the version that would be fetched.
apt_version()
{
	apt-cache "${apt_options[@]}" show --no-all-versions "$1" |
		sed -n 's/^Version: //p'
}

# apt_fetch DIR PACKAGE...: download exactly these into DIR.
apt_fetch()
{
	local dir=$1
	shift

	mkdir -p "$dir"
	(cd "$dir" && apt-get "${apt_options[@]}" download "$@") ||
		die "cannot download $* from $ksync_mirror; try again"
}

# apt_fetch_all DIR PACKAGE...: download these and all they depend on.
apt_fetch_all()
{
	local dir=$1
	shift

	mkdir -p "$dir/partial"
	apt-get "${apt_options[@]}" -o "Dir::Cache::archives=$dir" install \
		--yes --no-install-recommends --download-only "$@" >/dev/null ||
		die "cannot download $* from $ksync_mirror; try again"
}

# unpack DIR FILE.deb...: the files of packages, without their documentation.
unpack()
{
	local dir=$1 deb
	shift

	for deb in "$@"; do
		dpkg --fsys-tarfile "$deb" | tar -x -C "$dir" \
			--exclude='./usr/share/doc/*' \
			--exclude='./usr/share/man/*' \
			--exclude='./usr/share/locale/*' \
			--exclude='./usr/share/info/*'
	done
}
