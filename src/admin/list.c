/* Private part of site.h: all sites, in a table or as JSON. */
#include <dirent.h>
#include <errno.h>

#include "admin/site.h"
#include "app/site_set.h"
#include "base/json.h"
#include "base/problems.h"
#include "base/text.h"

#define LIST_ARENA_MAX (256UL << 20) /* SITES_MAX sites, each with addresses and its faults */

/* One row; a text that is not known is NULL. */
struct row {
    const char *name, *file, *problem;
    bool enabled;
    const struct config *config; /* NULL: it is switched off, or wrong */
};

struct listing {
    const struct site_job *job;
    struct arena *arena;
    const struct site_set *set; /* NULL: mcp-authd.conf is wrong, or no site is left */
    struct json *problems;      /* an array of lines */
    struct json *rows;          /* NULL: a table */
    bool any_wrong;
};

static const char *state_of(const struct row *r) {
    return !r->enabled ? "disabled" : r->config ? "enabled" : "wrong";
}

static const char *shown(const char *text) {
    return text && *text ? text : "-";
}

static void put_row(struct listing *l, const struct row *r) {
    const struct config *c = r->config;
    struct json *o;

    l->any_wrong = l->any_wrong || (r->enabled && !c);
    if (!l->rows) {
        (void)printf("%-20s %-8s %-44s %-16s %s\n", r->name, state_of(r),
                     r->problem ? r->problem : shown(c ? c->mcp_server_uri : NULL),
                     shown(c ? c->run_user : NULL), shown(c ? c->idp.client_id : NULL));
        return;
    }
    o = json_new_object(l->arena);
    json_put_str(o, "name", r->name);
    json_put_str(o, "state", state_of(r));
    json_put_str(o, "file", r->file);
    json_put_str(o, "problem", r->problem);
    if (c) {
        json_put_str(o, "mcp_server_uri", c->mcp_server_uri);
        json_put_str(o, "auth_proxy_uri", c->auth_proxy_uri);
        json_put_str(o, "issuer", c->idp.issuer);
        json_put_str(o, "client_id", c->idp.client_id);
        json_put_str(o, "run_user", *c->run_user ? c->run_user : NULL);
        json_put_str(o, "tools_dir", c->tools_dir);
        json_put_str(o, "state_dir", c->state_dir);
    }
    json_add(l->rows, o);
}

/* The first line of what is wrong with a file, without its path; NULL: nothing. */
static const char *problem_of(struct listing *l, const char *file) {
    const size_t len = strlen(file);

    for (size_t i = 0; i < json_len(l->problems); i++) {
        const char *line = json_str(json_at(l->problems, i));

        if (!strncmp(line, file, len) && line[len] == ':')
            return line + len + 1;
    }
    return NULL;
}

static void put_file(struct listing *l, const char *file) {
    const bool enabled = text_ends_with(file, SITE_FILE_END);
    const size_t end = strlen(enabled ? SITE_FILE_END : SITE_OFF_END);
    struct row row = {.name = arena_strndup(l->arena, file, strlen(file) - end),
                      .file = arena_printf(l->arena, "%s/%s", l->job->dir, file),
                      .enabled = enabled};
    const struct config_site *site =
        l->set && enabled ? config_sites_find(l->set->config, row.name) : NULL;

    if (site)
        row.config = site->config;
    else if (enabled)
        row.problem = problem_of(l, row.file);
    put_row(l, &row);
}

static bool put_files(struct listing *l) {
    struct dirent **entries = NULL;
    int count = scandir(l->job->dir, &entries, config_is_site_file, alphasort);

    if (count < 0 && errno != ENOENT) {
        (void)fprintf(stderr, "mcp-authd site: %s cannot be read: %s\n", l->job->dir,
                      strerror(errno));
        return false;
    }
    for (int i = 0; i < count; i++) {
        put_file(l, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return true;
}

int site_list(const struct site_job *j) {
    struct listing l = {.job = j, .arena = arena_new(LIST_ARENA_MAX)};
    struct problems problems;
    struct site_set *set;
    bool good;

    problems_begin(&problems);
    l.set = set = site_set_load(j->config_path, NULL, NULL, problems.f);
    l.problems = json_new_array(l.arena);
    for (const char *line; (line = problems_next(&problems));)
        json_add_str(l.problems, line);
    if (j->as_json)
        l.rows = json_new_array(l.arena);
    else
        (void)printf("%-20s %-8s %-44s %-16s %s\n", "NAME", "STATE", "ADDRESS", "USER", "CLIENT");
    if (set && set->config->count && !*set->config->all[0].config->site)
        put_row(&l, &(struct row){.name = "mcp-authd.conf",
                                  .file = j->config_path,
                                  .enabled = true,
                                  .config = set->config->all[0].config});
    good = put_files(&l);
    if (j->as_json)
        (void)printf("%s\n", json_text(l.arena, l.rows, NULL));
    for (size_t i = 0; !set && i < json_len(l.problems); i++)
        (void)fprintf(stderr, "%s\n", json_str(json_at(l.problems, i)));
    site_set_free(set);
    arena_free(l.arena);
    return !good ? 2 : l.any_wrong || !set;
}
