#!/bin/sh
set -eu
cat >/dev/null
kill -s SEGV $$
