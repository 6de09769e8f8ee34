#include "exec/server_services.h"

#include "base/file.h"
#include "exec/server_call.h"
#include "exec/server_identity.h"
#include "shared/cache.h"

#define ARENA_MAX ((size_t)8 << 20)
#define RENEW_S (IDENTITY_SERVICE_S / 4)

/* One worker of the host does it. */
static bool is_due(struct site *site, struct arena *a, const struct server *s) {
    const struct cache_entry entry = cache_text_entry("", RENEW_S);
    struct err e;

    return site->cache &&
           !cache_add(site->cache, arena_printf(a, "server-jwt:%s", s->name), &entry, 0, &e);
}

static void renew(struct site *site, struct arena *a, const struct server *s) {
    struct exchange x = {.site = site};
    struct mcp_call c = {.x = &x, .arena = a};
    const char *jwt = server_service_identity(&c, s);
    const struct instance_key key = server_instance_key(&c, s);
    const int fd = jwt ? file_in_memory("jwt", 0) : -1;

    if (fd >= 0 && file_write_all(fd, jwt, strlen(jwt), 0))
        (void)instance_renew_service(&key, fd);
    descriptor_close(fd);
}

void server_services_renew(struct site *site) {
    struct arena *a = NULL;
    const struct server *s;

    for (size_t i = 0; (s = catalog_server(site->mcp->catalog, i)); i++) {
        if (!s->audience)
            continue;
        if (!a)
            a = arena_new(ARENA_MAX);
        if (is_due(site, a, s))
            renew(site, a, s);
        arena_reset(a);
    }
    arena_free(a);
}
