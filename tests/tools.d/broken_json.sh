#!/bin/sh
set -eu
cat >/dev/null
echo 'not JSON at all'
