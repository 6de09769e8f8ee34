#!/bin/sh
# Every header compiles alone.
set -eu
cd "$(dirname "$0")/../.."
for header in src/*/*.h; do
	echo "#include \"${header#src/}\"" |
		${CC:-cc} -std=gnu11 -D_GNU_SOURCE -Isrc -Wall -Wextra -Werror -fsyntax-only -x c - || {
		echo "$header does not compile alone" >&2
		exit 1
	}
done
