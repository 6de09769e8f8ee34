#!/bin/sh
# The package's whole life in a minimal Debian:  tests/deb/run.sh bookworm|trixie      (as root)
# CHROOTS names a folder of clean trees to copy, each in a folder with the name of its suite; otherwise one is made.
# The tree is deleted at the end, or kept with KEEP=1.
set -eu
cd "$(dirname "$0")/../.."
suite=$1
[ "$(id -u)" = 0 ] || {
	echo "tests/deb/run.sh makes a chroot: run it as root" >&2
	exit 1
}
needs() { command -v "$1" >/dev/null || apt-get install -y -qq --no-install-recommends "$2" >/dev/null; }
needs debootstrap debootstrap
needs mke2fs e2fsprogs
needs qemu-system-x86_64 qemu-system-x86

dir=$(mktemp -d "/tmp/mcp-authd-deb-$suite.XXXXXX")
[ -n "${KEEP:-}" ] || trap 'rm -rf --one-file-system "$dir" "$dir.clean" "$dir.log"' EXIT
if [ -n "${CHROOTS:-}" ]; then
	cp -a "$CHROOTS/$suite/." "$dir/"
fi
chmod 755 "$dir"
tests/deb/chroot.sh "$suite" "$dir"
# For piuparts, which copies it.
cp -a --one-file-system "$dir" "$dir.clean"
mv "$dir.clean" "$dir/clean"
mkdir "$dir/src"
tar -cf - --exclude-vcs --exclude=./build --exclude=node_modules . | tar -xf - -C "$dir/src"
echo "== $suite in $dir"
tests/deb/chroot.sh "$suite" "$dir" /src/tests/deb/inside.sh
for web in apache lighttpd; do
	echo "== booted, $web: one service, then one for each group"
	tests/deb/boot.sh "$dir" "apt-get install -y -qq --no-install-recommends /src/build/deb/mcp-authd_*.deb >/tmp/apt.log 2>&1 || { cat /tmp/apt.log; exit 1; }
		cd /src && tests/node tests/deb/installed.mjs $web && tests/node tests/deb/groups.mjs $web && tests/node tests/deb/sites.mjs $web"
done
echo "== in a virtual machine: what keeps programs in"
tests/deb/boot.sh --vm "$dir" "cd /src && tests/node tests/deb/contained.mjs"
echo "== booted: upgrade, remove and purge what runs"
tests/deb/boot.sh "$dir" "/src/tests/deb/upgrade.sh /src/build/deb/mcp-authd_*.deb"
