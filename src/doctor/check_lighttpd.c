/* Private part of doctor.h: what lighttpd's configuration says of a reload with open streams
 * (docs/lighttpd.md). */
#include <dirent.h>
#include <string.h>

#include "doctor/doctor.h"

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
    static const char what[] = "lighttpd";
    struct settings s = {0};

    if (!(d->config->endpoints & GROUP_MCP) || !take_files(d, folder, &s) || !s.ours)
        return;
    if (!s.background || !s.activation)
        doctor_warn(d, what,
                    "set server.systemd-socket-activation = \"enable\" and server.feature-flags += "
                    "( \"server.graceful-restart-bg\" => \"enable\" ), and restart it "
                    "(docs/lighttpd.md)",
                    "a reload with an open stream silences the whole site for a while");
    else
        doctor_ok(d, what, "a reload with open streams leaves the site serving");
}
