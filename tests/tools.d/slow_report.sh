#!/bin/sh
set -eu
for step in 1 2 3; do
	printf '{"progress": {"progress": %s, "total": 3}}\n' "$step"
	sleep 0.2
done
echo '{"result": {"content": [{"type": "text", "text": "all three"}]}}'
