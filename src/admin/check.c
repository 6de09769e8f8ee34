#include "admin/check.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin/site.h"
#include "app/app.h"
#include "app/site_set.h"
#include "base/problems.h"

/* No fault, but what an admin should know: doctor says more. */
static void note_shared_user(const struct config *c) {
    if (c->endpoints & GROUP_MCP && !*c->runner_socket && (!*c->run_user || geteuid()))
        (void)fputs("programs run as the daemon's own user: see RUNNER_SOCKET and RUN_USER\n",
                    stderr);
}

/* What `-t` prints: mcp-authd.conf, and of each site what it may have of its own. */
static void dump(const struct config_sites *sites) {
    config_dump(sites->host, true, stdout);
    for (size_t i = 0; i < sites->count; i++) {
        const struct config *c = sites->all[i].config;

        if (c == sites->host)
            continue;
        (void)printf("\n# %s/%s" SITE_FILE_END "\n", sites->host->sites_dir, c->site);
        config_dump(c, false, stdout);
    }
    (void)fflush(stdout);
}

/* As the service's user from now on. */
static int check_set(struct site_set *sites) {
    struct app_checked checked = {0};
    bool good;

    app_become_service(sites->config->host);
    good = app_check_sites(sites, NULL, stderr, &checked) && !sites->config->refused;
    app_catalog_free(checked.catalog);
    if (!good)
        return EXIT_WRONG;
    if (checked.left_out)
        (void)fprintf(stderr, "configuration is good, but %u of what it names %s left out\n",
                      checked.left_out, checked.left_out == 1 ? "is" : "are");
    else
        (void)fputs("configuration is good\n", stderr);
    return checked.left_out ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int load_and_check(const char *config_path, bool dumps) {
    struct site_set *sites = site_set_load(config_path, NULL, NULL, stderr);
    int status;

    if (!sites)
        return EXIT_WRONG;
    if (dumps) {
        dump(sites->config);
        note_shared_user(sites->config->host);
    }
    status = check_set(sites);
    site_set_free(sites);
    return status;
}

int check_all(const char *config_path) {
    return load_and_check(config_path, true);
}

/* ---- mcp-authd site check ---- */

/* The lines that are of this site or of mcp-authd.conf go to stderr. Returns how many others there
 * are. */
static unsigned print_own(const struct site_job *j, struct problems *lines) {
    const char *own[] = {arena_printf(j->arena, "%s/%s" SITE_FILE_END ":", j->dir, j->name),
                         arena_printf(j->arena, "site %s:", j->name),
                         arena_printf(j->arena, "%s:", j->config_path)};
    unsigned others = 0;

    for (const char *line; (line = problems_next(lines));) {
        bool is_own = false;

        for (size_t i = 0; i < sizeof own / sizeof *own; i++)
            is_own = is_own || !strncmp(line, own[i], strlen(own[i]));
        if (is_own)
            (void)fprintf(stderr, "%s\n", line);
        others += !is_own;
    }
    return others;
}

/* In a process of its own, which becomes the service's user. Returns the exit status. */
static int try_as_service(struct site_set *set, const char *name) {
    struct app_checked checked = {0};
    int status = EXIT_WRONG;
    pid_t pid;

    (void)fflush(NULL);
    pid = fork();
    if (!pid) {
        app_become_service(set->config->host);
        if (app_check_sites(set, NULL, stderr, &checked) && config_sites_find(set->config, name))
            status = checked.left_out ? EXIT_FAILURE : EXIT_SUCCESS;
        (void)fflush(NULL);
        _exit(status);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) {
        (void)fprintf(stderr, "mcp-authd site: the check did not end: %s\n", strerror(errno));
        return EXIT_WRONG;
    }
    return WEXITSTATUS(status);
}

int site_check_file(const struct site_job *j, const char *file, struct site_set **set) {
    const struct config_candidate candidate = {j->name, file};
    struct problems problems;
    int status = EXIT_WRONG;
    unsigned others;

    problems_begin(&problems);
    *set = site_set_load(j->config_path, NULL, &candidate, problems.f);
    others = print_own(j, &problems);
    if (*set && config_sites_find((*set)->config, j->name))
        status = try_as_service(*set, j->name);
    if (others && *set)
        (void)fprintf(stderr, "other sites have faults: mcp-authd site check\n");
    return status;
}

static int check_one(const struct site_job *j) {
    const bool enabled = !access(site_path(j, true), F_OK);
    struct site_set *set;
    int status;

    if (!enabled && access(site_path(j, false), F_OK)) {
        (void)fprintf(stderr, "mcp-authd site: there is no site %s in %s\n", j->name, j->dir);
        return EXIT_WRONG;
    }
    status = site_check_file(j, site_path(j, enabled), &set);
    if (status != EXIT_WRONG)
        (void)printf("%s is good%s\n", j->name,
                     status ? ", but something that it names is left out" : "");
    site_set_free(set);
    return status;
}

int site_check(const struct site_job *j) {
    return j->name ? check_one(j) : load_and_check(j->config_path, false);
}
