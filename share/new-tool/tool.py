#!/usr/bin/env python3
"""The call is a JSON object on standard input, and what is printed is the result."""

import json
import sys

call = json.load(sys.stdin)
who = call["arguments"]["who"]  # the inputSchema promises that it is there
if who == call["caller"]["username"]:
    # What is printed before a failure reaches the model; standard error goes to the log.
    print("Nobody greets himself.")
    sys.exit(1)
print(f"Hello, {who}!")
