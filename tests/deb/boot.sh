#!/bin/sh
# Boots systemd in a tree that chroot.sh made, and runs a command in it as a unit: the package's units under a real
# systemd, sandbox and all. As root; DIR needs systemd, systemd-sysv, dbus, the web servers, npm, openssl, and the source
# in /src with its Node modules:
#   tests/deb/boot.sh DIR 'apt-get install -y /src/build/deb/mcp-authd_*.deb && cd /src && tests/node tests/deb/installed.mjs apache'
# Ends with the command's status, and prints what it said.
#   tests/deb/boot.sh --vm DIR COMMAND
# does so in a virtual machine (QEMU, where there is no KVM in software) with the kernel that is installed in the tree: with
# control groups as that Debian has them, whatever this machine's are. It has no network, and changes a copy of the tree.
set -eu
vm=
[ "$1" != --vm ] || {
	vm=yes
	shift
}
dir=$1
command=$2
log=/var/log/boot-test

mkdir -p "$dir/etc/systemd/system/multi-user.target.wants" "$dir/var/log"
printf '%s\n' "$command" >"$dir$log.sh"
cat >"$dir/etc/systemd/system/boot-test.service" <<END
[Unit]
After=basic.target dbus.service
[Service]
Type=oneshot
Environment=HOME=/root DEBIAN_FRONTEND=noninteractive SLOWNESS=${vm:+10}
ExecStart=/bin/sh -c 'sh -e $log.sh >$log.out 2>&1; echo \$? >$log.status; systemctl --no-block poweroff'
END
ln -sf ../boot-test.service "$dir/etc/systemd/system/multi-user.target.wants/boot-test.service"
rm -f "$dir$log.status" "$dir$log.out"
cp -L /etc/resolv.conf /etc/hosts "$dir/etc/"

boot_vm() {
	disk=$(mktemp "$dir.disk.XXXXXX")
	trap 'rm -f "$disk"' EXIT
	truncate -s 8G "$disk"
	mke2fs -q -t ext4 -O ^has_journal -d "$dir" "$disk"
	accel=tcg,thread=multi,tb-size=512
	! grep -qwE 'vmx|svm' /proc/cpuinfo || [ ! -w /dev/kvm ] || accel=kvm
	# On a busy machine the kernel would take the timer for broken.
	timeout "${BOOT_SECONDS:-1800}" qemu-system-x86_64 -machine "q35" -accel "$accel" -cpu max -smp 2 -m 3G -nodefaults -no-reboot -display none \
		-serial "file:$dir$log.console" -drive "file=$disk,format=raw,if=virtio,cache=unsafe" \
		-kernel "$(echo "$dir"/boot/vmlinuz-*)" -initrd "$(echo "$dir"/boot/initrd.img-*)" \
		-append 'root=/dev/vda rw console=ttyS0 quiet no_timer_check panic=-1 TERM=dumb' || true
	for file in out status; do
		debugfs -R "dump $log.$file $dir$log.$file" "$disk" 2>/dev/null
	done
}

# Not chroot: a process in one may not make user namespaces (PrivateUsers=yes). The cgroup is a part of ours.
boot_container() {
	# shellcheck disable=SC2016 # $1 is for the inner shells
	timeout "${BOOT_SECONDS:-300}" unshare --mount --propagation private sh -ec '
		mkdir -p /run/mcp-authd-boot
		mount -t cgroup2 none /run/mcp-authd-boot
		mkdir -p "/run/mcp-authd-boot/boot-$$"
		echo $$ >"/run/mcp-authd-boot/boot-$$/cgroup.procs"
		exec unshare --cgroup --pid --mount --uts --ipc --fork --kill-child --mount-proc="$1/proc" sh -ec "
			mount --bind \"\$1\" \"\$1\"
			cd \"\$1\"
			mount -t sysfs -o ro sysfs sys
			mount -t cgroup2 none sys/fs/cgroup
			mount -t tmpfs tmpfs run
			mount -t tmpfs -o mode=755 tmpfs dev
			for each in null zero full random urandom tty; do touch dev/\$each; mount --bind /dev/\$each dev/\$each; done
			mkdir dev/pts dev/shm
			mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
			ln -s pts/ptmx dev/ptmx
			ln -s /proc/self/fd dev/fd
			hostname boot-test
			mkdir -p oldroot
			pivot_root . oldroot
			cd /
			umount -l /oldroot 2>/dev/null || true
			# As nspawn leaves it; systemd puts credentials into a mount that must reach the services.
			mount --make-rshared /
			exec env -i container=boot-test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --log-target=kmsg
		" sh "$1"
	' sh "$dir" </dev/null >"$dir$log.console" 2>&1 || true
}

if [ -n "$vm" ]; then boot_vm; else boot_container; fi
cat "$dir$log.out"
[ "$(cat "$dir$log.status")" = 0 ]
