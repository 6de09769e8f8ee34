#!/bin/sh
set -eu
pid_file=$(sed -n 's/.*"pid_file" *: *"\([^"]*\)".*/\1/p')
echo "$$" >"$pid_file"
while :; do echo 'a line that is printed again and again'; done
