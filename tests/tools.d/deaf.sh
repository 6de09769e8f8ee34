#!/bin/sh
set -eu
echo 'did not listen'
