#include "doctor/status_quotas.h"

#include "base/problems.h"
#include "catalog/servers.h"
#include "exec/executor.h"
#include "exec/limits.h"

struct listing {
    struct arena *a;
    const struct config *config;
    struct json *list;
};

static void add(struct listing *l, const struct quota *quota) {
    const struct clock real = {0};
    struct json *o;
    uint32_t used;

    if (!quota)
        return;
    o = json_new_object(l->a);
    json_put_str(o, "of", quota->of);
    if (quota_used(quota, l->config->state_dir, &real, &used))
        json_put_int(o, "used", used);
    if (quota->all)
        json_put_int(o, "max", quota->all);
    if (quota->user)
        json_put_int(o, "user_max", quota->user);
    json_add(l->list, o);
}

static void add_list(struct listing *l, const struct list *entries) {
    for (size_t i = 0; i < entries->count; i++)
        if (!entries->entries[i]->is_foreign) /* those of a server have one together */
            add(l, entries->entries[i]->source.quota);
}

void status_quotas_add(struct arena *a, const struct config *c, struct json *status) {
    struct listing l = {a, c, json_new_array(a)};
    struct problems ignored;
    struct catalog *catalog;

    if (!(c->endpoints & GROUP_MCP))
        return;
    catalog = catalog_new(c, &executor_sources);
    problems_begin(&ignored);
    for (enum catalog_kind kind = 0; kind < CATALOG_KINDS; kind++) {
        (void)catalog_load(catalog, kind, ignored.f);
        for (size_t i = 0; i < CATALOG_LISTS_MAX; i++)
            add_list(&l, &catalog->sets[kind]->lists[i]);
    }
    (void)catalog_servers_update(catalog, ignored.f);
    problems_end(&ignored, NULL);
    for (size_t i = 0; catalog_server(catalog, i); i++)
        add(&l, catalog_server(catalog, i)->quota);
    catalog_free(catalog);
    if (json_len(l.list))
        json_put(status, "quotas", l.list);
}

static void print_quota(const struct json *o, FILE *out) {
    int64_t used, max, of_user;

    (void)fprintf(out, "quota     %s: ", json_get_str(o, "of"));
    if (!json_get_int(o, "used", &used)) {
        (void)fputs("its counts may not be read (ask as root)\n", out);
        return;
    }
    if (json_get_int(o, "max", &max))
        (void)fprintf(out, "%lld of %lld calls today", (long long)used, (long long)max);
    else
        (void)fprintf(out, "%lld calls today", (long long)used);
    if (json_get_int(o, "user_max", &of_user))
        (void)fprintf(out, " (%lld of one user)", (long long)of_user);
    (void)fputc('\n', out);
}

void status_quotas_print(const struct json *status, FILE *out) {
    const struct json *quotas = json_get(status, "quotas");

    for (size_t i = 0; i < json_len(quotas); i++)
        print_quota(json_at(quotas, i), out);
}
