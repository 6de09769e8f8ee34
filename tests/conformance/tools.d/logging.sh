#!/bin/sh
echo '{"log": {"level": "info", "data": "Tool execution started"}}'
sleep 0.05
echo '{"log": {"level": "info", "data": "Tool processing data"}}'
sleep 0.05
echo '{"log": {"level": "info", "data": "Tool execution completed"}}'
echo '{"result": {"content": [{"type": "text", "text": "Tool with logging executed successfully"}]}}'
