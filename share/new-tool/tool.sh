#!/bin/sh
# The call is a JSON object on standard input, and what is printed is the result. jq reads the JSON.
set -eu

if ! command -v jq >/dev/null; then
	# What is printed before a failure reaches the model; standard error goes to the log.
	echo "This tool needs jq, which is not installed on the server."
	exit 1
fi

who=$(jq -r .arguments.who) # the inputSchema promises that it is there
printf 'Hello, %s!\n' "$who"
