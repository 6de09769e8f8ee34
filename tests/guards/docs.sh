#!/bin/sh
# Links of the documents lead somewhere, and the tests that they name exist.
# shellcheck disable=SC2016 # the backticks are Markdown's
set -eu
cd "$(dirname "$0")/../.."
bad=0

say() {
	echo "$1" >&2
	bad=1
}

for doc in README.md ARCHITECTURE.md docs/*.md; do
	for link in $(grep -oE '\]\([^)#]+' "$doc" | sed 's/^](//' | grep -vE '^(https?|mailto):' || true); do
		[ -e "$(dirname "$doc")/$link" ] || say "$doc: $link does not exist"
	done
	for path in $(grep -oE '`(tests|infra|conf|scripts|src)/[A-Za-z0-9_./@-]+`' "$doc" | tr -d '\140' || true); do
		[ -e "$path" ] || say "$doc: $path does not exist"
	done
done

# A test that is named as `FILE` "NAME".
pairs=$(grep -ohE '`(tests|infra)/[^` ]+` "[^"]+"' docs/*.md || true)
while IFS= read -r pair; do
	[ -n "$pair" ] || continue
	file=${pair#?}
	file=${file%%\`*}
	name=${pair#*\"}
	name=${name%\"}
	grep -qsF -- "$name" "$file" || say "$file has no test \"$name\""
done <<EOF
$pairs
EOF
exit $bad
