#!/bin/sh
echo '{"log": {"level": "info", "data": "Tool execution started"}}'
echo '{"log": {"level": "info", "data": "Tool processing data"}}'
echo '{"log": {"level": "info", "data": "Tool execution completed"}}'
echo '{"result": {"content": [{"type": "text", "text": "Tool with logging executed successfully"}]}}'
