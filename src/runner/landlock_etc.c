/* Private part of landlock.h: the table of what programs do not see of /etc. docs/runner.md names
 * the same. Each entry that is seen is a rule, which the kernel copies for each run. */
#include <fnmatch.h>

#include "runner/landlock.h"

/* What only those read who start, update, secure or log into the machine, as patterns of
 * fnmatch(3). Not what a library or an interpreter may need, such as its own configuration. */
static const char *const administration[] = {
    /* packages */
    "apt", "PackageKit", "debconf.conf", "default", "dpkg", "needrestart", "ucf.conf",
    /* start, kernel, devices and disks */
    "binfmt.d", "cloud", "crypttab", "e2scrub.conf", "fstab", "grub.d", "init", "init.d",
    "initramfs-tools", "kernel", "kernel-img.conf", "lvm", "mdadm", "mke2fs.conf", "modprobe.d",
    "modules", "modules-load.d", "rc*.d", "sysctl.conf", "sysctl.d", "systemd", "sysusers.d",
    "tmpfiles.d", "udev", "udisks2",
    /* jobs and logs */
    "anacrontab", "cron*", "logcheck", "logrotate*", "monit", "rsyslog*",
    /* users and logins, with the copies that are made before a change, such as passwd- */
    "*-", "adduser.conf", "deluser.conf", "gshadow", "login.defs", "motd", "pam.conf", "pam.d",
    "polkit-1", "security", "shadow", "skel", "subgid", "subuid", "sudo*", "update-motd.d",
    /* the machine's network and its protection */
    "apparmor*", "audit", "dhcp", "fail2ban", "libaudit.conf", "netplan", "network",
    "NetworkManager", "nftables.conf", "ufw", NULL};

bool landlock_is_administration(const char *name) {
    for (const char *const *pattern = administration; *pattern; pattern++)
        if (!fnmatch(*pattern, name, 0))
            return true;
    return false;
}
