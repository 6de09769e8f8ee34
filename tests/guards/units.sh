#!/bin/sh
# The systemd units say nothing that systemd does not know, and their sandbox is as strict as promised: an exposure
# level of at most 1.5 by systemd-analyze, offline.
set -eu
cd "$(dirname "$0")/../.."
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

cp conf/systemd/*.service conf/systemd/*.socket "$dir"
# Whether the program is installed where they say is another question.
sed -i 's,/usr/sbin/mcp-authd,/bin/true,' "$dir"/*.service
for group in authorize token metadata mcp; do
	cp "$dir/mcp-authd@.service" "$dir/mcp-authd@$group.service"
	cp "$dir/mcp-authd@.socket" "$dir/mcp-authd@$group.socket"
done
cp -R conf/systemd/examples/*.d "$dir"
said=$(SYSTEMD_UNIT_PATH="$dir:" systemd-analyze verify --man=no \
	"$dir"/mcp-authd.service "$dir"/mcp-authd.socket "$dir"/mcp-authd@[a-z]*.service "$dir"/mcp-authd@[a-z]*.socket 2>&1 | grep mcp-authd || true)
if [ -n "$said" ]; then
	echo "$said" >&2
	exit 1
fi
for unit in mcp-authd.service mcp-authd@.service; do
	for limit in MemoryMax TasksMax; do
		grep -q "^$limit=" "conf/systemd/$unit" || {
			echo "$unit: there is no $limit" >&2
			exit 1
		}
	done
	systemd-analyze security --offline=true --no-pager --threshold=15 "conf/systemd/$unit" >"$dir/out" 2>&1 || {
		cat "$dir/out" >&2
		echo "$unit: the exposure level is over 1.5" >&2
		exit 1
	}
done
# What fail2ban reads lies where the service may write, and is rotated.
log=$(sed -n 's/^logpath *= *//p' conf/fail2ban/jail.d/mcp-authd.conf)
grep -qx "LogsDirectory=$(basename "$(dirname "$log")")" conf/systemd/mcp-authd.service || {
	echo "mcp-authd.service may not write to $log" >&2
	exit 1
}
grep -q "^$log {" conf/logrotate/mcp-authd || {
	echo "conf/logrotate/mcp-authd does not rotate $log" >&2
	exit 1
}
