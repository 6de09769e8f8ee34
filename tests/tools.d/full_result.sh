#!/bin/sh
set -eu
cat >/dev/null
echo '{"content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}], "isError": true}'
