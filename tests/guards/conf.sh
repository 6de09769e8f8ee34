#!/bin/sh
# The annotated configuration that is shipped is the one that the program prints.
set -eu
cd "$(dirname "$0")/../.."
"${1:?path of mcp-authd}" -p | diff -u conf/mcp-authd.conf - || {
	echo "conf/mcp-authd.conf is not what mcp-authd -p prints: run make conf" >&2
	exit 1
}
