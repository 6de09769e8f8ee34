#!/bin/sh
# The figures of scripts/figures stay within what ARCHITECTURE.md promises.
set -eu
cd "$(dirname "$0")/../.."
figures=$(scripts/figures .)
bad=0

# at_most LIMIT FIGURE: the number that the figure's line ends in, a unit aside.
at_most() {
	value=$(echo "$figures" | sed -nE "s/^$2: ([^0-9]* )?([0-9.]+)( lines| %)?\$/\\2/p")
	[ -n "$value" ] || {
		echo "figures.sh: scripts/figures says nothing of \"$2\"" >&2
		exit 1
	}
	[ "$(echo "$value $1" | awk '{ print ($1 <= $2) }')" = 1 ] || {
		echo "$2: $value, and the limit is $1:" >&2
		scripts/figures . list "$2" | sed 's/^/  /' >&2
		bad=1
	}
}

at_most 0 "functions with more than 5 parameters"
at_most 50 "longest function"
at_most 4 "functions with a complexity over 10"
at_most 0 "files without a header of their own that do not say why"
at_most 15 "largest module"
at_most 0 "cycles between files"

exit $bad
