#!/bin/sh
set -eu
pid_file=$(sed -n 's/.*"pid_file" *: *"\([^"]*\)".*/\1/p')
sleep 300 &
echo "$!" >"$pid_file"
echo 'done'
