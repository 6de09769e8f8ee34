#!/bin/sh
# Runs inside a minimal Debian that may be spoilt: builds the package from /src, and takes it through its life.
set -eu
cd /src
began=$(date +%s)
step() { echo "== $(($(date +%s) - began)) s: $*"; }
fail() {
	echo "FAILED: $*" >&2
	exit 1
}
quietly() {
	"$@" >/tmp/step.log 2>&1 || {
		tail -n 60 /tmp/step.log >&2
		fail "$*"
	}
}
install_packages() { quietly apt-get install -y -qq --no-install-recommends "$@"; }

# No daemon of another package starts by itself: the tests start them, on ports of their own.
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
quietly apt-get update

# As README promises: a user with sudo, and nothing but make. The package's build runs the unit tests.
step "build, as a user with sudo"
install_packages sudo adduser
adduser --quiet --disabled-password --gecos '' admin
echo 'admin ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/admin
chown -R admin: /src
as_admin() { setpriv --reuid=admin --regid=admin --init-groups env HOME=/home/admin "$@"; }
as_admin make >/tmp/step.log 2>&1 && fail "make builds without what it needs"
grep -q 'The build needs what is not there: .* Run make deps, which installs it\.$' /tmp/step.log || { cat /tmp/step.log; fail "make does not say what to do"; }
quietly as_admin make deb
grep -q '^== build/unit/test_crypto_seal$' build/deb/build.log || fail "the unit tests did not run"
[ "$(find build -user root | wc -l)" = 0 ] || fail "the build left files of root's"
# shellcheck source=/dev/null
version=$(cat VERSION)+deb$(. /etc/os-release && echo "$VERSION_ID")
new=$(ls build/deb/mcp-authd_"$version"_*.deb)

step "lintian, blhc"
quietly lintian --allow-root --fail-on error,warning build/deb/*.changes
grep -q . /tmp/step.log && cat /tmp/step.log
quietly blhc --all build/deb/build.log

step "the version before, made of the same files"
quietly dpkg-deb -R "$new" /tmp/old
sed -i "s/^Version: .*/Version: 0.0.1/" /tmp/old/DEBIAN/control
# It had no runner, and no user for it.
sed -i '/^RUNNER_SOCKET=/d' /tmp/old/etc/mcp-authd/mcp-authd.conf
sed -i '/# Whom programs/,/programs of mcp-authd/d' /tmp/old/DEBIAN/postinst
find /tmp/old -name 'mcp-authd-runner*' -prune -exec rm -rf {} +
printf '\n# of an older version\n' >>/tmp/old/etc/mcp-authd/mcp-authd.conf
sed -i '1i # of an older version' /tmp/old/etc/apache2/conf-available/mcp-authd.conf
quietly dpkg-deb --root-owner-group -b /tmp/old /tmp/old.deb

step "install"
install_packages apache2 lighttpd npm openssl jq man-db systemd
install_packages /tmp/old.deb
grep -q 'systemctl enable --now mcp-authd' /tmp/step.log || fail "the package does not say what is next"
dpkg --purge mcp-authd >/dev/null 2>&1
all_files() {
	find / -xdev \( -path /proc -o -path /sys -o -path /src -o -path /clean -o -path /tmp -o -path /root -o \
		-path /run -o -path /var/log -o -path /var/cache -o -path /var/lib/dpkg -o -path /var/lib/apt \) -prune -o -print | sort
}
all_files >/tmp/files.before
cp /etc/passwd /etc/group /tmp/
install_packages /tmp/old.deb
key=/var/lib/mcp-authd/secret.key
[ "$(stat -c '%U:%G %a' $key)" = "mcp-authd:mcp-authd 600" ] || fail "the key: $(stat -c '%U:%G %a' $key)"
[ "$(stat -c '%U:%G %a' /var/lib/mcp-authd)" = "mcp-authd:mcp-authd 750" ] || fail "the state directory"
before=$(sha256sum $key)
grep -q '^mcp-authd-run:' /etc/passwd && fail "the older version has a user for programs"
mcp-authd -t >/dev/null 2>&1 && fail "an empty configuration passes"

step "log in and call tools through Apache (the older version)"
npm ci --prefix tests --no-audit --no-fund --loglevel=error >/dev/null 2>/tmp/step.log || { cat /tmp/step.log; fail "npm ci"; }
quietly tests/node tests/deb/installed.mjs apache
cat /tmp/step.log

