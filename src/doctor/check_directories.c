/* The folders that an admin fills: pinned clients, and the manifests of tools, resources and
 * prompts. Read by the loaders of the service. */
#include <stdlib.h>
#include <unistd.h>

#include "app/app.h"
#include "catalog/prompts.h"
#include "catalog/resources.h"
#include "catalog/tools.h"
#include "doctor/doctor.h"
#include "oauth/clients.h"

/* Loads the folder, throws away what was loaded, and keeps what was said. */
typedef void load_fn(const struct config *c, FILE *problems, unsigned *bad);

static void load_clients(const struct config *c, FILE *problems, unsigned *bad) {
    client_set_free(client_set_load(c, problems, bad));
}

static void load_tools(const struct config *c, FILE *problems, unsigned *bad) {
    struct tool_set *tools = tool_set_load(c, problems, bad);

    tool_set_advise(tools, c->tools_dir, problems);
    tool_set_free(tools);
}

static void load_resources(const struct config *c, FILE *problems, unsigned *bad) {
    resource_set_free(resource_set_load(c, problems, bad));
}

static void load_prompts(const struct config *c, FILE *problems, unsigned *bad) {
    prompt_set_free(prompt_set_load(c, problems, bad));
}

static void check_directory(struct doctor *d, const char *what, const char *dir, load_fn *load) {
    char *problems = NULL;
    unsigned bad = 0;
    size_t len;
    FILE *f;

    if (!*dir)
        return; /* switched off */
    if (access(dir, R_OK | X_OK)) {
        doctor_say(d, VERDICT_WARN, what, "make it, or let the service's user read it",
                   "%s cannot be read", dir);
        return;
    }
    if (!(f = open_memstream(&problems, &len)))
        return;
    load(d->config, f, &bad);
    (void)fclose(f);
    if (bad)
        doctor_say_lines(d, VERDICT_WARN, what, "mend it; it is left out until then", problems);
    else if (len)
        doctor_say_lines(d, VERDICT_WARN, what, "it is served as it is; see docs/tools.md",
                         problems);
    else
        doctor_say(d, VERDICT_OK, what, "", "%s", dir);
    free(problems);
}

void check_directories(struct doctor *d) {
    const struct config *c = d->config;
    const struct http_options guarded = document_http_options(c);
    struct err e;

    if (c->endpoints & GROUP_AUTHORIZE) {
        check_directory(d, "pinned clients", c->clients_dir, load_clients);
        if (http_options_check(&guarded, &e))
            doctor_say(d, VERDICT_FAIL, "client documents", "see CLIENT_METADATA_…", "%s", e.text);
    }
    if (c->endpoints & GROUP_MCP) {
        check_directory(d, "tools", c->tools_dir, load_tools);
        check_directory(d, "resources", c->resources_dir, load_resources);
        check_directory(d, "prompts", c->prompts_dir, load_prompts);
    }
}
