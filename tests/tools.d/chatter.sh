#!/bin/sh
set -eu
cat >/dev/null
i=0
while [ $i -lt 4000 ]; do
	echo "diagnostics $i: something that only an admin wants to read, and a lot of it" >&2
	i=$((i + 1))
done
echo 'short result'
