/* Private part of config.h: the keys by which the server introduces itself, and what follows from
 * them. */
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "base/utf8.h"
#include "config/config.h"
#include "config/loading.h"

#define NAME_BYTES_MAX 64
#define TITLE_BYTES_MAX 128
#define INSTRUCTIONS_BYTES_MAX 16384
#define ICONS_MAX 2

/* It stands in commands and addresses, so it needs no quotes anywhere. */
static void check_name(struct loading *l) {
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const char *name = l->c->server.name;
    size_t len = strlen(name);

    if (!len || len > NAME_BYTES_MAX || strspn(name, allowed) != len || *name == '-')
        config_refuse(l, "SERVER_NAME", "must be 1 to %d of A-Z a-z 0-9 . _ -, not begin with -",
                      NAME_BYTES_MAX);
}

static void check_title(struct loading *l) {
    struct config_server *s = &l->c->server;

    s->label = *s->title ? s->title : s->name;
    if (strlen(s->title) > TITLE_BYTES_MAX)
        config_refuse(l, "SERVER_TITLE", "must have at most %d bytes", TITLE_BYTES_MAX);
    else if (utf8_valid_length(s->title, strlen(s->title)) < strlen(s->title))
        config_refuse(l, "SERVER_TITLE", "is not UTF-8 text");
}

/* What a browser may be sent to. */
static void check_page(struct loading *l, const char *key, const char *uri) {
    struct url u;

    if (*uri && (url_parse(l->c->arena, uri, &u, ERR_IGNORED) || u.userinfo ||
                 (strcmp(u.scheme, "https") != 0 &&
                  (strcmp(u.scheme, "http") != 0 || !url_is_loopback(&u)))))
        config_refuse(l, key, "must be an https address");
}

/* An https address may stand in a Content-Security-Policy as it is, without what ends a source. */
static const char *csp_source(struct loading *l, const char *uri) {
    struct url u;

    if (!strncmp(uri, "data:", strlen("data:")) || url_parse(l->c->arena, uri, &u, ERR_IGNORED))
        return "data:";
    return url_origin(l->c->arena, &u);
}

/* MCP 2025-11-25, "Icons": clients take https and data addresses alone. */
static void check_icons(struct loading *l) {
    struct config_server *s = &l->c->server;
    const char *list = s->icons, *uri;

    s->icon[0] = s->icon[1] = s->icon_sources = "";
    for (size_t i = 0; (uri = list_next(l->c->arena, &list)); i++) {
        if (i == ICONS_MAX) {
            config_refuse(l, "SERVER_ICON",
                          "must be one address, or one for light and one for dark");
            return;
        }
        if (strncmp(uri, "data:image/", strlen("data:image/")) != 0)
            check_page(l, "SERVER_ICON", uri);
        s->icon[i] = uri;
        s->icon_sources = arena_printf(l->c->arena, "%s %s", s->icon_sources, csp_source(l, uri));
    }
}

static struct json *make_icons(struct config *c) {
    static const char *const themes[ICONS_MAX] = {"light", "dark"};
    struct json *icons = json_new_array(c->arena);

    for (size_t i = 0; i < ICONS_MAX && *c->server.icon[i]; i++) {
        struct json *icon = json_new_object(c->arena);
        const char *uri = c->server.icon[i];

        json_put_str(icon, "src", uri);
        if (!strncmp(uri, "data:", strlen("data:")))
            json_put_str(icon, "mimeType",
                         arena_strndup(c->arena, uri + 5, strcspn(uri + 5, ";,")));
        json_put_str(icon, "theme", *c->server.icon[1] ? themes[i] : NULL);
        json_add(icons, icon);
    }
    return icons;
}

static void read_instructions(struct loading *l) {
    struct config_server *s = &l->c->server;
    struct text text;
    struct err e;

    if (!*s->instructions_file)
        return;
    if (file_read(l->c->arena, s->instructions_file, INSTRUCTIONS_BYTES_MAX, &text, &e))
        config_refuse(l, "SERVER_INSTRUCTIONS_FILE", "%s %s", s->instructions_file, e.text);
    else if (utf8_valid_length(text.p, text.len) < text.len || memchr(text.p, 0, text.len))
        config_refuse(l, "SERVER_INSTRUCTIONS_FILE", "%s is not UTF-8 text", s->instructions_file);
    else
        s->instructions = text.p;
}

void config_check_server(struct loading *l) {
    struct config *c = l->c;
    struct json *info = json_new_object(c->arena);
    size_t len;

    check_name(l);
    check_title(l);
    check_icons(l);
    read_instructions(l);
    check_page(l, "SERVER_WEBSITE", c->server.website);
    check_page(l, "SERVER_DOCUMENTATION", c->server.documentation);
    check_page(l, "SERVER_POLICY", c->server.policy);
    check_page(l, "SERVER_TERMS", c->server.terms);
    json_put_str(info, "name", c->server.name);
    json_put_str(info, "title", c->server.label);
    json_put_str(info, "version", MCP_AUTHD_VERSION);
    c->server.info = json_text(c->arena, info, &len);
    if (*c->server.website)
        json_put_str(info, "websiteUrl", c->server.website);
    if (*c->server.icons)
        json_put(info, "icons", make_icons(c));
    c->server.info_with_icons = json_text(c->arena, info, &len);
}
