#!/bin/sh
# Sleeps for the seconds that it is told to.
seconds=$(sed -nE 's/.*"seconds":([0-9]+).*/\1/p')
sleep "${seconds:-0}"
echo "computed for ${seconds:-0} seconds"
