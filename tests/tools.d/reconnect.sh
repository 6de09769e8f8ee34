#!/bin/sh
set -eu
input=$(cat)
case $input in
*'"inputResponses":'*)
	echo '{"result": {"content": [{"type": "text", "text": "answered"}]}}'
	exit
	;;
esac
echo '{"log": {"level": "info", "data": "before"}}'
echo '{"closeStream": true}'
case $input in
*'"ask":true'*)
	echo '{"inputRequired": {"inputRequests": {"q": {"method": "elicitation/create", "params": {"message": "Go on?",
		"requestedSchema": {"type": "object", "properties": {}}}}}}}' | tr -d '\n\t'
	echo
	exit
	;;
esac
sleep 0.3
echo '{"log": {"level": "info", "data": "after"}}'
echo '{"result": {"content": [{"type": "text", "text": "done"}]}}'
