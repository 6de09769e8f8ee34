#!/bin/sh
# What README.md tells a newcomer to do, done and timed: the demo, then a first tool that a client calls. Needs what the demo needs:
# a Debian with make and git, and root or sudo. Removes the tool and stops the demo at the end.
#     tests/demo/newcomer.sh
set -eu
cd "$(dirname "$0")/../.."

# The commands of a section of README.md: its indented lines.
commands_of() { awk -v title="## $1" '/^## / { here = $0 == title } here && sub(/^    /, "")' README.md; }

demo_ends_after_s=1200
began=$(date +%s)
log=$(mktemp)
first=$(commands_of 'Try it' | head -n 1)
echo "\$ $first"
# A shell would let it ignore interrupts; TERM reaches make, and what make runs.
$first >"$log" 2>&1 &
demo=$!
trap 'kill "$demo" 2>/dev/null || true; wait "$demo" || true; rm -f "$log" tests/demo/tools.d/hello.*' EXIT
until grep -q 'Ctrl-C stops everything' "$log"; do
	if ! kill -0 "$demo" 2>/dev/null || [ $(($(date +%s) - began)) -gt $demo_ends_after_s ]; then
		cat "$log"
		exit 1
	fi
	sleep 1
done
MCP_SERVER_URI=$(sed -n 's/^ *MCP server URL *//p' "$log")
export MCP_SERVER_URI
demo_s=$(($(date +%s) - began))

count=1
commands_of 'Your first tool' >"$log.commands"
while read -r command; do
	echo "\$ $command"
	eval "$command" </dev/null
	count=$((count + 1))
done <"$log.commands"
rm "$log.commands"
echo "$count commands, $(($(date +%s) - began)) s ($demo_s s of them: $first)"
