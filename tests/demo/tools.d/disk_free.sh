#!/bin/sh
# A tool is a program: what it prints is the answer. Its input, one JSON object, is not needed here.
exec df -h /
