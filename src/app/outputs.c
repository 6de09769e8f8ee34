#include "app/outputs.h"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/output.h"

void outputs_become_service(const struct config *c) {
    const struct passwd *p;
    struct stat st;

    if (geteuid() || stat(c->state_dir, &st) || !st.st_uid)
        return;
    p = getpwuid(st.st_uid);
    if ((p ? initgroups(p->pw_name, p->pw_gid) : setgroups(1, &st.st_gid)) ||
        setgid(p ? p->pw_gid : st.st_gid) || setuid(st.st_uid))
        perror("mcp-authd: it is root who looks, not the service's user");
}

static bool good(const char *key, enum rc failed, const struct err *e, FILE *problems) {
    const struct passwd *p = getpwuid(geteuid());

    if (failed)
        (void)fprintf(problems,
                      "%s: %s (tried as the user %s; see LogsDirectory= and "
                      "ReadWritePaths= of the unit)\n",
                      key, e->text, p ? p->pw_name : "without a name");
    return !failed;
}

/* The default lies in STATE_DIR. */
static bool in_state_dir(const struct config *c, const char *path) {
    size_t len = strlen(c->state_dir);

    return !strncmp(path, c->state_dir, len) && path[len] == '/';
}

bool outputs_check(const struct config *c, FILE *problems) {
    struct err e = {.code = OK};
    bool all = true;

    if (*c->audit_log && c->endpoints & (GROUP_AUTHORIZE | GROUP_TOKEN))
        all = good("AUDIT_LOG", output_check(c->audit_log, &e), &e, problems);
    if (*c->metrics_emf_file && c->metrics_emf)
        all = good("METRICS_EMF_FILE", output_check(c->metrics_emf_file, &e), &e, problems) && all;
    if (!in_state_dir(c, c->status_file))
        all = good("STATUS_FILE", output_check_folder(c->status_file, &e), &e, problems) && all;
    return all;
}
