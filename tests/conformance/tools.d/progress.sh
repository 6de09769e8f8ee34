#!/bin/sh
for n in 0 50 100; do
	echo "{\"progress\": {\"progress\": $n, \"total\": 100, \"message\": \"Completed step $n of 100\"}}"
	sleep 0.05
done
echo '{"result": {"content": [{"type": "text", "text": "done"}]}}'
