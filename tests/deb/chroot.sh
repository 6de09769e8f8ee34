#!/bin/sh
# A minimal Debian in a folder, and a command in it:
#   tests/deb/chroot.sh SUITE DIR [COMMAND …]      (as root)
# The machine's way to the network is copied into it: mirror, proxy, certificates, npm's settings. What is mounted is
# seen by the command only and goes with it.
set -eu
suite=$1
dir=$2
shift 2

if [ ! -e "$dir/etc/debian_version" ]; then
	mirror=$(cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null |
		awk '/^URIs:/ { print $2; exit } /^deb / { for (i = 2; $i ~ /^\[|\]$|=/; i++); print $i; exit }')
	# Without one here, debootstrap takes the mirror that it knows itself.
	# shellcheck disable=SC2086 # one word, or none
	debootstrap --variant=minbase --include=ca-certificates,make "$suite" "$dir" $mirror >"$dir.log" 2>&1 || {
		tail -n 5 "$dir.log" >&2
		exit 1
	}
	cp /etc/apt/apt.conf.d/99* "$dir/etc/apt/apt.conf.d/" 2>/dev/null || true
	[ ! -e /root/.npmrc ] || cp /root/.npmrc "$dir/root/.npmrc"
	[ ! -e /etc/ssl/certs/ca-certificates.crt ] ||
		cp /etc/ssl/certs/ca-certificates.crt "$dir/etc/ssl/certs/ca-certificates.crt"
fi
[ $# -gt 0 ] || exit 0

cp -L /etc/resolv.conf /etc/hosts "$dir/etc/"
# shellcheck disable=SC2016 # $1 is for the inner shell
exec unshare --mount --pid --fork --kill-child sh -c '
	set -e
	dir=$1
	shift
	mount --make-rprivate /
	mount -t proc proc "$dir/proc"
	mount --rbind /sys "$dir/sys"
	mount --rbind /dev "$dir/dev"
	mount -t tmpfs tmpfs "$dir/run"
	mkdir -m 1777 "$dir/run/lock"
	certs=/etc/ssl/certs/ca-certificates.crt
	exec chroot "$dir" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
		SSL_CERT_FILE=$certs NODE_EXTRA_CA_CERTS=$certs "$@"
' sh "$dir" "$@"
