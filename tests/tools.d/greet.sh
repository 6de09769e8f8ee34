#!/bin/sh
set -eu
# One JSON object on standard input: {"tool":…,"arguments":{"name":…},"caller":{"username":…,…}}.
input=$(cat)
name=$(printf '%s' "$input" | sed -n 's/.*"name" *: *"\([^"]*\)".*/\1/p')
caller=$(printf '%s' "$input" | sed -n 's/.*"username" *: *"\([^"]*\)".*/\1/p')
printf 'Hello %s, says %s' "$name" "$caller"
