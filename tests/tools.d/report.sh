#!/bin/sh
set -eu
cat >/dev/null
echo '{"total": 3, "items": ["a", "b", "c"]}'
