#!/bin/sh
# Functions that have no safe use, and words that mark unfinished work.
set -eu
cd "$(dirname "$0")/../.."
bad=0

if grep -nwE '(strcpy|strcat|sprintf|vsprintf|gets|strtok|strncat|gmtime|localtime|system|popen|alloca|atoi|atol|rand|tmpnam|mktemp)\(' -r src; then
	echo "the functions above are not used here" >&2
	bad=1
fi
if grep -nwE 'TODO|FIXME|XXX' -r src tests/unit tests/pool tests/e2e tests/parts conf scripts; then
	echo "the lines above mark unfinished work" >&2
	bad=1
fi
if git grep -nE '^(<<<<<<<|>>>>>>>) ' -- . ':!tests/guards/banned.sh'; then
	echo "the lines above are left from a merge" >&2
	bad=1
fi
exit $bad
