# Asks the user, reports progress, and gives a result: each line that it prints is one JSON object.
import json
import sys
import time


def say(**message):
    print(json.dumps(message), flush=True)  # at once, not when the program ends


def result(text, is_error=False):
    say(result={"content": [{"type": "text", "text": text}], "isError": is_error})
    sys.exit(0)


call = json.load(sys.stdin)
steps = call["arguments"]["steps"]  # what the inputSchema promises is so

answer = call.get("inputResponses", {}).get("agree")
if answer is None:
    # The program ends here, and runs again when the answer is there.
    say(inputRequired={"inputRequests": {"agree": {
        "method": "elicitation/create",
        "params": {
            "message": f"Rehearse {len(steps)} steps?",
            "requestedSchema": {"type": "object", "properties": {"agree": {"type": "boolean"}}, "required": ["agree"]},
        }}}})
    sys.exit(0)

# An answer comes from a client: look before using it.
if answer.get("action") != "accept" or answer.get("content", {}).get("agree") is not True:
    result("The user does not want that.", is_error=True)

for number, step in enumerate(steps, start=1):
    time.sleep(0.1)
    say(progress={"progress": number, "total": len(steps), "message": step})
print(f"{call['caller']['sub']} rehearsed {len(steps)} steps", file=sys.stderr)  # goes to the daemon's log
result(f"All {len(steps)} steps were rehearsed.")
