# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# For scripts/checks: each is one rule, prints what breaks it as
# FILE[:LINE]: WHAT and fails if there was any.
#
# Needs common.sh.

cd "$ksync_top" || exit
violations=0

bad()
{
	echo "$*"
	violations=$((violations + 1))
}

# bad_lines WHAT: each line of the input (FILE:LINE:TEXT) breaks the rule.
bad_lines()
{
	local line

	while IFS= read -r line; do
		bad "$line    <- $1"
	done
}

verdict()
{
	[[ $violations -eq 0 ]]
}

# Exit status 4 is kselftest's for "could not be checked", with the reason.
skip()
{
	echo "$*"
	exit 4
}

# sources [PATH...]: the files that are ours, new ones included.
# shellcheck disable=SC2120  # callers are in other files
sources()
{
	if git rev-parse --git-dir >/dev/null 2>&1; then
		git ls-files --cached --others --exclude-standard -- "$@" |
			while IFS= read -r f; do
				[[ ! -f $f ]] || printf '%s\n' "$f"
			done
	else
		find "${@:-.}" -type f -not -path './build/*' \
			-not -path './.git/*' 2>/dev/null |
			sed 's,^\./,,' | sort
	fi
}
