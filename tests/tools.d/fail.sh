#!/bin/sh
set -eu
cat >/dev/null
echo 'partial result'
echo 'the disk is on fire' >&2
exit 3
