#!/bin/sh
set -eu
# Two questions, the second after the answer to the first, which travels in the state.
input=$(cat)
ask() { # KEY MESSAGE TYPE STATE
	printf '{"inputRequired": {"inputRequests": {"%s": {"method": "elicitation/create", "params": {"message": "%s",
		"requestedSchema": {"type": "object", "properties": {"value": {"type": "%s"}}, "required": ["value"]}}}},
		"requestState": {"word": "%s"}}}\n' "$1" "$2" "$3" "$4"
}
text() {
	printf '{"content": [{"type": "text", "text": "%s"}]}\n' "$1"
}
case $input in
*'"action":"decline"'*) text 'The user said no.' ;;
*'"count":{'*)
	count=$(printf '%s' "$input" | sed -n 's/.*"value": *\([0-9]*\).*/\1/p')
	word=$(printf '%s' "$input" | sed -n 's/.*"word": *"\([a-z]*\)".*/\1/p')
	text "$word times $count"
	;;
*'"word":{'*)
	word=$(printf '%s' "$input" | sed -n 's/.*"value": *"\([a-z]*\)".*/\1/p')
	ask count "How often shall I say $word?" integer "$word"
	;;
*) ask word 'Which word?' string '' ;;
esac
