#!/bin/sh
echo 'This tool intentionally returns an error for testing'
exit 1
