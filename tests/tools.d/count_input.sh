#!/bin/sh
set -eu
wc -c
