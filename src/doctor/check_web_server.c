/* Private part of doctor.h: the web server, as far as it has to do with the service: the socket,
 * to which only its user may connect; and what lighttpd's configuration says of a reload with open
 * streams (docs/lighttpd.md). */
#include <errno.h>
#include <glob.h>
#include <grp.h>
#include <limits.h>
#include <sys/stat.h>

#include "base/text.h"
#include "doctor/doctor.h"

#define GROUPS_MAX 64  /* of one process */
#define SERVERS_MAX 16 /* users that web servers run as */
#define STATUS_LINE_MAX 512
#define COMM_LEN_MAX 16 /* proc(5) */

/* User and groups of a process, which its access to files depends on (credentials(7)). */
struct process_ids {
    uid_t uid;
    gid_t groups[GROUPS_MAX];
    size_t group_count;
};

/* ---- permissions ---- */

static bool has_permission(const struct process_ids *s, const struct stat *st, mode_t others_bit) {
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
static bool may_connect(const struct process_ids *s, const char *path) {
    char dir[PATH_MAX];
    struct stat st;

    if (strlen(path) >= sizeof dir || stat(path, &st) || !has_permission(s, &st, S_IWOTH))
        return false;
    memcpy(dir, path, strlen(path) + 1);
    for (char *slash; (slash = strrchr(dir, '/'));) {
        slash[slash == dir] = 0;
        if (stat(*dir ? dir : ".", &st) || !has_permission(s, &st, S_IXOTH))
            return false;
        if (slash == dir)
            break;
    }
    return true;
}

/* ---- the users of web servers ---- */

static void read_ids(const char *line, struct process_ids *s) {
    char *end;

    (void)sscanf(line, "Uid: %*u %u", &s->uid); /* real, effective, … */
    if (strncmp(line, "Gid:", 4) != 0 && strncmp(line, "Groups:", 7) != 0)
        return;
    for (const char *p = strchr(line, ':') + 1; s->group_count < GROUPS_MAX; p = end) {
        unsigned long id = strtoul(p, &end, 10);

        if (end == p)
            break;
        s->groups[s->group_count++] = (gid_t)id;
    }
}

/* /proc/PID/status of a process, if it is a web server's. */
static bool read_process(const char *path, struct process_ids *s) {
    char line[STATUS_LINE_MAX], name[COMM_LEN_MAX + 1] = "";
    FILE *f;

    if (!(f = fopen(path, "re")))
        return false;
    *s = (struct process_ids){0};
    while (fgets(line, sizeof line, f)) {
        if (!strncmp(line, "Name:\t", 6))
            (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(line + 6, "\n"), line + 6);
        read_ids(line, s);
    }
    (void)fclose(f);
    return list_has("apache2 httpd lighttpd nginx caddy h2o", name);
}

struct web_servers {
    struct process_ids all[SERVERS_MAX];
    size_t count;
    bool root; /* one was seen that runs as root: usually the parent of those that serve */
};

static void add_web_server(struct web_servers *v, const struct process_ids *s) {
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

static void find_web_servers(struct web_servers *v) {
    glob_t processes = {0};
    struct process_ids s;

    (void)glob("/proc/[0-9]*/status", GLOB_NOSORT, NULL, &processes);
    for (size_t i = 0; i < processes.gl_pathc; i++)
        if (read_process(processes.gl_pathv[i], &s))
            add_web_server(v, &s);
    globfree(&processes);
}

/* ---- findings ---- */

static void report_web_servers(struct doctor *d, const char *path, const struct stat *st) {
    const struct group *g = getgrgid(st->st_gid);
    const char *group =
        g ? arena_strdup(d->arena, g->gr_name) : arena_printf(d->arena, "%u", (unsigned)st->st_gid);
    struct web_servers v = {0};

    find_web_servers(&v);
    for (size_t i = 0; i < v.count; i++)
        if (may_connect(&v.all[i], path)) {
            doctor_ok(d, "%s: %s may connect, others may not", path,
                      doctor_user_name(d->arena, v.all[i].uid));
            return;
        }
    if (v.count)
        doctor_fail(d,
                    "SocketGroup= of mcp-authd.socket names the web server's group (systemctl edit "
                    "mcp-authd.socket); folders on the way need x for it",
                    "%s: the web server's user %s may not connect (group %s, mode %o)", path,
                    doctor_user_name(d->arena, v.all[0].uid), group, (unsigned)st->st_mode & 0777);
    else if (v.root)
        doctor_ok(d, "%s: the web server runs as root; others may not connect", path);
    else
        doctor_warn(
            d, "start the web server; if it runs, run doctor as root, which sees all processes",
            "%s: no web server was seen; group %s may connect", path, group);
}

void check_socket(struct doctor *d) {
    const char *path = d->config->listen, *start = "systemctl start mcp-authd.socket mcp-authd";
    const struct process_ids stranger = {.uid = (uid_t)-2}; /* of no group */
    struct stat st;

    if (*path != '/') {
        doctor_warn(d, "let LISTEN be the path of a Unix socket",
                    "every user of this host may connect to %s", path);
        return;
    }
    if (stat(path, &st) && errno == EACCES)
        doctor_warn(d, "run doctor as root or as the service's user",
                    "%s cannot be looked at by this user", path);
    else if (stat(path, &st) || !S_ISSOCK(st.st_mode))
        doctor_fail(d, start, "%s is not there, or no socket", path);
    else if (unix_socket_probe(path) == ECONNREFUSED)
        doctor_fail(d, start, "%s: nobody listens", path);
    else if (may_connect(&stranger, path))
        doctor_fail(d, "SocketMode=0660 in mcp-authd.socket (or chmod 660)",
                    "%s: every user of this host may connect (mode %o)", path,
                    (unsigned)st.st_mode & 0777);
    else
        report_web_servers(d, path, &st);
}

/* ---- lighttpd ---- */

#define LINE_BYTES_MAX 1024

struct lighttpd_settings {
    bool has_service, graceful_restart_bg, socket_activation;
};

static bool enables(const char *line, const char *name) {
    const char *at = strstr(line, name);

    return at && strstr(at, "\"enable\"");
}

static void read_setting(char *line, struct lighttpd_settings *s) {
    line[strcspn(line, "#\n")] = 0;
    s->has_service |= strstr(line, "mcp_authd_socket") || strstr(line, "mcp-authd");
    s->graceful_restart_bg |= enables(line, "\"server.graceful-restart-bg\"");
    s->socket_activation |= enables(line, "server.systemd-socket-activation");
}

static bool read_settings_file(const char *path, struct lighttpd_settings *s) {
    char line[LINE_BYTES_MAX];
    FILE *f = fopen(path, "re");

    while (f && fgets(line, sizeof line, f))
        read_setting(line, s);
    return f && !fclose(f);
}

/* The files as Debian has them. */
static bool read_settings(struct doctor *d, const char *folder, struct lighttpd_settings *s) {
    glob_t files = {0};

    if (!read_settings_file(arena_printf(d->arena, "%s/lighttpd.conf", folder), s))
        return false;
    (void)glob(arena_printf(d->arena, "%s/conf-enabled/*", folder), 0, NULL, &files);
    for (size_t i = 0; i < files.gl_pathc; i++)
        (void)read_settings_file(files.gl_pathv[i], s);
    globfree(&files);
    return true;
}

void check_lighttpd(struct doctor *d, const char *folder) {
    struct lighttpd_settings s = {0};

    if (!(d->config->endpoints & GROUP_MCP) || !read_settings(d, folder, &s) || !s.has_service)
        return;
    d->check = "lighttpd";
    if (!s.graceful_restart_bg || !s.socket_activation)
        doctor_warn(d,
                    "set server.systemd-socket-activation = \"enable\" and server.feature-flags += "
                    "( \"server.graceful-restart-bg\" => \"enable\" ), and restart it "
                    "(docs/lighttpd.md)",
                    "a reload with an open stream silences the whole site for a while");
    else
        doctor_ok(d, "a reload with open streams leaves the site serving");
}
