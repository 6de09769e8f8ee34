#!/bin/sh
# Every shell script passes shellcheck.
set -eu
cd "$(dirname "$0")/../.."
git ls-files -co --exclude-standard | while read -r file; do
	[ -f "$file" ] && head -c 64 "$file" | grep -qE '^#!/bin/(ba)?sh|^#!/usr/bin/env (ba)?sh' && echo "$file"
done | xargs shellcheck
