/* Private part of doctor.h: the web server, as far as it has to do with the service: the socket,
 * to which only its user may connect; and what lighttpd's configuration says of a reload with open
 * streams (docs/lighttpd.md). */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/base.h"
#include "doctor/doctor.h"

#define GROUPS_MAX 64  /* of one process */
#define SERVERS_MAX 16 /* users that web servers run as */
#define STATUS_LINE_MAX 512
#define COMM_LEN_MAX 16 /* proc(5) */

static const char what[] = "socket"; /* the findings of check_socket */

/* A process, as far as permissions go. */
struct subject {
    uid_t uid;
    gid_t groups[GROUPS_MAX];
    size_t group_count;
};

/* ---- permissions ---- */

static bool may(const struct subject *s, const struct stat *st, mode_t others_bit) {
    if (!s->uid)
        return true;
    if (s->uid == st->st_uid)
        return st->st_mode & (others_bit << 6);
    for (size_t i = 0; i < s->group_count; i++)
        if (s->groups[i] == st->st_gid)
            return st->st_mode & (others_bit << 3);
    return st->st_mode & others_bit;
}

/* unix(7): write permission for the socket, search permission for the folders of its path. */
static bool may_connect(const struct subject *s, const char *path) {
    char dir[PATH_MAX];
    struct stat st;

    if (strlen(path) >= sizeof dir || stat(path, &st) || !may(s, &st, S_IWOTH))
        return false;
    memcpy(dir, path, strlen(path) + 1);
    for (char *slash; (slash = strrchr(dir, '/'));) {
        slash[slash == dir] = 0;
        if (stat(*dir ? dir : ".", &st) || !may(s, &st, S_IXOTH))
            return false;
        if (slash == dir)
            break;
    }
    return true;
}

/* ---- the users of web servers ---- */

static void read_ids(const char *line, struct subject *s) {
    char *p;

    if (!strncmp(line, "Uid:", 4)) { /* real, effective, … */
        (void)strtoul(line + 4, &p, 10);
        s->uid = (uid_t)strtoul(p, NULL, 10);
        return;
    }
    if (strncmp(line, "Gid:", 4) != 0 && strncmp(line, "Groups:", 7) != 0)
        return;
    p = strchr(line, ':') + 1;
    for (char *end; s->group_count < GROUPS_MAX; p = end) {
        unsigned long id = strtoul(p, &end, 10);

        if (end == p)
            break;
        s->groups[s->group_count++] = (gid_t)id;
    }
}

static bool is_web_server(const char *name) {
    static const char *const names[] = {"apache2", "httpd", "lighttpd", "nginx", "caddy", "h2o"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i]))
            return true;
    return false;
}

/* A process, if it is a web server's. */
static bool read_process(const char *pid, struct subject *s) {
    char path[64], line[STATUS_LINE_MAX], name[COMM_LEN_MAX + 1] = "";
    FILE *f;

    (void)snprintf(path, sizeof path, "/proc/%.32s/status", pid);
    if (!(f = fopen(path, "re")))
        return false;
    *s = (struct subject){0};
    while (fgets(line, sizeof line, f)) {
        if (!strncmp(line, "Name:\t", 6))
            (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(line + 6, "\n"), line + 6);
        read_ids(line, s);
    }
    (void)fclose(f);
    return is_web_server(name);
}

struct servers {
    struct subject all[SERVERS_MAX];
    size_t count;
    bool root; /* one was seen that runs as root: usually the parent of those that serve */
};

static void add_server(struct servers *v, const struct subject *s) {
    if (!s->uid) {
        v->root = true;
        return;
    }
    for (size_t i = 0; i < v->count; i++)
        if (v->all[i].uid == s->uid)
            return;
    if (v->count < SERVERS_MAX)
        v->all[v->count++] = *s;
}

static void find_servers(struct servers *v) {
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    struct subject s;

    while (proc && (entry = readdir(proc)))
        if (isdigit((unsigned char)*entry->d_name) && read_process(entry->d_name, &s))
            add_server(v, &s);
    if (proc)
        closedir(proc);
}

/* ---- findings ---- */

static const char *user_name(struct doctor *d, uid_t uid) {
    const struct passwd *p = getpwuid(uid);

    return p ? arena_strdup(d->arena, p->pw_name) : arena_printf(d->arena, "%u", (unsigned)uid);
}

