#!/bin/sh
echo '{"closeStream": true}'
sleep 0.1
echo '{"result": {"content": [{"type": "text", "text": "Reconnection test completed successfully."}]}}'
