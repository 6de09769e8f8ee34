/* Private part of doctor.h: the folders that an admin fills: pinned clients, and the manifests of
 * tools, resources and prompts. Read by the loaders of the service. */
#include <stdlib.h>
#include <unistd.h>

#include "app/app.h"
#include "catalog/catalog.h"
#include "doctor/doctor.h"
#include "exec/executors.h"
#include "oauth/client_fetch.h"
#include "oauth/client_set.h"

struct folder {
    const char *what, *path;
    /* Loads it, throws away what was loaded, and writes what is to be said. Returns how many files
     * were left out. */
    unsigned (*load)(const struct folder *f, const struct config *c, FILE *problems);
    enum catalog_kind kind; /* of manifests */
};

static unsigned load_clients(const struct folder *f, const struct config *c, FILE *problems) {
    unsigned bad;

    (void)f;
    client_set_free(client_set_load(c, problems, &bad));
    return bad;
}

static unsigned load_manifests(const struct folder *f, const struct config *c, FILE *problems) {
    struct catalog *catalog = catalog_new(c, &executor_sources);
    unsigned bad = catalog_load(catalog, f->kind, problems);

    catalog_advise(catalog, f->kind, problems);
    catalog_free(catalog);
    return bad;
}

static void check_folder(struct doctor *d, const struct folder *folder) {
    const char *what = folder->what, *path = folder->path;
    char *problems = NULL;
    unsigned bad;
    size_t len;
    FILE *f;

    if (!*path)
        return; /* switched off */
    if (access(path, R_OK | X_OK)) {
        doctor_warn(d, what, "make it, or let the service's user read it", "%s cannot be read",
                    path);
        return;
    }
    if (!(f = open_memstream(&problems, &len)))
        return;
    bad = folder->load(folder, d->config, f);
    (void)fclose(f);
    if (bad)
        doctor_say_lines(d, VERDICT_WARN, what, "mend it; it is left out until then", problems);
    else if (len)
        doctor_say_lines(d, VERDICT_WARN, what, "it is served as it is; see docs/tools.md",
                         problems);
    else
        doctor_ok(d, what, "%s", path);
    free(problems);
}

void check_directories(struct doctor *d) {
    const struct config *c = d->config;
    const struct http_options guarded = document_http_options(c);
    const struct folder clients = {"pinned clients", c->clients_dir, load_clients, 0};
    struct err e;

    if (c->endpoints & GROUP_AUTHORIZE) {
        check_folder(d, &clients);
        if (http_options_check(&guarded, &e))
            doctor_fail(d, "client documents", "see CLIENT_METADATA_…", "%s", e.text);
    }
    if (c->endpoints & GROUP_MCP) {
        for (enum catalog_kind kind = 0; kind < CATALOG_KINDS; kind++) {
            const struct folder manifests = {catalog_kinds[kind]->plural,
                                             catalog_directory(c, kind), load_manifests, kind};

            check_folder(d, &manifests);
        }
    }
}