step "upgrade: edits, key and links stay"
grep -q '^MCP_SERVER_URI=http' /etc/mcp-authd/mcp-authd.conf || fail "the configuration was not edited"
cp /etc/mcp-authd/mcp-authd.conf /tmp/edited.conf
# What dpkg asks when both have changed is answered as the prompt's default: keep.
quietly dpkg --force-confdef --force-confold -i "$new"
grep -q 'RUNNER_SOCKET is not set' /tmp/step.log || fail "the upgrade does not say that programs have the daemon's user"
grep -q '^mcp-authd-run:' /etc/passwd || fail "there is no user for programs"
cmp /tmp/edited.conf /etc/mcp-authd/mcp-authd.conf || fail "the configuration lost its edits"
[ "$(sha256sum $key)" = "$before" ] || fail "the key is another"
head -n 1 /etc/apache2/conf-available/mcp-authd.conf | grep -q older && fail "an unedited conffile was not replaced"
[ "$(dpkg-query -W -f '${Version}' mcp-authd)" = "$version" ] || fail "the version"
mcp-authd -V | grep -q "$(cat VERSION)" || fail "mcp-authd -V"

step "log in and call tools through lighttpd, then Apache again (the new version)"
quietly tests/node tests/deb/installed.mjs lighttpd
cat /tmp/step.log
quietly tests/node tests/deb/installed.mjs apache
cat /tmp/step.log

step "manual pages, units"
for page in "8 mcp-authd" "5 mcp-authd.conf" "7 mcp-authd-tool"; do
	# shellcheck disable=SC2086 # section and name
	man -w $page >/dev/null || fail "man $page"
done
quietly tests/guards/units.sh
cat /tmp/step.log

step "remove: configuration and state stay"
# What an admin adds by the documents.
cp /usr/share/mcp-authd/tools.d/disk_usage.* /etc/mcp-authd/tools.d/
cp /usr/share/mcp-authd/clients.d/*.json /etc/mcp-authd/clients.d/
MCP_SERVER_URI=https://mcp.example/mcp COGNITO_REGION=eu-west-1 COGNITO_USER_POOL_ID=eu-west-1_AbCdEfGhI COGNITO_CLIENT_ID=1example23456789 COGNITO_DOMAIN=d \
	mcp-authd -c /dev/null try-client codex | grep -q 'may log users in' || fail "a client of clients.d is not taken"
awk '/<!-- test: groups -->/ { on = 1; next } /^```/ && on { if (++fences == 2) exit; next } on' docs/fleet.md >/tmp/groups.sh
grep -q adduser /tmp/groups.sh || fail "docs/fleet.md has no commands for groups"
quietly sh -e /tmp/groups.sh
grep -q '^mcp-authd-token:' /etc/passwd || fail "the groups have no users"
quietly a2enconf mcp-authd-sites
quietly apt-get remove -y -qq mcp-authd
[ -e /usr/sbin/mcp-authd ] && fail "the program is still there"
[ -e /etc/mcp-authd/mcp-authd.conf ] || fail "remove took the configuration"
[ -e $key ] || fail "remove took the key"
[ -x /etc/mcp-authd/tools.d/disk_usage.sh ] || fail "remove took a tool"
[ -e /etc/mcp-authd/clients.d/codex.json ] || fail "remove took a client"

step "purge: nothing stays"
quietly apt-get purge -y -qq mcp-authd
left=$(all_files | grep 'mcp-authd' || true)
[ -z "$left" ] || fail "left behind: $left"
grep mcp-authd /etc/passwd /etc/group && fail "the user is still there"
quietly apache2ctl -t
quietly lighttpd -tt -f /etc/lighttpd/lighttpd.conf
all_files >/tmp/files.after
# What the test itself enabled since; man-db and systemd keep notes of their own.
comm -13 /tmp/files.before /tmp/files.after |
	grep -vE '^(/etc/apache2/mods-enabled|/var/lib/apache2/(module|conf)|/usr/share/bash-completion|/usr/lib/(sysusers|tmpfiles)\.d)' >/tmp/extra || true
[ ! -s /tmp/extra ] || { cat /tmp/extra; fail "files that were not there before"; }

# As autopkgtest would on a machine of Debian's: it installs the package itself, and builds nothing. This tree may be
# spoilt, so what a test says it does to its machine does not matter.
step "autopkgtest: by the package's own test descriptions"
install_packages autopkgtest
quietly autopkgtest --ignore-restrictions=isolation-container,breaks-testbed "$new" build/deb/mcp-authd_"$version".dsc -- null
sed -n '/@@@ summary/,$p' /tmp/step.log | grep '^command' | tee /tmp/summary
[ "$(grep -cE '^command[1-3] +PASS' /tmp/summary)" = 3 ] || fail "not every test of the package passed"
quietly apt-get purge -y -qq mcp-authd

step "piuparts: install and purge in a clean tree"
install_packages piuparts
quietly piuparts --existing-chroot=/clean --keep-sources-list --no-eatmydata "$new"
grep -E 'PASS|WARN' /tmp/step.log

step "what the boot under systemd needs"
install_packages systemd-sysv dbus udev iproute2 linux-image-cloud-amd64 initramfs-tools
quietly scripts/deps deb-test
rm -f /usr/sbin/policy-rc.d

step "done"
