/* Private part of config.h: what its files share while a configuration is read. */
#pragma once

#include "base/url.h"

struct config;

/* A value as it was written, without quotes and comment. */
struct given {
    const char *text; /* NULL: not given */
    unsigned line;    /* 0: by the environment */
    bool inherited;   /* by a site: it stands in mcp-authd.conf */
    bool refused;     /* an error was reported: what follows from the value is not reported too */
};

struct loading {
    struct config *c;
    FILE *errors;
    const char *path;    /* NULL: environment only */
    const char *file;    /* read in its place, under its name in messages; NULL: path itself */
    struct given *given; /* by index in config_keys */
    unsigned bad;
    bool values_only;           /* config_load_values */
    bool no_site;               /* mcp-authd.conf, which has only what sites inherit */
    const struct loading *host; /* of a site: mcp-authd.conf; NULL: this is it */
};

/* config.c: begins in an arena of its own, which the configuration owns from then on. */
void loading_begin(struct loading *l, const char *path, FILE *errors);
/* sites.c: SITES_DIR of mcp-authd.conf, which is beside it unless it is given. */
void config_derive_sites_dir(struct loading *l);
/* config.c: sets and checks what was read, as far as `l` is a site. */
void loading_finish(struct loading *l);

/* The index of a key in config_keys; config_key_count: there is none of this name. */
size_t config_key_index(const char *name);
/* Reports an error in one line of text: of the whole file (line 0), or of one of its lines. */
#define config_fault(l, line, ...)                                                                 \
    config_report(l, line, NULL, arena_printf((l)->c->arena, __VA_ARGS__))
/* Reports an error in a key's value, with file, line, key and value. Only the first error of a
 * value is reported. */
#define config_refuse(l, key, ...)                                                                 \
    config_report(l, 0, key, arena_printf((l)->c->arena, __VA_ARGS__))
void config_report(struct loading *l, unsigned line, const char *key, const char *why);
bool config_is_refused(const struct loading *l, const char *key);
/* What was read of it; NULL: nothing. */
const char *config_given(const struct loading *l, const char *key);
/* Text that somebody wrote, for a message, which may go to a terminal. */
const char *config_shown(struct loading *l, const char *text);

/* read.c: the file, and the environment or, of a site, what it inherits. false: there is no such
 * file. */
bool config_read(struct loading *l);
void config_check_server(struct loading *l); /* server_info.c: the keys SERVER_… */
/* check.c: what each value must be, and all of them together: of mcp-authd.conf, of a site. */
void config_check_host(struct loading *l);
void config_check_site(struct loading *l);
/* check.c: the names of files that follow from STATE_DIR. */
void config_derive_files(struct loading *l);
/* check.c: the text without slashes at its end. */
const char *config_without_slashes(struct arena *a, const char *text);
/* app_clients.c: the words of config_app_client. */
void config_check_app_clients(struct loading *l, const char *key, const char *list);
/* check.c: https, or plain http where the host is loopback; no user info, query or fragment.
 * false for "" too. */
bool config_check_url(struct loading *l, const char *key, const char *text, struct url *u);
