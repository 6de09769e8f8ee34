#!/bin/sh
# Reads its arguments with jq and answers in JSON, as its outputSchema promises.
set -eu

if ! command -v jq >/dev/null; then
    echo "This tool needs jq, which is not installed on the server."
    exit 1
fi

input=$(cat)
if ! printf '%s' "$input" | jq -e '.arguments.text | type == "string"' >/dev/null; then
    # What is printed before a failure reaches the model, so that it can do better.
    echo "The argument \"text\" must be a string."
    exit 2
fi

printf '%s' "$input" | jq '.arguments.text
    | { lines: (split("\n") | length),
        words: ([splits("[[:space:]]+") | select(length > 0)] | length),
        characters: length }'
