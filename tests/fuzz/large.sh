#!/bin/sh
# Writes the inputs that are too large to keep: as large as a body may be, made of what costs most memory.
#   large.sh FOLDER    FOLDER/json and FOLDER/app
set -eu
body_max=1048576 # MAX_BODY_BYTES as it is shipped
mkdir -p "$1/json" "$1/app"

# repeat PIECE BEFORE BEHIND: the piece as often as fits
repeat() {
	piece=$1
	printf '%s' "$2"
	yes "$piece" | tr -d '\n' | head -c $(((body_max - ${#2} - ${#3} - ${#piece}) / ${#piece} * ${#piece}))
	printf '%s' "$3"
}

names() { awk -v most=$((body_max / 16)) 'BEGIN { printf "{"; for (i = 0; i < most; i++) printf "\"n%d\":0,", i; printf "\"n\":0}" }'; }

repeat '{},' '[' '0]' >"$1/json/objects"
repeat '[],' '[' '0]' >"$1/json/arrays"
repeat '1,' '[' '0]' >"$1/json/numbers"
repeat '"",' '[' '0]' >"$1/json/strings"
repeat '{"a":[{}]},' '[' '0]' >"$1/json/nested"
repeat 'a' '"' '"' >"$1/json/string"
repeat '\u2028' '"' '"' >"$1/json/escapes"
repeat '9' '[' ']' >"$1/json/number"
repeat '[' '' '' >"$1/json/deep"
names >"$1/json/names"

head_of() { # METHOD NAME
	printf 'POST /mcp\nContent-Type: application/json\nAccept: application/json, text/event-stream\nAuthorization: Bearer t\n'
	printf 'MCP-Protocol-Version: 2026-07-28\nMcp-Method: %s\nMcp-Name: %s\n\n' "$1" "$2"
}
meta='"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}'
call='{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{'$meta',"name":"echo","arguments":{"text":"'
for piece in 'a' '\u2028' '\u0000'; do
	{ head_of tools/call echo && repeat "$piece" "$call" '"}}}'; } >"$1/app/echo-${piece#?}"
done
call='{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{'$meta',"name":"t","arguments":{"s":['
for kind in objects arrays numbers strings; do
	case $kind in objects) piece='{},' ;; arrays) piece='[],' ;; numbers) piece='1,' ;; strings) piece='"",' ;; esac
	{ head_of tools/call t && repeat "$piece" "$call" '0]}}}'; } >"$1/app/$kind"
done
{
	printf 'POST /mcp\nContent-Type: application/json\nAccept: application/json\nAuthorization: Bearer t\nMCP-Protocol-Version: 2025-03-26\n\n'
	repeat '{"jsonrpc":"2.0","id":1,"method":"ping"},' '[' '0]'
} >"$1/app/batch"
{
	printf 'POST /token\nContent-Type: application/x-www-form-urlencoded\n\n'
	repeat 'a=b&' '' 'client_id=c'
} >"$1/app/form"
{
	printf 'POST /register\nContent-Type: application/json\n\n'
	repeat '"https://client.example/cb",' '{"redirect_uris":[' '"https://client.example/cb"]}'
} >"$1/app/register"
