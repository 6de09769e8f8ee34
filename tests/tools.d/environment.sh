#!/bin/sh
set -eu
# Plain lines, so that a test can look for anything that does not belong here.
echo "argument=$1"
echo "directory=$(pwd)"
# shellcheck disable=SC2012 # the names are numbers; ls opens one descriptor of its own, on /proc
ls -l /proc/self/fd | sed -n 's/.* \([0-9][0-9]*\) -> \(.*\)/fd \1 \2/p'
env | sed 's/^/env /'
