#!/bin/sh
# Calls the tool as mcp-authd does, without a client and a login. Run it after each change.
set -eu
cd "$(dirname "$0")"
PATH=$PATH:/usr/local/sbin:/usr/sbin

# expect STATUS OUTPUT ARGUMENTS: the exit status (0: a result, 1: an error) and what it begins with.
expect() {
	status=0
	output=$("${MCP_AUTHD:-mcp-authd}" call --dir . -- '{{name}}' "$3") || status=$?
	case $status,$output in
	"$1,$2"*) echo "ok: $3" ;;
	*)
		echo "$3: exit status $status, output: $output" >&2
		exit 1
		;;
	esac
}

expect 0 'Hello, Ada!' '{"who": "Ada"}'
expect 1 'Invalid arguments: ' '{}'