static void say_servers(struct doctor *d, const char *path, const struct stat *st) {
    const struct group *g = getgrgid(st->st_gid);
    const char *group =
        g ? arena_strdup(d->arena, g->gr_name) : arena_printf(d->arena, "%u", (unsigned)st->st_gid);
    struct servers v = {0};

    find_servers(&v);
    for (size_t i = 0; i < v.count; i++)
        if (may_connect(&v.all[i], path)) {
            doctor_ok(d, what, "%s: %s may connect, others may not", path,
                      user_name(d, v.all[i].uid));
            return;
        }
    if (v.count)
        doctor_fail(d, what,
                    "SocketGroup= of mcp-authd.socket names the web server's group (systemctl edit "
                    "mcp-authd.socket); folders on the way need x for it",
                    "%s: the web server's user %s may not connect (group %s, mode %o)", path,
                    user_name(d, v.all[0].uid), group, (unsigned)st->st_mode & 0777);
    else if (v.root)
        doctor_ok(d, what, "%s: the web server runs as root; others may not connect", path);
    else
        doctor_warn(
            d, what,
            "start the web server; if it runs, run doctor as root, which sees all processes",
            "%s: no web server was seen; group %s may connect", path, group);
}

/* The socket exists, and no process accepts connections. False also if this user may not connect.
 */
static bool nobody_listens(const char *path) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd;
    bool refused;

    if (strlen(path) >= sizeof to.sun_path)
        return false;
    memcpy(to.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    refused = fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) && errno == ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    return refused;
}

void check_socket(struct doctor *d) {
    const char *path = d->config->listen, *start = "systemctl start mcp-authd.socket mcp-authd";
    const struct subject stranger = {.uid = (uid_t)-2}; /* of no group */
    struct stat st;

    if (*path != '/') {
        doctor_warn(d, what, "let LISTEN be the path of a Unix socket",
                    "every user of this host may connect to %s", path);
        return;
    }
    if (stat(path, &st) && errno == EACCES)
        doctor_warn(d, what, "run doctor as root or as the service's user",
                    "%s cannot be looked at by this user", path);
    else if (stat(path, &st) || !S_ISSOCK(st.st_mode))
        doctor_fail(d, what, start, "%s is not there, or no socket", path);
    else if (nobody_listens(path))
        doctor_fail(d, what, start, "%s: nobody listens", path);
    else if (may_connect(&stranger, path))
        doctor_fail(d, what, "SocketMode=0660 in mcp-authd.socket (or chmod 660)",
                    "%s: every user of this host may connect (mode %o)", path,
                    (unsigned)st.st_mode & 0777);
    else
        say_servers(d, path, &st);
}

/* ---- lighttpd ---- */

#define LINE_BYTES_MAX 1024

struct settings {
    bool ours, background, activation;
};

static bool enables(const char *line, const char *name) {
    const char *at = strstr(line, name);

    return at && strstr(at, "\"enable\"");
}

static void take_line(char *line, struct settings *s) {
    line[strcspn(line, "#\n")] = 0;
    s->ours = s->ours || strstr(line, "mcp_authd_socket") || strstr(line, "mcp-authd");
    s->background = s->background || enables(line, "\"server.graceful-restart-bg\"");
    s->activation = s->activation || enables(line, "server.systemd-socket-activation");
}

static bool take_file(const char *path, struct settings *s) {
    char line[LINE_BYTES_MAX];
    FILE *f = fopen(path, "re");

    while (f && fgets(line, sizeof line, f))
        take_line(line, s);
    return f && !fclose(f);
}

/* The files as Debian has them. */
static bool take_files(struct doctor *d, const char *folder, struct settings *s) {
    const char *enabled = arena_printf(d->arena, "%s/conf-enabled", folder);
    struct dirent *each;
    DIR *dir;

    if (!take_file(arena_printf(d->arena, "%s/lighttpd.conf", folder), s))
        return false;
    dir = opendir(enabled);
    while (dir && (each = readdir(dir)))
        if (*each->d_name != '.')
            (void)take_file(arena_printf(d->arena, "%s/%s", enabled, each->d_name), s);
    if (dir)
        (void)closedir(dir);
    return true;
}

void check_lighttpd(struct doctor *d, const char *folder) {
    struct settings s = {0};

    if (!(d->config->endpoints & GROUP_MCP) || !take_files(d, folder, &s) || !s.ours)
        return;
    if (!s.background || !s.activation)
        doctor_warn(d, "lighttpd",
                    "set server.systemd-socket-activation = \"enable\" and server.feature-flags += "
                    "( \"server.graceful-restart-bg\" => \"enable\" ), and restart it "
                    "(docs/lighttpd.md)",
                    "a reload with an open stream silences the whole site for a while");
    else
        doctor_ok(d, "lighttpd", "a reload with open streams leaves the site serving");
}
