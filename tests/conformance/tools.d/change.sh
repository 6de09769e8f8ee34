#!/bin/sh
# Adds a manifest to a folder, or takes it away again.
set -eu
file=$1/extra.json
if [ -e "$file" ]; then
	rm "$file"
elif [ "$1" = . ]; then
	echo '{"name": "extra", "description": "Comes and goes.", "inputSchema": {"type": "object"}, "run": {"command": ["/bin/true"]}}' >"$file"
else
	echo '{"name": "extra", "description": "Comes and goes.", "run": {"messages": [{"role": "user", "content": {"type": "text", "text": "extra"}}]}}' >"$file"
fi
