#!/bin/sh
# Upgrades, removes and purges the package while its services run, in a machine that systemd has booted (boot.sh):
#   tests/deb/upgrade.sh /src/build/deb/mcp-authd_*.deb
set -eu
fail() {
	echo "FAILED: $*" >&2
	exit 1
}
quietly() {
	"$@" >/tmp/step.log 2>&1 || {
		cat /tmp/step.log
		fail "$*"
	}
}
units='mcp-authd.socket mcp-authd.service mcp-authd-runner.socket mcp-authd-runner.service mcp-authd-runner@games.socket'
value() { # UNIT PROPERTY
	systemctl show --property="$2" --value "$1"
}
are() { # STATE WHEN
	for unit in $units; do
		[ "$(value "$unit" ActiveState)" = "$1" ] || fail "$2, $unit is $(value "$unit" ActiveState)"
	done
}

quietly dpkg --purge mcp-authd
quietly apt-get install -y -qq --no-install-recommends "$1"
printf '%s\n' MCP_SERVER_URI=https://mcp.example/mcp COGNITO_USER_POOL_ID=eu-west-1_AbCdEfGhI COGNITO_CLIENT_ID=1example23456789 COGNITO_DOMAIN=d \
	>>/etc/mcp-authd/mcp-authd.conf
systemctl enable --quiet --now mcp-authd mcp-authd-runner@games.socket
mcp-authd new-tool hello --lang sh >/dev/null
mcp-authd call hello '{"who":"Ada"}' >/dev/null 2>&1 || fail "the runner does not run"
are active "after the start"

dpkg-deb -R "$1" /tmp/upgrade
sed -i 's/^Version: .*/&.1/' /tmp/upgrade/DEBIAN/control
quietly dpkg-deb --root-owner-group -b /tmp/upgrade /tmp/upgrade.deb
socket=$(value mcp-authd.socket InvocationID)
daemon=$(value mcp-authd.service InvocationID)
runner=$(value mcp-authd-runner.service InvocationID)
quietly apt-get install -y -qq --no-install-recommends /tmp/upgrade.deb
are active "after the upgrade"
[ "$(value mcp-authd.socket InvocationID)" = "$socket" ] || fail "the upgrade has closed the socket"
[ "$(value mcp-authd.service InvocationID)" != "$daemon" ] || fail "the upgrade has not restarted the daemon"
[ "$(value mcp-authd-runner.service InvocationID)" != "$runner" ] || fail "the upgrade has not restarted the runner"

quietly systemctl stop mcp-authd
quietly dpkg -i --force-downgrade "$1"
[ "$(value mcp-authd.service ActiveState)" = inactive ] || fail "an upgrade starts what was stopped"

systemctl start mcp-authd
quietly apt-get remove -y -qq mcp-authd
are inactive "after the removal"
quietly apt-get purge -y -qq mcp-authd
! grep mcp-authd /etc/passwd /etc/group || fail "the users are still there"
echo "upgraded, removed and purged while it ran"
