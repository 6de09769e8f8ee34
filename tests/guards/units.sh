#!/bin/sh
# The systemd units say nothing that systemd does not know, and their sandboxes are as strict as promised: an exposure
# level of at most 1.1 for the daemon and 2.0 for the runner, by systemd-analyze, offline.
set -eu
cd "$(dirname "$0")/../.."
fail() {
	echo "$*" >&2
	exit 1
}
command -v systemd-analyze >/dev/null || fail "tests/guards/units.sh needs systemd-analyze, of the package systemd"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

cp conf/systemd/*.service conf/systemd/*.socket "$dir"
# Whether the program is installed where they say is another question.
sed -i 's,/usr/sbin/mcp-authd,/bin/true,' "$dir"/*.service
instance() { # TEMPLATE NAME
	cp "$dir/$1@.service" "$dir/$1@$2.service"
	cp "$dir/$1@.socket" "$dir/$1@$2.socket"
}
for group in authorize token metadata mcp; do
	instance mcp-authd "$group"
done
instance mcp-authd-runner alice
cp -R conf/systemd/examples/*.d "$dir"
sed -i 's,/usr/sbin/mcp-authd runner,/bin/true,' "$dir"/*.service.d/*.conf
said=$(SYSTEMD_UNIT_PATH="$dir:" systemd-analyze verify --man=no "$dir"/mcp-authd.service "$dir"/mcp-authd.socket \
	"$dir"/mcp-authd-runner.service "$dir"/mcp-authd-runner.socket \
	"$dir"/mcp-authd*@[a-z]*.service "$dir"/mcp-authd*@[a-z]*.socket 2>&1 | grep mcp-authd || true)
[ -z "$said" ] || fail "$said"

check_exposure() { # UNIT TENTHS
	for limit in MemoryMax TasksMax; do
		grep -q "^$limit=" "conf/systemd/$1" || fail "$1: there is no $limit"
	done
	systemd-analyze security --offline=true --no-pager --threshold="$2" "conf/systemd/$1" >"$dir/out" 2>&1 || {
		cat "$dir/out" >&2
		fail "$1: the exposure level is over $2 tenths"
	}
	grep -q '^→ Overall exposure level' "$dir/out" || fail "$1: systemd-analyze says no exposure level"
	echo "$1: $(sed -n 's/^→ Overall exposure level for .*: \([0-9.]*\) .*/\1/p' "$dir/out")"
}
check_exposure mcp-authd.service 11
check_exposure mcp-authd@.service 11
check_exposure mcp-authd-runner.service 20
check_exposure mcp-authd-runner@.service 20

# What is said twice is the same: the sandboxes of a unit and of its template.
sandbox() { sed -n '/^# Programs /,/^UMask=/p' "conf/systemd/$1"; }
[ "$(sandbox mcp-authd.service)" = "$(sandbox mcp-authd@.service)" ] || fail "mcp-authd.service and its template have other sandboxes"
[ "$(sandbox mcp-authd-runner.service | grep -v '^RemoveIPC=')" = "$(sandbox mcp-authd-runner@.service)" ] ||
	fail "mcp-authd-runner.service and its template have other sandboxes"

# What fail2ban reads lies where the service may write, and is rotated.
log=$(sed -n 's/^logpath *= *//p' conf/fail2ban/jail.d/mcp-authd.conf)
grep -qx "LogsDirectory=$(basename "$(dirname "$log")")" conf/systemd/mcp-authd.service || fail "mcp-authd.service may not write to $log"
grep -q "^$log {" conf/logrotate/mcp-authd || fail "conf/logrotate/mcp-authd does not rotate $log"
