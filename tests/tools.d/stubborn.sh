#!/bin/sh
set -eu
pid_file=$(sed -n 's/.*"pid_file" *: *"\([^"]*\)".*/\1/p')
trap '' TERM INT HUP
echo "$$" >"$pid_file"
while :; do sleep 1; done
